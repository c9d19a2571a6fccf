-- Woodlands without a version: the polygon first recorded is the first, of the newest release.
insert into woodland_version by name
with newest as (
    select id from release order by recorded_at desc, id desc limit 1
),
final as (
    select
        woodland.id as woodland_id,
        1 as version,
        newest.id as release,
        woodland.id as source_id,
        woodland.name,
        woodland.park,
        woodland.status,
        woodland.is_ancient,
        woodland.area_ha,
        null as geometry,
        woodland.longitude,
        woodland.latitude,
        woodland.repaired,
        sha256(st_aswkb(woodland.geometry))[1:12] as boundary,
        cast(null as date) as valid_from,
        woodland.recorded_at
    from woodland
    cross join newest
    where woodland.id not in (select woodland_id from woodland_version)
)
select * from final;
