-- A model card in its last wording.
select
    model_card.* replace (
        coalesce(
            (select max_by(card_wording.card, card_wording.number) from card_wording where card_wording.id = $id),
            model_card.card
        ) as card
    )
from model_card
where model_card.id = $id;
