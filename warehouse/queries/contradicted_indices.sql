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
select * from final order by all limit 1;
