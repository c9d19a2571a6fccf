with series as (
    select woodland_id, target
    from current_estimate
    group by woodland_id, target
    having
        min(encoder) <> max(encoder)
        or min(head) <> max(head)
        or min(config_hash) <> max(config_hash)
        or min(boundary) <> max(boundary)
),
block as (
    select block_id from season_scene group by block_id having min(source) <> max(source)
),
final as (
    select 'series of two models or polygons' as what, count(*) as n, min(concat_ws(' ', woodland_id, target)) as example
    from series
    having count(*) > 0
    union all
    select 'block of scenes from two sources', count(*), min(block_id) from block having count(*) > 0
)
select * from final order by what;
