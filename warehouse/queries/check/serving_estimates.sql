-- Both ways at once: a row of the table counts 1, a row of its definition -1, and what is left over differs.
with side as (
    select hash(served) as name, 1 as weight, woodland_id, season
    from current_estimate as served
    where list_contains($seasons, season)
    union all
    select hash(defined), -1, woodland_id, season
    from site_history_as_of(timestamp 'infinity') as defined
    where list_contains($seasons, season)
),
uneven as (
    select sum(weight) as weight, any_value(woodland_id) as woodland_id, any_value(season) as season
    from side
    group by name
    having sum(weight) <> 0
),
final as (
    select
        if(weight > 0, 'current_estimate holds what the log does not', 'current_estimate lacks what the log holds') as what,
        cast(sum(abs(weight)) as bigint) as n,
        min(concat_ws(' ', woodland_id, season)) as example
    from uneven
    group by weight > 0
)
select * from final order by what;
