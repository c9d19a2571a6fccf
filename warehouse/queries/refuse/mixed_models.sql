-- The batch has estimates of one target by more than one model.
select 'two models for one target never mix' as refusal
from batch
group by target
having count(distinct (encoder, head, config_hash)) > 1
limit 1;
