select distinct woodland_id, season
from batch
anti join trend using (woodland_id, season, target, encoder, head, config_hash, series_hash)
where level <> 'PROVISIONAL'
order by all;
