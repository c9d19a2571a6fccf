-- What `woodlands` gave at a moment.
select
    known.id,
    known.name,
    known.park,
    known.status,
    known.is_ancient,
    known.area_ha,
    known.longitude,
    known.latitude,
    known.repaired,
    st_aswkb(coalesce(woodland_version.geometry, woodland.geometry)) as geometry
from woodland_as_of(cast($moment as timestamp)) as known
join woodland using (id)
join woodland_version on woodland_version.woodland_id = known.id and woodland_version.version = known.version
where known.is_present and ($park is null or known.park = $park)
order by known.id;
