select *
from asset_standing
where
    ($season is null or season = $season)
    and ($park is null or block_id in (select block_id from block_park where park = $park))
order by season, block_id, scene_id, band;
