select season_scene.season, season_scene.block_id, scene.*
from season_scene
join scene on scene.source = season_scene.source and scene.id = season_scene.scene_id
where
    ($season is null or season_scene.season = $season)
    and ($block_id is null or season_scene.block_id = $block_id)
order by season_scene.season, season_scene.block_id, scene.acquired_at, scene.id;
