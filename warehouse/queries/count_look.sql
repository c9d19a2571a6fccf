-- Adds a row only for a season that was not looked at before.
insert into look
with final as (
    select
        cast($target as text) as target,
        cast($season as text) as season,
        coalesce((select max(number) from look where target = $target), 0) + 1 as number,
        cast($encoder as text) as encoder,
        cast($head as text) as head,
        cast($run_id as text) as run_id,
        cast($now as timestamp) as recorded_at
    where not exists (select 1 from look where target = $target and season = $season)
)
select * from final;
