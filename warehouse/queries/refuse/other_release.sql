-- A release recorded under the id as something else.
with other as (
    select release.id
    from release
    join batch using (id)
    where
        (release.sha256, release.valid_from, release.n_woodlands)
        is distinct from (batch.sha256, cast(batch.valid_from as date), batch.n_woodlands)
),
final as (
    select concat('release ', min(id), ': differs from the recorded one of that id (', count(*), ' such)') as refusal
    from other
    having count(*) > 0
)
select refusal from final;
