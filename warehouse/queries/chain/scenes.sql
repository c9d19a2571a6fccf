-- Scenes that a season of a block was estimated from up to a moment, with when each was first used for it. Copies that
-- were replaced later, and scenes withdrawn since, are among them.
select scene.* exclude (recorded_at), season_scene.recorded_at as used_at
from season_scene
join scene on scene.source = season_scene.source and scene.id = season_scene.scene_id
where
    season_scene.season = $season
    and season_scene.block_id = $block_id
    and ($moment is null or season_scene.recorded_at <= cast($moment as timestamp))
order by scene.acquired_at, scene.id;
