-- The first key of the batch that comes with two contents.
with content as (
    select distinct * exclude (run_id) from batch
),
final as (
    select woodland_id, source, scene_id, index_name
    from content
    group by all
    having count(*) > 1
)
select
    concat(woodland_id, '/', source, '/', scene_id, '/', index_name, ': twice in one batch, not alike') as refusal
from final
order by woodland_id, source, scene_id, index_name
limit 1;
