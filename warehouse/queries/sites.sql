-- Woodlands that stand, each with its last season and the surest alert that stands; within a box where one is given.
with place as (
    select *
    from woodland_history
    where
        is_present
        and ($park is null or park = $park)
        and ($status is null or status = $status)
        and ($box is null or geometry && st_setcrs(st_geomfromwkb(cast($box as blob)), 'OGC:CRS84'))
),
latest as (
    select
        woodland_id,
        max(season) as season,
        arg_max(is_final, season) as is_final,
        arg_max(mean, season) as mean,
        arg_max(sd, season) as sd
    from site_history
    where target = $target
    group by woodland_id
),
alarm as (
    select woodland_id, arg_min(level, list_position(['CONFIRMED', 'WATCH', 'PROVISIONAL'], level)) as level
    from open_alert
    where target = $target
    group by woodland_id
),
final as (
    select
        place.woodland_id as id,
        place.name,
        place.park,
        place.status,
        place.area_ha,
        place.latitude,
        place.longitude,
        latest.season,
        latest.is_final,
        latest.mean,
        latest.sd,
        alarm.level as alert,
        place.geometry
    from place
    left join latest using (woodland_id)
    left join alarm using (woodland_id)
)
select * from final order by id;
