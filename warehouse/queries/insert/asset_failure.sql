-- Adds a row only where an asset stands otherwise than recorded last.
insert into asset_failure by name
with latest as (
    select *
    from asset_failure
    qualify number = max(number) over (partition by season, block_id, scene_id, band)
),
final as (
    select
        batch.*,
        coalesce(latest.number, 0) + 1 as number,
        cast($now as timestamp) as recorded_at
    from batch
    left join latest using (season, block_id, scene_id, band)
    where
        latest.number is null
        or (batch.attempts, batch.error, batch.first_failed_at, batch.last_failed_at, batch.state)
        is distinct from (latest.attempts, latest.error, latest.first_failed_at, latest.last_failed_at, latest.state)
)
select * from final;
