-- A stream of which nobody can say how many passes to expect counts neither as whole nor as missing.
with final as (
    select
        season,
        sensor,
        sum(expected) as expected,
        cast(sum(found) as integer) as found,
        1 - least(sum(found) filter (expected is not null), sum(expected)) / nullif(sum(expected), 0) as missing_share
    from latest_completeness
    where
        ($season is null or season = $season)
        and ($park is null or block_id in (select block_id from block_park where park = $park))
    group by season, sensor
)
select * from final order by season, sensor;
