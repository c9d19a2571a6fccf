select *
from open_alert
where ($target is null or target = $target) and ($park is null or park = $park)
order by list_position(['CONFIRMED', 'WATCH', 'PROVISIONAL'], level), decline_fraction desc, woodland_id, kind;
