-- What a person reads. A series never mixes models: every view shows, per target, only the rows of the model
-- (encoder, head, config_hash) that current_model names last. Loading estimates of another model names that one,
-- loading those of an earlier model again names the earlier one again, and nothing is lost either way.

create view site_history as
with model as (
    select target, encoder, head, config_hash
    from current_model
    qualify number = max(number) over (partition by target)
),
-- The same season estimated again from more scenes (a late arrival) is another row; the newest recorded counts.
newest as (
    select estimate.*
    from estimate
    join model using (target, encoder, head, config_hash)
    qualify row_number() over (
        partition by estimate.woodland_id, estimate.season, estimate.target
        order by estimate.recorded_at desc, estimate.inputs_hash desc
    ) = 1
),
final as (
    select
        newest.woodland_id,
        woodland.name as woodland,
        woodland.park,
        woodland.status,
        woodland.is_ancient,
        woodland.area_ha,
        newest.season,
        cast(
            make_date(cast(newest.season[1:4] as integer), 3 * cast(newest.season[7:7] as integer), 1)
            + interval 1 month as date
        ) as season_end,
        newest.season[7:7] = '4' as is_final,
        newest.target,
        newest.mean,
        newest.sd,
        newest.coverage,
        newest.n_pixels,
        newest.n_s2,
        newest.n_s1_ascending,
        newest.n_s1_descending,
        newest.encoder,
        newest.head,
        newest.config_hash,
        newest.inputs_hash,
        newest.block_id,
        newest.run_id,
        newest.recorded_at
    from newest
    join woodland on woodland.id = newest.woodland_id
)
select * from final;
comment on view site_history is 'The history of each woodland: one row per woodland, season and target, by the current model.';
comment on column site_history.woodland_id is 'Woodland.';
comment on column site_history.woodland is 'Name of the woodland.';
comment on column site_history.park is 'Park it lies in; empty where it lies in none.';
comment on column site_history.status is 'ASNW, PAWS, AWP (Ancient Woodland Inventory) or other.';
comment on column site_history.is_ancient is 'True for ASNW, PAWS and AWP.';
comment on column site_history.area_ha is 'Area as the source measures it, hectares.';
comment on column site_history.season is 'Season, YYYY-Qn: the 12 months that end with that quarter.';
comment on column site_history.season_end is 'First day after the season, UTC.';
comment on column site_history.is_final is 'True for Q4, the calendar year; Q1-Q3 are provisional and overlap it.';
comment on column site_history.target is 'What is predicted, such as richness.';
comment on column site_history.mean is 'Mean over the woodland''s 10 m cells; for richness, EcM taxa per standard soil sample.';
comment on column site_history.sd is 'Standard deviation of mean, same unit.';
comment on column site_history.coverage is 'Share of the woodland''s area with an estimate, 0-1.';
comment on column site_history.n_pixels is 'Number of 10 m cells with an estimate.';
comment on column site_history.n_s2 is 'Clear Sentinel-2 observations per pixel in the season, mean.';
comment on column site_history.n_s1_ascending is 'Sentinel-1 ascending observations per pixel in the season, mean.';
comment on column site_history.n_s1_descending is 'Sentinel-1 descending observations per pixel in the season, mean.';
comment on column site_history.encoder is 'Id of the encoder card.';
comment on column site_history.head is 'Id of the head card.';
comment on column site_history.config_hash is 'Digest of the choices the estimate depends on.';
comment on column site_history.inputs_hash is 'Digest of the scenes and pixels the estimate was made from.';
comment on column site_history.block_id is 'Block it was processed in, as in season_scene; empty where not stated.';
comment on column site_history.run_id is 'Execution that made the estimate.';
comment on column site_history.recorded_at is 'When the estimate was recorded, UTC.';

create view latest_trend as
with model as (
    select target, encoder, head, config_hash
    from current_model
    qualify number = max(number) over (partition by target)
),
-- An assessment judges all woodlands together, so it is taken whole: the newest recorded of the newest season.
assessment as (
    select target, encoder, head, config_hash, season, series_hash
    from trend
    join model using (target, encoder, head, config_hash)
    qualify row_number() over (
        partition by target order by season desc, recorded_at desc, series_hash desc
    ) = 1
),
final as (
    select
        trend.woodland_id,
        woodland.name as woodland,
        woodland.park,
        woodland.status,
        woodland.is_ancient,
        woodland.area_ha,
        trend.season,
        trend.target,
        trend.n,
        trend.first_year,
        trend.last_year,
        trend.s,
        trend.slope,
        trend.slope_low,
        trend.slope_high,
        trend.relative_slope,
        trend.p,
        trend.q,
        trend.decline_fraction,
        trend.minimum_detectable_slope,
        trend.method,
        trend.reason,
        trend.encoder,
        trend.head,
        trend.config_hash,
        trend.series_hash,
        trend.run_id,
        trend.recorded_at
    from trend
    join assessment using (target, encoder, head, config_hash, season, series_hash)
    join woodland on woodland.id = trend.woodland_id
)
select * from final;
comment on view latest_trend is 'The trend of each woodland in the latest assessment of each target, by the current model.';
comment on column latest_trend.woodland_id is 'Woodland.';
comment on column latest_trend.woodland is 'Name of the woodland.';
comment on column latest_trend.park is 'Park it lies in; empty where it lies in none.';
comment on column latest_trend.status is 'ASNW, PAWS, AWP (Ancient Woodland Inventory) or other.';
comment on column latest_trend.is_ancient is 'True for ASNW, PAWS and AWP.';
comment on column latest_trend.area_ha is 'Area as the source measures it, hectares.';
comment on column latest_trend.season is 'Last season of the series, YYYY-Qn.';
comment on column latest_trend.target is 'What is predicted, such as richness.';
comment on column latest_trend.n is 'Number of annual values.';
comment on column latest_trend.first_year is 'Calendar year of the first value.';
comment on column latest_trend.last_year is 'Calendar year of the last value.';
comment on column latest_trend.s is 'Mann-Kendall S of the tested series.';
comment on column latest_trend.slope is 'Theil-Sen slope of the woodland''s own series, target unit per year; null below three values.';
comment on column latest_trend.slope_low is 'Lower end of the interval of slope, target unit per year.';
comment on column latest_trend.slope_high is 'Upper end of the interval of slope, target unit per year.';
comment on column latest_trend.relative_slope is 'Theil-Sen slope of the series minus its park control, target unit per year.';
comment on column latest_trend.p is 'Exact one-sided p of a decline, 0-1; null where not tested.';
comment on column latest_trend.q is 'Benjamini-Hochberg adjusted p over the family, 0-1; null where not in the family.';
comment on column latest_trend.decline_fraction is 'Fitted loss over the record as a share of the fitted first value; negative for a gain.';
comment on column latest_trend.minimum_detectable_slope is 'Decline this series would show with 80 % power, target unit per year.';
comment on column latest_trend.method is 'Test, control and family.';
comment on column latest_trend.reason is 'Why no test was made; empty where one was.';
comment on column latest_trend.encoder is 'Id of the encoder card.';
comment on column latest_trend.head is 'Id of the head card.';
comment on column latest_trend.config_hash is 'Digest of the choices the assessment depends on.';
comment on column latest_trend.series_hash is 'Digest of all series assessed together, controls included.';
comment on column latest_trend.run_id is 'Execution that assessed it.';
comment on column latest_trend.recorded_at is 'When the trend was recorded, UTC.';

-- An alert stands as long as the assessment that raised it is the latest; one not raised again is closed.
create view open_alert as
with final as (
    select
        alert.id,
        alert.woodland_id,
        latest_trend.woodland,
        latest_trend.park,
        latest_trend.status,
        latest_trend.is_ancient,
        latest_trend.area_ha,
        alert.season,
        alert.target,
        alert.kind,
        alert.level,
        alert.reason,
        alert.slope,
        alert.q,
        alert.decline_fraction,
        alert.encoder,
        alert.head,
        alert.config_hash,
        alert.series_hash,
        alert.run_id,
        alert.recorded_at
    from alert
    join latest_trend using (woodland_id, season, target, encoder, head, config_hash, series_hash)
)
select * from final;
comment on view open_alert is 'Alerts of the latest assessment of each target, by the current model.';
comment on column open_alert.id is 'Names the event: equal in every season the woodland is alerted for that target.';
comment on column open_alert.woodland_id is 'Woodland a person should look at.';
comment on column open_alert.woodland is 'Name of the woodland.';
comment on column open_alert.park is 'Park it lies in; empty where it lies in none.';
comment on column open_alert.status is 'ASNW, PAWS, AWP (Ancient Woodland Inventory) or other.';
comment on column open_alert.is_ancient is 'True for ASNW, PAWS and AWP.';
comment on column open_alert.area_ha is 'Area as the source measures it, hectares.';
comment on column open_alert.season is 'Season at which it was judged, YYYY-Qn.';
comment on column open_alert.target is 'What is predicted, such as richness.';
comment on column open_alert.kind is 'decline, or step for one abrupt change.';
comment on column open_alert.level is 'CONFIRMED or WATCH.';
comment on column open_alert.reason is 'The figures that led here, one sentence.';
comment on column open_alert.slope is 'Theil-Sen slope, target unit per year.';
comment on column open_alert.q is 'Benjamini-Hochberg adjusted p, 0-1; null where not in the family.';
comment on column open_alert.decline_fraction is 'Fitted loss over the record as a share of the fitted first value.';
comment on column open_alert.encoder is 'Id of the encoder card.';
comment on column open_alert.head is 'Id of the head card.';
comment on column open_alert.config_hash is 'Digest of the choices the assessment depends on.';
comment on column open_alert.series_hash is 'Digest of all series assessed together.';
comment on column open_alert.run_id is 'Execution that raised it.';
comment on column open_alert.recorded_at is 'When the alert was recorded, UTC.';

create view park_summary as
with stratum as (
    select park, is_ancient, count(*) as n_known, sum(area_ha) as known_area_ha
    from woodland
    group by park, is_ancient
),
-- sd is averaged, not combined by squares: errors of woodlands under one model are taken as fully correlated.
final as (
    select
        park,
        is_ancient,
        season,
        is_final,
        target,
        cast(count(*) as integer) as n_woodlands,
        cast(any_value(n_known) as integer) as n_known,
        sum(area_ha) as area_ha,
        any_value(known_area_ha) as known_area_ha,
        sum(mean * area_ha) / sum(area_ha) as mean,
        sum(sd * area_ha) / sum(area_ha) as sd,
        sum(coverage * area_ha) / sum(area_ha) as coverage,
        encoder,
        head,
        config_hash
    from site_history
    join stratum using (park, is_ancient)
    group by park, is_ancient, season, is_final, target, encoder, head, config_hash
)
select * from final;
comment on view park_summary is 'Ancient and other woodland of each park, by season and target, by the current model.';
comment on column park_summary.park is 'Park; empty for woodland in no park.';
comment on column park_summary.is_ancient is 'True for ancient woodland, false for other.';
comment on column park_summary.season is 'Season, YYYY-Qn.';
comment on column park_summary.is_final is 'True for Q4, the calendar year.';
comment on column park_summary.target is 'What is predicted, such as richness.';
comment on column park_summary.n_woodlands is 'Number of woodlands with an estimate.';
comment on column park_summary.n_known is 'Number of woodlands known, with or without an estimate.';
comment on column park_summary.area_ha is 'Area of the woodlands with an estimate, hectares.';
comment on column park_summary.known_area_ha is 'Area of the woodlands known, hectares.';
comment on column park_summary.mean is 'Area-weighted mean of the woodlands'' means; for richness, EcM taxa per standard soil sample.';
comment on column park_summary.sd is 'Area-weighted mean of the woodlands'' sd (errors taken as fully correlated), same unit.';
comment on column park_summary.coverage is 'Area-weighted mean of the woodlands'' coverage, 0-1.';
comment on column park_summary.encoder is 'Id of the encoder card.';
comment on column park_summary.head is 'Id of the head card.';
comment on column park_summary.config_hash is 'Digest of the choices the estimates depend on.';
