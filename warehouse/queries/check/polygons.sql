-- A boundary is named by the first 12 hexadecimal digits of the SHA-256 of its polygon: estimates say which they are of.
with version as (
    select
        woodland_version.woodland_id,
        woodland_version.boundary,
        sha256(st_aswkb(coalesce(woodland_version.geometry, woodland.geometry)))[1:12] as found
    from woodland_version
    join woodland on woodland.id = woodland_version.woodland_id
),
final as (
    select 'polygon is not the one its boundary names' as what, count(*) as n, min(woodland_id) as example
    from version
    where boundary <> found
    having count(*) > 0
)
select * from final;
