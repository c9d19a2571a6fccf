-- The first alert of the batch that rests on a trend that is not recorded in its assessment.
select concat('alert of woodland ', woodland_id, ' at ', season, ': its trend is not recorded') as refusal
from batch
anti join trend using (woodland_id, season, target, encoder, head, config_hash, series_hash)
where level <> 'PROVISIONAL'
order by woodland_id, season
limit 1;
