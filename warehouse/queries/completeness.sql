select *
from latest_completeness
where ($season is null or season = $season) and ($block_id is null or block_id = $block_id)
order by season, block_id, sensor, platform, relative_orbit, tile;
