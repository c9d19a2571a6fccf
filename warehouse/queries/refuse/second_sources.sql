-- The first block of the batch that would have scenes of two sources.
with used as (
    select block_id, source from batch
    union
    select block_id, source from season_scene where block_id in (select block_id from batch)
),
final as (
    select block_id, string_agg(source, ' and ' order by source) as sources
    from used
    group by block_id
    having count(*) > 1
)
select concat('block ', block_id, ': sources ', sources, ' never mix') as refusal from final order by block_id limit 1;
