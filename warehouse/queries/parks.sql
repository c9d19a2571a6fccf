with final as (
    select
        park,
        cast(count(*) as integer) as n_woodlands,
        cast(count(*) filter (is_ancient) as integer) as n_ancient,
        sum(area_ha) as area_ha
    from current_woodland
    where is_present
    group by park
)
select * from final order by park;
