-- An alert with the figures it was last raised with.
select alert.*, woodland.name as woodland, woodland.park
from alert
join woodland on woodland.id = alert.woodland_id
where alert.id = $id and ($as_of is null or alert.recorded_at <= cast($as_of as timestamp))
order by alert.season desc, alert.recorded_at desc, alert.series_hash desc
limit 1;
