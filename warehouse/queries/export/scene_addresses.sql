-- The scenes behind the present histories, oldest first, with the addresses of their bands as they were recorded.
with used as (
    select distinct source, scene_id from season_scene
),
final as (
    select scene.id, scene.collection, scene.hrefs
    from scene
    join used on used.source = scene.source and used.scene_id = scene.id
    order by scene.acquired_at, scene.source, scene.id
    limit $most
)
select * from final;
