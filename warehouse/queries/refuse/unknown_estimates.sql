-- What estimates of the batch rest on and is not recorded, the first in order.
with missing as (
    select 'woodland' as kind, woodland_id as id, woodland_id, season
    from batch
    where woodland_id not in (select id from woodland)
    union all
    select 'model card', encoder, woodland_id, season from batch where encoder not in (select id from model_card)
    union all
    select 'model card', head, woodland_id, season from batch where head not in (select id from model_card)
    union all
    select 'run', run_id, woodland_id, season from batch where run_id not in (select run_id from run)
)
select concat('woodland ', woodland_id, ' ', season, ': ', kind, ' ', id, ' is not recorded') as refusal
from missing
order by woodland_id, season, kind, id
limit 1;
