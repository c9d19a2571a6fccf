-- The woodlands that an id led to, and those that led to it, itself left out.
with final as (
    select current_id as id from woodland_successor where id = $id
    union
    select id from woodland_successor where current_id = $id
)
select * from final where id <> $id order by id;
