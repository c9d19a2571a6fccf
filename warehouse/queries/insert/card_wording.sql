-- Adds a wording only where the last one recorded says something else.
insert into card_wording by name
with wording as (
    select id, 1 as number, card from model_card
    union all
    select id, number, card from card_wording
),
latest as (
    select id, max(number) as number, max_by(card, number) as card from wording group by id
),
final as (
    select batch.id, latest.number + 1 as number, batch.card, cast($now as timestamp) as recorded_at
    from batch
    join latest using (id)
    where batch.card <> latest.card
)
select * from final;
