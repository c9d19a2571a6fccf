-- Adds a row only where another model (or none) speaks for the target now.
insert into current_model
with latest as (
    select number, encoder, head, config_hash from current_model where target = $target order by number desc limit 1
),
final as (
    select
        cast($target as text) as target,
        coalesce((select number from latest), 0) + 1 as number,
        cast($encoder as text) as encoder,
        cast($head as text) as head,
        cast($config_hash as text) as config_hash,
        cast($run_id as text) as run_id,
        cast($now as timestamp) as recorded_at
    where not exists (
        select 1 from latest where encoder = $encoder and head = $head and config_hash = $config_hash
    )
)
select * from final;
