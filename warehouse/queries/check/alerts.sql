with gone as (
    select alert_state.id
    from alert_state
    join current_woodland on current_woodland.id = alert_state.woodland_id
    where alert_state.state in ('open', 'acknowledged', 'assigned') and not current_woodland.is_present
),
final as (
    select 'alert that stands on a woodland that is gone' as what, count(*) as n, min(id) as example
    from gone
    having count(*) > 0
)
select * from final;
