select contrast.*
from contrast
semi join latest_trend using (season, target, encoder, head, config_hash, series_hash)
where ($target is null or target = $target) and ($park is null or park = $park)
order by target, park;
