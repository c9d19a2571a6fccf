-- The models of the batch, each with a run that made estimates by it.
select target, encoder, head, config_hash, min(run_id) as run_id
from batch
group by target, encoder, head, config_hash
order by all;
