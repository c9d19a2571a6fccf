-- Seasons of a span whose rows in current_estimate are not those of its definition: as many with the same sum of hashes
-- are the same rows. A span at a time, so that the definition is worked out in little memory.
with served as (
    select season, count(*) as n, sum(hash(each)) as total
    from current_estimate as each
    where season between $first and $last
    group by season
),
defined as (
    select season, count(*) as n, sum(hash(each)) as total
    from site_history_as_of(timestamp 'infinity') as each
    where season between $first and $last
    group by season
),
final as (
    (select * from served except select * from defined)
    union all
    (select * from defined except select * from served)
)
select distinct season from final order by season;
