insert into alert by name
select *, cast($now as timestamp) as recorded_at from batch
on conflict do nothing;
