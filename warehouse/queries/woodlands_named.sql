-- Woodlands that go, or went, by an id, an id of the inventory or a name, whichever is met first.
with called as (
    select
        woodland_id,
        case
            when woodland_id = $asked then 1
            when source_id = $asked then 2
            when lower(name) = lower($asked) then 3
        end as rank
    from woodland_version
),
final as (
    select distinct woodland_id
    from called
    where rank = (select min(rank) from called)
)
select * from final order by woodland_id;
