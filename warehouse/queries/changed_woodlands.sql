-- Woodlands of the batch that are already recorded as something else.
select woodland.id
from woodland
join batch using (id)
where
    (woodland.name, woodland.park, woodland.status, woodland.area_ha, st_aswkb(woodland.geometry))
    is distinct from (batch.name, batch.park, batch.status, batch.area_ha, batch.geometry)
order by woodland.id;
