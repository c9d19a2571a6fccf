-- Without the people: who looks, and what they said, stays in the warehouse.
select alert_state.* exclude (assignee, last_note), current_woodland.longitude, current_woodland.latitude
from alert_state
join current_woodland on current_woodland.id = alert_state.woodland_id
order by alert_state.target, alert_state.woodland_id, alert_state.id;
