select * exclude (recorded_at)
from alert_event
where ($target is null or target = $target) and ($alert_id is null or alert_id = $alert_id)
order by alert_id, number;
