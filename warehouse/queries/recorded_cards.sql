-- Every wording recorded of the cards of the batch, the first one first.
with wording as (
    select id, 1 as number, card from model_card
    union all
    select id, number, card from card_wording
),
final as (
    select model_card.id, model_card.kind, wording.card, model_card.sha256, wording.number
    from model_card
    join wording using (id)
    where model_card.id in (select id from batch)
)
select id, kind, card, sha256 from final order by id, number;
