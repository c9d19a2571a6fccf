-- What releases made of a woodland, of those it comes from and of those it led to; of all without an id.
with recursive kin as (
    select cast($woodland_id as text) as id
    union
    select if(lineage.old_id = kin.id, lineage.new_id, lineage.old_id)
    from kin
    join woodland_lineage as lineage on kin.id in (lineage.old_id, lineage.new_id)
    where kin.id <> ''
),
final as (
    select woodland_lineage.*
    from woodland_lineage
    where
        $woodland_id is null
        or woodland_lineage.old_id in (select id from kin where id <> '')
        or woodland_lineage.new_id in (select id from kin where id <> '')
)
select * from final order by recorded_at, release, old_id, new_id;
