select
    id, name, park, status, is_ancient, area_ha, longitude, latitude, repaired,
    st_aswkb(geometry) as geometry
from woodland
where $park is null or park = $park
order by id;
