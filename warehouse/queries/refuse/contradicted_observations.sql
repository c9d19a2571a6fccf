-- A key that stands in the batch twice.
with final as (
    select woodland_id, season, inputs_hash
    from batch
    group by woodland_id, season, inputs_hash
    having count(*) > 1
)
select concat(woodland_id, '/', season, '/', inputs_hash, ': twice in one batch') as refusal
from final
order by woodland_id, season, inputs_hash
limit 1;
