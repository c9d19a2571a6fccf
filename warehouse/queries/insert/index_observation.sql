-- Adds a value only where none is recorded of its woodland, scene and index, or another one was recorded last.
insert into index_observation by name
with latest as (
    select index_acquisition.*
    from index_acquisition
    semi join batch using (source, scene_id)
),
final as (
    select distinct
        batch.* replace ($run_id as run_id),
        coalesce(latest.number, 0) + 1 as number,
        cast($now as timestamp) as recorded_at
    from batch
    left join latest using (woodland_id, source, scene_id, index_name)
    where
        latest.number is null
        or (batch.acquired_at, batch.value, batch.coverage, batch.is_nbar)
        is distinct from (latest.acquired_at, latest.value, latest.coverage, latest.is_nbar)
)
select * from final order by source, scene_id, index_name, woodland_id;
