-- The estimate of an id in a season, found by naming every row as monitoring.identities names it: a uuid5 is a SHA-1 with
-- its version in digit 13 and its variant in digit 17. The spelling is in that file too, and a test holds one against the
-- other.
with named as (
    select
        rowid as place,
        sha1(unhex($namespace) || encode(concat(
            $kind,
            length(woodland_id), ':', woodland_id, ',',
            length(season), ':', season, ',',
            length(target), ':', target, ',',
            length(encoder), ':', encoder, ',',
            length(head), ':', head, ',',
            length(config_hash), ':', config_hash, ',',
            length(inputs_hash), ':', inputs_hash, ',',
            length(boundary), ':', boundary, ','
        ))) as digest
    from estimate
    where season = $season and ($as_of is null or recorded_at <= cast($as_of as timestamp))
),
found as (
    select place
    from named
    where
        starts_with(digest, $digits[1:12])
        and digest[14:16] = $digits[14:16]
        and digest[18:32] = $digits[18:32]
),
final as (
    select * from estimate where rowid in (select place from found)
)
select * from final order by recorded_at limit 1;
