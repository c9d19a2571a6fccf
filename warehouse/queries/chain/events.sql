select number, kind, level, season, happened_at, assignee, result, note
from alert_event
where alert_id = $id and ($as_of is null or happened_at <= cast($as_of as timestamp))
order by number;
