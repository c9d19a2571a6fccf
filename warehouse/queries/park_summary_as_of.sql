-- What `park_summary` gave at a moment, by the definition of season_summary.
with stratum as (
    select park, is_ancient, count(*) as n_known, sum(area_ha) as known_area_ha
    from woodland_as_of(cast($moment as timestamp))
    where is_present
    group by park, is_ancient
),
final as (
    select
        park,
        is_ancient,
        season,
        bool_and(is_final) as is_final,
        target,
        cast(count(*) as integer) as n_woodlands,
        cast(any_value(n_known) as integer) as n_known,
        sum(area_ha) as area_ha,
        any_value(known_area_ha) as known_area_ha,
        sum(mean * area_ha) / sum(area_ha) as mean,
        sum(sd * area_ha) / sum(area_ha) as sd,
        sum(sd_place * area_ha) / sum(area_ha) filter (sd_place is not null) as sd_place,
        sum(sd_year * area_ha) / sum(area_ha) filter (sd_year is not null) as sd_year,
        sum(coverage * area_ha) / sum(area_ha) as coverage,
        sum(applicable_share * area_ha)
        / sum(area_ha) filter (applicable_share is not null) as applicable_share,
        cast(count(*) filter (not is_applicable) as integer) as n_not_applicable,
        encoder,
        head,
        config_hash
    from site_history_as_of(cast($moment as timestamp))
    join stratum using (park, is_ancient)
    where
        is_present
        and ($target is null or target = $target)
        and ($park is null or park = $park)
        and ($season is null or season = $season)
    group by park, is_ancient, season, target, encoder, head, config_hash
)
select * from final order by park, is_ancient desc, target, season;
