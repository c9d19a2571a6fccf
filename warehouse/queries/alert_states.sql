select *
from alert_state
where
    ($target is null or target = $target)
    and ($park is null or park = $park)
    and ($level is null or level = $level)
    and ($state is null or state = $state)
order by list_position(['CONFIRMED', 'WATCH', 'PROVISIONAL'], level), decline_fraction desc, woodland_id;
