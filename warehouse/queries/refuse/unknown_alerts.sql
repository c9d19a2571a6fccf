-- The first alert that an event of the batch is of and that is not recorded.
select concat('alert ', alert_id, ': an event of an alert that is not recorded') as refusal
from batch
where alert_id not in (select id from alert)
order by alert_id
limit 1;
