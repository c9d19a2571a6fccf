-- What was held back is no gap: quarantine says why. A woodland of which no pixel was seen is there too. A block-season
-- with as many estimates as its block has woodlands lacks none, so few have to be gone through one by one.
with member as (
    select distinct current_estimate.woodland_id, current_estimate.block_id, current_estimate.target
    from current_estimate
    join current_woodland on current_woodland.id = current_estimate.woodland_id
    where current_woodland.is_present and current_estimate.block_id <> ''
),
block as (
    select block_id, target, count(*) as n from member group by block_id, target
),
told as (
    select block_id, season, target, count(*) filter (is_present) as n
    from current_estimate
    group by block_id, season, target
),
short as (
    select told.block_id, told.season, told.target
    from told
    join block on block.block_id = told.block_id and block.target = told.target and told.n < block.n
),
expected as (
    select distinct member.woodland_id, short.season, member.target
    from member
    join short using (block_id, target)
),
lacking as (
    select expected.woodland_id, expected.season
    from expected
    anti join current_estimate using (woodland_id, season, target)
    anti join quarantine on quarantine.key = expected.woodland_id and quarantine.season = expected.season
),
year as (
    select target, cast(season[1:4] as integer) as year from current_estimate where season[7:7] = '4' group by all
),
run_of_years as (
    select target, unnest(range(min(year), max(year))) as year from year group by target
),
final as (
    select 'woodland without an estimate that others of its block have' as what, count(*) as n,
        min(concat_ws(' ', woodland_id, season)) as example
    from lacking
    having count(*) > 0
    union all
    select 'calendar year without any estimate', count(*), min(concat_ws(' ', target, year))
    from run_of_years
    anti join year using (target, year)
    having count(*) > 0
)
select * from final order by what;
