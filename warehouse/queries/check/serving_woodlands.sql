with side as (
    select hash(served) as name, 1 as weight, id from current_woodland as served
    union all
    select hash(defined), -1, id from woodland_as_of(timestamp 'infinity') as defined
),
uneven as (
    select sum(weight) as weight, any_value(id) as id from side group by name having sum(weight) <> 0
),
final as (
    select
        if(weight > 0, 'current_woodland holds what the log does not', 'current_woodland lacks what the log holds') as what,
        cast(sum(abs(weight)) as bigint) as n,
        min(id) as example
    from uneven
    group by weight > 0
)
select * from final order by what;
