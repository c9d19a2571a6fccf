-- Woodlands that a release brings, with the polygon they come with.
insert into woodland by name
select
    woodland_id as id, name, park, status, is_ancient, area_ha, st_geomfromwkb(geometry) as geometry, longitude,
    latitude, repaired, cast($now as timestamp) as recorded_at
from batch
on conflict do nothing;
