select *
from trend
where
    woodland_id = $woodland_id
    and season = $season
    and target = $target
    and encoder = $encoder
    and head = $head
    and config_hash = $config_hash
    and series_hash = $series_hash;
