-- Woodlands of the batch whose present version is something else.
with changed as (
    select batch.id
    from batch
    join woodland_history on woodland_history.woodland_id = batch.id
    where
        woodland_history.version = (
            select max(version) from woodland_version where woodland_version.woodland_id = batch.id
        )
        and (
            (
                woodland_history.name, woodland_history.park, woodland_history.status, woodland_history.area_ha,
                st_aswkb(woodland_history.geometry)
            )
            is distinct from (batch.name, batch.park, batch.status, batch.area_ha, batch.geometry)
        )
),
final as (
    select concat('woodland ', min(id), ': differs from the recorded one of that id (', count(*), ' such)') as refusal
    from changed
    having count(*) > 0
)
select refusal from final;
