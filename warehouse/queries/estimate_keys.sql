select woodland_id, season, target, encoder, head, config_hash, inputs_hash
from estimate
where $season is null or season = $season
order by all;
