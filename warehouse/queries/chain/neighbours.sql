-- Woodlands with a point near another's, in every version of their polygons known up to a moment, the newest last; and
-- whether a release up to then split, merged or left them out.
with place as (
    select longitude, latitude
    from woodland_version
    where woodland_id = $woodland_id and boundary = $boundary
    order by version
    limit 1
),
closed as (
    select distinct old_id
    from woodland_lineage
    where kind in ('split', 'merged', 'gone') and recorded_at <= cast($moment as timestamp)
),
final as (
    select
        woodland_version.woodland_id as id,
        woodland_version.version,
        woodland_version.boundary,
        woodland_version.name,
        woodland_version.park,
        woodland_version.status,
        woodland_version.area_ha,
        woodland_version.repaired,
        st_aswkb(coalesce(woodland_version.geometry, woodland.geometry)) as geometry,
        closed.old_id is null as is_present
    from woodland_version
    join place
        on abs(woodland_version.latitude - place.latitude) <= $degrees_north
        and abs(woodland_version.longitude - place.longitude) <= $degrees_east
    join woodland on woodland.id = woodland_version.woodland_id
    left join closed on closed.old_id = woodland_version.woodland_id
    where woodland_version.recorded_at <= cast($moment as timestamp)
)
select * from final order by id, version;
