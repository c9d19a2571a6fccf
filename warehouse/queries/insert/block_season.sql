-- Adds a row only where a block-season stands otherwise than recorded last.
insert into block_season by name
with latest as (
    select * from season_standing
),
final as (
    select
        batch.*,
        coalesce(latest.number, 0) + 1 as number,
        cast($now as timestamp) as recorded_at
    from batch
    left join latest using (season, block_id)
    where
        latest.number is null
        or (batch.expected, batch.found, batch.missing_share, batch.floor, batch.is_complete, batch.is_frozen, batch.n_scenes, batch.n_left_out, batch.inputs_hash, batch.reason)
        is distinct from (latest.expected, latest.found, latest.missing_share, latest.floor, latest.is_complete, latest.is_frozen, latest.n_scenes, latest.n_left_out, latest.inputs_hash, latest.reason)
)
select * from final;
