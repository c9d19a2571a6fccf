-- Columns added by later migrations carry no check of their own.
with beyond as (
    select 'estimate: mean, sd or shares' as what, concat_ws(' ', woodland_id, season, target) as example
    from estimate
    where
        not isfinite(mean)
        or not isfinite(sd)
        or least(sd, coalesce(sd_place, 0), coalesce(sd_year, 0)) < 0
        or coverage not between 0 and 1.000001
        or applicable_share not between 0 and 1.000001
        or n_pixels < 1
        or least(coalesce(n_s2, 0), coalesce(n_s1_ascending, 0), coalesce(n_s1_descending, 0)) < 0
    union all
    select 'trend: probabilities or spread', concat_ws(' ', woodland_id, season, target)
    from trend
    where
        p not between 0 and 1
        or q not between 0 and 1
        or p_mann_kendall not between 0 and 1
        or decline_probability not between 0 and 1
        or q_allowed not between 0 and 1
        or tested_se < 0
        or degrees_of_freedom <= 0
        or posterior_sd < 0
        or not slope_low <= slope
        or not slope_high >= slope
        or first_year > last_year
    union all
    select 'contrast: probabilities', concat_ws(' ', park, season, target)
    from contrast
    where p not between 0 and 1 or sign_flip_p not between 0 and 1 or n_pairs < 0 or n_unmatched < 0
    union all
    select 'scene: relative orbit', id from scene where relative_orbit < 0
),
final as (
    select what, count(*) as n, min(example) as example from beyond group by what
)
select * from final order by what;
