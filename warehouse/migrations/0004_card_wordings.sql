-- A card's words may change while its identity, what decides its numbers, does not: every wording is kept.
create table card_wording (
    id text not null references model_card (id),
    number integer not null check (number > 1),
    card text not null,
    recorded_at timestamp not null,
    primary key (id, number)
);
comment on table card_wording is 'Later wordings of model cards; the first is in model_card, the last number speaks.';
comment on column card_wording.id is 'Id of the encoder or head.';
comment on column card_wording.number is 'Position among the wordings of the card, from 2.';
comment on column card_wording.card is 'The whole card, JSON; what decides its numbers is as in model_card.';
comment on column card_wording.recorded_at is 'When the row was recorded, UTC.';

comment on column model_card.card is 'The whole card as first recorded: weights, licence, input contract, training domain, metrics; JSON. Later wordings are in card_wording.';
