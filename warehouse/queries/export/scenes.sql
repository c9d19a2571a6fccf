-- Addresses without credentials, queries and fragments, should anybody have recorded such.
select
    season_scene.season,
    season_scene.block_id,
    scene.* replace (
        regexp_replace(
            scene.hrefs, '([a-z0-9]+://)([^/"@]*@)?([^"?#]*)([?#][^"]*)?', '\1\3', 'g'
        ) as hrefs
    )
from season_scene
join scene on scene.source = season_scene.source and scene.id = season_scene.scene_id
order by season_scene.season, season_scene.block_id, scene.acquired_at, scene.source, scene.id;
