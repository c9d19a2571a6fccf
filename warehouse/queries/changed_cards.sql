select model_card.id
from model_card
join batch using (id)
where (model_card.kind, model_card.card, model_card.sha256) is distinct from (batch.kind, batch.card, batch.sha256)
order by model_card.id;
