-- How the estimates of two models differ over the woodland-seasons that both estimated for one polygon, target's unit.
with newest as (
    select *
    from estimate
    where
        target = $target
        and (
            (encoder = $encoder and head = $head and config_hash = $config_hash)
            or (encoder = $encoder_from and head = $head_from and config_hash = $config_from)
        )
    qualify row_number() over (
        partition by woodland_id, season, boundary, encoder, head, config_hash
        order by recorded_at desc, inputs_hash desc
    ) = 1
),
later as (
    select * from newest where encoder = $encoder and head = $head and config_hash = $config_hash
),
earlier as (
    select * from newest where encoder = $encoder_from and head = $head_from and config_hash = $config_from
),
final as (
    select
        count(distinct later.woodland_id) as n_woodlands,
        count(distinct later.season) as n_seasons,
        avg(later.mean - earlier.mean) as mean_change,
        max(abs(later.mean - earlier.mean)) as largest_change
    from later
    join earlier using (woodland_id, season, boundary)
)
select * from final;
