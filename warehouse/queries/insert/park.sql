-- The parks that the woodlands of the batch lie in.
insert into park by name
with final as (
    select distinct park as name, cast($now as timestamp) as recorded_at from batch where park <> ''
)
select * from final order by name
on conflict do nothing;
