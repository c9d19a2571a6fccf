-- Targets and the woodlands with a history of each, in the order of targets, parks and woodlands.
with final as (
    select distinct
        current_estimate.target,
        current_woodland.park,
        current_woodland.id,
        current_woodland.longitude,
        current_woodland.latitude
    from current_estimate
    join current_woodland on current_woodland.id = current_estimate.woodland_id
)
select * from final order by target, park, id;
