-- Which models spoke for each target, one after the other.
select
    target, number, encoder, head, config_hash, run_id, recorded_at,
    lag(encoder) over each_target as encoder_from,
    lag(head) over each_target as head_from,
    lag(config_hash) over each_target as config_from
from current_model
where ($target is null or target = $target) and ($as_of is null or recorded_at <= cast($as_of as timestamp))
window each_target as (partition by target order by number)
order by target, number;
