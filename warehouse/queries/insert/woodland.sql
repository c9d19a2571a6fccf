insert into woodland by name
select * replace (st_geomfromwkb(geometry) as geometry), cast($now as timestamp) as recorded_at from batch
on conflict do nothing;
