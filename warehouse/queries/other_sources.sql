select distinct source from season_scene where block_id = $block_id and source <> $source order by source;
