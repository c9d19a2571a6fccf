-- A key that stands in the batch twice.
with final as (
    select woodland_id, season, target
    from batch
    group by woodland_id, season, target, encoder, head, config_hash, inputs_hash
    having count(*) > 1
)
select concat(woodland_id, '/', season, '/', target, ': twice in one batch') as refusal
from final
order by woodland_id, season, target
limit 1;
