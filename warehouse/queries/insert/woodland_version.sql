-- The polygon is kept once: a version that has the one first recorded goes without.
insert into woodland_version by name
with final as (
    select
        batch.* replace (
            if(sha256(st_aswkb(woodland.geometry))[1:12] = batch.boundary, null, st_geomfromwkb(batch.geometry))
            as geometry
        ),
        cast($now as timestamp) as recorded_at
    from batch
    join woodland on woodland.id = batch.woodland_id
)
select * from final
on conflict do nothing;
