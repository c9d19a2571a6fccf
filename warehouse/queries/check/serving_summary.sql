-- Sums of many numbers differ in their last digits with the order they are added in.
with side as (
    select 'current_summary holds what its definition does not' as what, * from current_summary
    union all
    select 'current_summary lacks what its definition holds', * from season_summary
),
rounded as (
    select
        what, park, is_ancient, season, target, is_final, n_woodlands, n_known, n_not_applicable, encoder, head, config_hash,
        round(area_ha, 6) as area_ha,
        round(known_area_ha, 6) as known_area_ha,
        round(mean, 6) as mean,
        round(sd, 6) as sd,
        round(coverage, 6) as coverage,
        round(applicable_share, 6) as applicable_share
    from side
),
uneven as (
    select min(what) as what, * exclude (what), count(*) as n from rounded group by all having count(*) <> 2
),
final as (
    select what, cast(count(*) as bigint) as n, min(concat_ws(' ', park, season, target)) as example from uneven group by what
)
select * from final order by what;
