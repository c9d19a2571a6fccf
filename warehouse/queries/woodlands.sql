-- The present woodlands with the polygons of their present versions.
select
    current_woodland.id,
    current_woodland.name,
    current_woodland.park,
    current_woodland.status,
    current_woodland.is_ancient,
    current_woodland.area_ha,
    current_woodland.longitude,
    current_woodland.latitude,
    current_woodland.repaired,
    st_aswkb(coalesce(woodland_version.geometry, woodland.geometry)) as geometry
from current_woodland
join woodland using (id)
join woodland_version
    on woodland_version.woodland_id = current_woodland.id and woodland_version.version = current_woodland.version
where current_woodland.is_present and ($park is null or current_woodland.park = $park)
order by current_woodland.id;
