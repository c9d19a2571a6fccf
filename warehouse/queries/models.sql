-- Each card in its last wording, with the time it was first recorded.
with latest as (
    select id, max_by(card, number) as card from card_wording group by id
),
final as (
    select model_card.* replace (coalesce(latest.card, model_card.card) as card)
    from model_card
    left join latest using (id)
)
select * from final order by kind, id;
