-- The streams of a block-season are one finding, recorded whole when any of them is not what was recorded last.
insert into season_completeness by name
with found as (
    select season, block_id, sensor, platform, relative_orbit, tile, expected, found, missing_days, evidence
    from batch
),
latest as (
    select season, block_id, sensor, platform, relative_orbit, tile, expected, found, missing_days, evidence
    from latest_completeness
    semi join batch using (season, block_id)
),
difference as (
    (select * from found except select * from latest)
    union all
    (select * from latest except select * from found)
),
last as (
    select season, block_id, max(number) as number from season_completeness group by season, block_id
),
final as (
    select batch.*, coalesce(last.number, 0) + 1 as number, cast($now as timestamp) as recorded_at
    from batch
    semi join difference using (season, block_id)
    left join last using (season, block_id)
)
select * from final;
