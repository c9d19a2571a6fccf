-- What an assessment can be trusted by: each trend's model, the gates, evidence from elsewhere, the yearly looks, and
-- the life of each alert as a log that is only ever added to.

-- A PROVISIONAL alert rests on no trend, so that the key to its trend goes; the writer asks for the trend of the
-- others. DuckDB neither drops a foreign key nor alters a table one points to: alerts are set aside and come back.
create temp table kept_alert as select * from alert;
create temp table standing_alert as select id from open_alert;
drop view open_alert;
drop table alert;

-- A column added later cannot carry a check; the gate looks at the bounds.
alter table trend add column p_mann_kendall double;
alter table trend add column tested_slope double;
alter table trend add column tested_se double;
alter table trend add column degrees_of_freedom double;
alter table trend add column memory double;
alter table trend add column posterior_slope double;
alter table trend add column posterior_sd double;
alter table trend add column decline_probability double;
alter table trend add column look integer;
alter table trend add column q_allowed double;
comment on column trend.p_mann_kendall is 'Exact one-sided Mann-Kendall p of a decline in the tested series, 0-1: shown, not what q rests on; null where not computed.';
comment on column trend.tested_slope is 'Generalised least-squares slope of the tested series, target unit per year; null where not fitted.';
comment on column trend.tested_se is 'Standard error of tested_slope, scatter moderated, autocorrelation and prediction variance included, target unit per year.';
comment on column trend.degrees_of_freedom is 'Of tested_se, without unit; infinity where all woodlands scatter alike, null where not fitted.';
comment on column trend.memory is 'First-order autocorrelation of yearly noise pooled over the family, without unit.';
comment on column trend.posterior_slope is 'Slope shrunk towards zero by how the slopes of all woodlands spread: an estimate, target unit per year.';
comment on column trend.posterior_sd is 'Standard deviation of posterior_slope, target unit per year.';
comment on column trend.decline_probability is 'Probability that the slope lies below minus the minimum effect, after shrinkage, 0-1.';
comment on column trend.look is 'Which yearly look this was, from 1; 0 where not counted, null where recorded by an older version.';
comment on column trend.q_allowed is 'What q had to reach at this look, 0-1; null where looks were not counted.';

comment on column trend.p is 'One-sided p of a decline beyond the minimum effect, 0-1 (exact Mann-Kendall in older versions); null where not tested.';
comment on column trend.q is 'p adjusted over the family as method says, 0-1; null where not in the family.';

create table alert (
    id text not null check (id <> ''),
    woodland_id text not null references woodland (id),
    season text not null check (regexp_full_match(season, '\d{4}-Q[1-4]')),
    target text not null check (target <> ''),
    encoder text not null references model_card (id),
    head text not null references model_card (id),
    config_hash text not null check (config_hash <> ''),
    series_hash text not null check (series_hash <> ''),
    kind text not null check (kind <> ''),
    level text not null check (level in ('CONFIRMED', 'WATCH', 'PROVISIONAL')),
    reason text not null check (reason <> ''),
    slope double not null check (isfinite(slope)),
    q double check (q between 0 and 1),
    decline_fraction double not null check (isfinite(decline_fraction)),
    severity text check (severity in ('high', 'moderate', 'low')),
    confidence text check (confidence in ('corroborated', 'richness alone', 'contradicted')),
    course text check (course in ('sustained', 'extreme-year dip', 'uncertain', 'no weather given')),
    held_by text,
    cause text,
    run_id text not null references run (run_id),
    recorded_at timestamp not null,
    primary key (id, season, target, encoder, head, config_hash, series_hash)
);
comment on table alert is 'Every alert ever raised, each time it was; alert_state shows what became of it, open_alert the standing ones.';
comment on column alert.id is 'Names the event: equal in every season the woodland is alerted for that target.';
comment on column alert.woodland_id is 'Woodland a person should look at.';
comment on column alert.season is 'Season at which it was judged, YYYY-Qn.';
comment on column alert.target is 'What is predicted, such as richness.';
comment on column alert.encoder is 'Id of the encoder card.';
comment on column alert.head is 'Id of the head card.';
comment on column alert.config_hash is 'Digest of the choices the assessment depends on.';
comment on column alert.series_hash is 'Digest of all series assessed together.';
comment on column alert.kind is 'decline; step for one abrupt change; fall for an unusual one within a year.';
comment on column alert.level is 'CONFIRMED, WATCH or PROVISIONAL (a season that is not final; never called a decline).';
comment on column alert.reason is 'The figures that led here, one sentence.';
comment on column alert.slope is 'Theil-Sen slope, target unit per year; of a fall, its change in a year.';
comment on column alert.q is 'Adjusted p over the family, 0-1; null where not in the family, as for a fall.';
comment on column alert.decline_fraction is 'Fitted loss over the record as a share of the fitted first value; of a fall, over the year.';
comment on column alert.severity is 'high, moderate or low: from the loss, the area and the standing of the woodland; null where recorded by an older version.';
comment on column alert.confidence is 'corroborated, richness alone or contradicted: what other evidence says; null where recorded by an older version.';
comment on column alert.course is 'sustained, extreme-year dip, uncertain or no weather given; null where recorded by an older version.';
comment on column alert.held_by is 'Gates that hold it below CONFIRMED; empty where none does, null where recorded by an older version.';
comment on column alert.cause is 'A known cause of another kind; empty where none is known, null where recorded by an older version.';
comment on column alert.run_id is 'Execution that raised it.';
comment on column alert.recorded_at is 'When the row was recorded, UTC.';

insert into alert by name select * from kept_alert;

create table alert_event (
    alert_id text not null check (alert_id <> ''),
    number integer not null check (number > 0),
    woodland_id text not null references woodland (id),
    target text not null check (target <> ''),
    kind text not null check (kind in ('raised', 'level changed', 'renewed', 'quiet', 'acknowledged', 'assigned', 'dismissed', 'field result', 'reopened', 'expired', 'retracted')),
    happened_at timestamp not null,
    actor text not null check (actor <> ''),
    season text not null check (regexp_full_match(season, '\d{4}-Q[1-4]')),
    level text not null check (level in ('CONFIRMED', 'WATCH', 'PROVISIONAL')),
    q double check (q between 0 and 1),
    assignee text not null,
    result text check (result in ('confirmed', 'not found', 'other cause')),
    note text not null,
    run_id text not null,
    recorded_at timestamp not null,
    primary key (alert_id, number)
);
comment on table alert_event is 'What happened to each alert, in order: rows are added, never changed or removed. alert_state shows where it led.';
comment on column alert_event.alert_id is 'Alert it happened to, as alert.id.';
comment on column alert_event.number is 'Position in the life of the alert, from 1, without a gap.';
comment on column alert_event.woodland_id is 'Woodland of the alert.';
comment on column alert_event.target is 'What is predicted, such as richness.';
comment on column alert_event.kind is 'raised, level changed, renewed, quiet (a yearly look that speaks against it), acknowledged, assigned, dismissed, field result, reopened, expired or retracted.';
comment on column alert_event.happened_at is 'When it happened, UTC.';
comment on column alert_event.actor is 'Who: underwood, or a person.';
comment on column alert_event.season is 'Season looked at, YYYY-Qn; for what a person did, the season the alert was last seen at.';
comment on column alert_event.level is 'Level from then on.';
comment on column alert_event.q is 'Adjusted p at that look, 0-1; null where there is none.';
comment on column alert_event.assignee is 'Who was asked to look; empty but for assigned.';
comment on column alert_event.result is 'What was found in the field: confirmed, not found or other cause; null but for field result.';
comment on column alert_event.note is 'Why, or what was said.';
comment on column alert_event.run_id is 'Execution that looked; empty for a person.';
comment on column alert_event.recorded_at is 'When the row was recorded, UTC.';

-- Alerts of older versions had no life: each was raised once, and stood while the latest assessment raised it.
insert into alert_event by name
with ordered as (
    select
        *,
        row_number() over (partition by id order by season, recorded_at, series_hash) as place,
        row_number() over (partition by id order by season desc, recorded_at desc, series_hash desc) as place_from_end
    from kept_alert
),
step as (
    select id, 1 as number, 'raised' as kind, recorded_at as happened_at, season, level, q, '' as note, run_id, woodland_id, target
    from ordered
    where place = 1
    union all
    select
        latest.id,
        2,
        case when latest.level = first_time.level then 'renewed' else 'level changed' end,
        latest.recorded_at,
        latest.season,
        latest.level,
        latest.q,
        '',
        latest.run_id,
        latest.woodland_id,
        latest.target
    from ordered as latest
    join ordered as first_time on first_time.id = latest.id and first_time.place = 1
    where latest.place_from_end = 1 and latest.place > 1
    union all
    select
        id,
        case when place > 1 then 3 else 2 end,
        'expired',
        recorded_at,
        season,
        level,
        q,
        'not raised by the assessment that was the latest when alerts were given a life',
        run_id,
        woodland_id,
        target
    from ordered
    where place_from_end = 1 and id not in (select id from standing_alert)
),
final as (
    select
        id as alert_id,
        * exclude (id),
        'underwood' as actor,
        '' as assignee,
        happened_at as recorded_at
    from step
)
select * from final;
drop table kept_alert;
drop table standing_alert;

alter table contrast add column n_pairs integer;
alter table contrast add column n_unmatched integer;
alter table contrast add column effective_other double;
alter table contrast add column balance_worst double;
alter table contrast add column sign_flip_p double;
alter table contrast add column era_slope_low double;
alter table contrast add column era_slope_high double;
alter table contrast add column is_era_stable boolean;
alter table contrast add column autocorrelation double;
comment on column contrast.n_pairs is 'Number of matched pairs; null where recorded by an older version.';
comment on column contrast.n_unmatched is 'Ancient woodlands left out, for want of a complete record or of a partner; null where recorded by an older version.';
comment on column contrast.effective_other is 'Other woodlands, equally weighted, that would be worth as much as the partners with their weights, without unit; null where recorded by an older version.';
comment on column contrast.balance_worst is 'Largest standardised difference of a property between the classes after matching, without unit; null where not known.';
comment on column contrast.sign_flip_p is 'Two-sided p over signs of the parks'' slopes, for all parks only, 0-1: are the parks of one mind; null where not computed.';
comment on column contrast.era_slope_low is 'Smallest slope with one era of the sensors left out, target unit per year; null where not computed.';
comment on column contrast.era_slope_high is 'Largest slope with one era of the sensors left out, target unit per year; null where not computed.';
comment on column contrast.is_era_stable is 'True where leaving out any era keeps the sign of the slope; null where not judged.';
comment on column contrast.autocorrelation is 'First-order autocorrelation of the yearly differences, without unit; null where not computed.';

create table park_trend (
    scope text not null check (scope in ('whole', 'park')),
    park text not null,
    woodland_class text not null check (woodland_class in ('all', 'ancient', 'other')),
    weighting text not null check (weighting in ('area', 'woodland')),
    season text not null check (regexp_full_match(season, '\d{4}-Q[1-4]')),
    target text not null check (target <> ''),
    encoder text not null references model_card (id),
    head text not null references model_card (id),
    config_hash text not null check (config_hash <> ''),
    series_hash text not null check (series_hash <> ''),
    n_woodlands integer not null check (n_woodlands >= 0),
    n_years integer not null check (n_years >= 0),
    slope double check (isfinite(slope)),
    slope_low double check (slope_low <= slope),
    slope_high double check (slope_high >= slope),
    p_permutation double check (p_permutation between 0 and 1),
    s double check (isfinite(s)),
    z double check (isfinite(z)),
    p_dietz_killeen double check (p_dietz_killeen between 0 and 1),
    p_s_permutation double check (p_s_permutation between 0 and 1),
    homogeneity double check (isfinite(homogeneity)),
    p_homogeneity double check (p_homogeneity between 0 and 1),
    homogeneity_of_parks double check (isfinite(homogeneity_of_parks)),
    p_homogeneity_of_parks double check (p_homogeneity_of_parks between 0 and 1),
    memory double check (isfinite(memory)),
    warning text not null,
    method text not null,
    reason text not null,
    run_id text not null references run (run_id),
    recorded_at timestamp not null,
    primary key (scope, park, woodland_class, weighting, season, target, encoder, head, config_hash, series_hash)
);
comment on table park_trend is 'Every trend of a park or of all woodland ever assessed, years as the replicates; latest_park_trend shows the current ones.';
comment on column park_trend.scope is 'park, or whole: every woodland, those outside parks included.';
comment on column park_trend.park is 'Park; empty for the whole.';
comment on column park_trend.woodland_class is 'all, ancient or other.';
comment on column park_trend.weighting is 'area: a woodland counts by its area; woodland: every woodland counts one.';
comment on column park_trend.season is 'Season assessed, YYYY-Qn.';
comment on column park_trend.target is 'What is predicted, such as richness.';
comment on column park_trend.encoder is 'Id of the encoder card.';
comment on column park_trend.head is 'Id of the head card.';
comment on column park_trend.config_hash is 'Digest of the choices the assessment depends on.';
comment on column park_trend.series_hash is 'Digest of all series assessed together.';
comment on column park_trend.n_woodlands is 'Number of woodlands.';
comment on column park_trend.n_years is 'Number of yearly values.';
comment on column park_trend.slope is 'Least-squares slope of the yearly weighted mean of the woodlands'' departures from their own levels, target unit per year; null where not computed.';
comment on column park_trend.slope_low is 'Lower end of the interval of slope, target unit per year.';
comment on column park_trend.slope_high is 'Upper end of the interval of slope, target unit per year.';
comment on column park_trend.p_permutation is 'Two-sided share of the orders of years, the same for all woodlands, with a slope as steep, 0-1; null where not computed.';
comment on column park_trend.s is 'Regional Kendall S, weights of mean one, without unit.';
comment on column park_trend.z is 's over its standard deviation by Dietz and Killeen, without unit.';
comment on column park_trend.p_dietz_killeen is 'Two-sided normal p of z, rough for few years, 0-1; null where not computed.';
comment on column park_trend.p_s_permutation is 'Two-sided share of the orders of years with an s as far from zero, 0-1; null where not computed.';
comment on column park_trend.homogeneity is 'Chi-square of van Belle and Hughes between woodlands, without unit; null where not computed.';
comment on column park_trend.p_homogeneity is 'Share of the orders of years with a homogeneity as large, 0-1: small where woodlands go different ways.';
comment on column park_trend.homogeneity_of_parks is 'The same between the year series of the parks, without unit; null but for the whole with two parks or more.';
comment on column park_trend.p_homogeneity_of_parks is 'Share of the orders of years with a homogeneity_of_parks as large, 0-1.';
comment on column park_trend.memory is 'First-order autocorrelation of the year series about their lines, pooled over parks, without unit; null where not computed.';
comment on column park_trend.warning is 'That memory makes the p too small; empty where it does not.';
comment on column park_trend.method is 'How it was computed, and what was left out.';
comment on column park_trend.reason is 'Why there is no p, or no slope; empty where there is.';
comment on column park_trend.run_id is 'Execution that assessed it.';
comment on column park_trend.recorded_at is 'When the row was recorded, UTC.';

create table gate_finding (
    gate text not null check (gate <> ''),
    name text not null,
    scope text not null check (scope in ('all', 'park', 'block', 'woodland')),
    of text not null,
    season text not null check (regexp_full_match(season, '\d{4}-Q[1-4]')),
    target text not null check (target <> ''),
    encoder text not null references model_card (id),
    head text not null references model_card (id),
    config_hash text not null check (config_hash <> ''),
    series_hash text not null check (series_hash <> ''),
    state text not null check (state in ('passed', 'red', 'not judged')),
    reason text not null,
    figures text not null,
    run_id text not null references run (run_id),
    recorded_at timestamp not null,
    primary key (gate, name, scope, of, season, target, encoder, head, config_hash, series_hash)
);
comment on table gate_finding is 'Every finding of the gates against artefacts; latest_gate_finding shows the current ones.';
comment on column gate_finding.gate is 'G1 to G6.';
comment on column gate_finding.name is 'What the gate looks at, in words.';
comment on column gate_finding.scope is 'How far the finding reaches: all, park, block or woodland.';
comment on column gate_finding.of is 'Park, block or woodland; empty for all.';
comment on column gate_finding.season is 'Season assessed, YYYY-Qn.';
comment on column gate_finding.target is 'What is predicted, such as richness.';
comment on column gate_finding.encoder is 'Id of the encoder card.';
comment on column gate_finding.head is 'Id of the head card.';
comment on column gate_finding.config_hash is 'Digest of the choices the assessment depends on.';
comment on column gate_finding.series_hash is 'Digest of all series assessed together.';
comment on column gate_finding.state is 'passed, red (alerts of the scope are held) or not judged.';
comment on column gate_finding.reason is 'One sentence with the figures.';
comment on column gate_finding.figures is 'Figures by name, units in the name, null where not computed, JSON.';
comment on column gate_finding.run_id is 'Execution that assessed it.';
comment on column gate_finding.recorded_at is 'When the row was recorded, UTC.';

create table balance (
    park text not null,
    property text not null check (property <> ''),
    season text not null check (regexp_full_match(season, '\d{4}-Q[1-4]')),
    target text not null check (target <> ''),
    encoder text not null references model_card (id),
    head text not null references model_card (id),
    config_hash text not null check (config_hash <> ''),
    series_hash text not null check (series_hash <> ''),
    n_ancient integer not null check (n_ancient >= 0),
    n_other integer not null check (n_other >= 0),
    ancient_before double,
    other_before double,
    difference_before double,
    ancient double,
    other double,
    difference double,
    is_matched_on boolean not null,
    is_balanced boolean not null,
    run_id text not null references run (run_id),
    recorded_at timestamp not null,
    primary key (park, property, season, target, encoder, head, config_hash, series_hash)
);
comment on table balance is 'How alike ancient and matched other woodland are, in every assessment; latest_balance shows the current.';
comment on column balance.park is 'Park, or what stands for all parks together.';
comment on column balance.property is 'Property compared between ancient and other woodland.';
comment on column balance.season is 'Season assessed, YYYY-Qn.';
comment on column balance.target is 'What is predicted, such as richness.';
comment on column balance.encoder is 'Id of the encoder card.';
comment on column balance.head is 'Id of the head card.';
comment on column balance.config_hash is 'Digest of the choices the assessment depends on.';
comment on column balance.series_hash is 'Digest of all series assessed together.';
comment on column balance.n_ancient is 'Number of ancient woodlands compared.';
comment on column balance.n_other is 'Number of other woodlands compared.';
comment on column balance.ancient_before is 'Mean of ancient woodland before matching, in the unit property names; a share 0-1 for a kind.';
comment on column balance.other_before is 'Mean of other woodland before matching, as ancient_before.';
comment on column balance.difference_before is 'Standardised difference before matching, standard deviations, without unit; null where not known.';
comment on column balance.ancient is 'Mean of the ancient woodlands matched, as ancient_before.';
comment on column balance.other is 'Mean of their partners, as ancient_before.';
comment on column balance.difference is 'Standardised difference after matching, standard deviations, without unit; null where not known.';
comment on column balance.is_matched_on is 'True where woodlands were matched on the property, false where it is only looked at.';
comment on column balance.is_balanced is 'True where the difference after matching is within the setting.';
comment on column balance.run_id is 'Execution that assessed it.';
comment on column balance.recorded_at is 'When the row was recorded, UTC.';

create table corroboration (
    woodland_id text not null references woodland (id),
    kind text not null check (kind <> ''),
    year integer not null,
    source text not null,
    season text not null check (regexp_full_match(season, '\d{4}-Q[1-4]')),
    target text not null check (target <> ''),
    encoder text not null references model_card (id),
    head text not null references model_card (id),
    config_hash text not null check (config_hash <> ''),
    series_hash text not null check (series_hash <> ''),
    verdict text not null check (verdict in ('agrees', 'silent', 'disagrees')),
    share double check (share between 0 and 1.000001),
    text text not null,
    run_id text not null references run (run_id),
    recorded_at timestamp not null,
    primary key (woodland_id, kind, year, source, season, target, encoder, head, config_hash, series_hash)
);
comment on table corroboration is 'Evidence other than richness on each woodland, in every assessment; latest_corroboration shows the current.';
comment on column corroboration.woodland_id is 'Woodland.';
comment on column corroboration.kind is 'ndvi, nbr, or what a disturbance layer shows: felling, fire, storm, disease, disturbance.';
comment on column corroboration.year is 'Calendar year of the event; 0 where there is none.';
comment on column corroboration.source is 'File and layer, or the index history.';
comment on column corroboration.season is 'Season assessed, YYYY-Qn.';
comment on column corroboration.target is 'What is predicted, such as richness.';
comment on column corroboration.encoder is 'Id of the encoder card.';
comment on column corroboration.head is 'Id of the head card.';
comment on column corroboration.config_hash is 'Digest of the choices the assessment depends on.';
comment on column corroboration.series_hash is 'Digest of all series assessed together.';
comment on column corroboration.verdict is 'What it says of a decline: agrees, silent or disagrees.';
comment on column corroboration.share is 'Share of the woodland''s area touched, 0-1; null where it does not apply.';
comment on column corroboration.text is 'One clause for a person.';
comment on column corroboration.run_id is 'Execution that assessed it.';
comment on column corroboration.recorded_at is 'When the row was recorded, UTC.';

-- No primary key, as in index_observation: the insert looks for itself.
create table weather_year (
    woodland_id text not null references woodland (id),
    year integer not null,
    season text not null check (regexp_full_match(season, '\d{4}-Q[1-4]')),
    target text not null check (target <> ''),
    encoder text not null references model_card (id),
    head text not null references model_card (id),
    config_hash text not null check (config_hash <> ''),
    series_hash text not null check (series_hash <> ''),
    hot_days integer not null check (hot_days >= 0),
    dry_days integer not null check (dry_days >= 0),
    compound_days integer not null check (compound_days >= 0),
    place text not null,
    run_id text not null references run (run_id),
    recorded_at timestamp not null
);
comment on table weather_year is 'Days of heat and drought of each woodland by year, in every assessment; latest_weather_year shows the current.';
comment on column weather_year.woodland_id is 'Woodland.';
comment on column weather_year.year is 'Calendar year.';
comment on column weather_year.season is 'Season assessed, YYYY-Qn.';
comment on column weather_year.target is 'What is predicted, such as richness.';
comment on column weather_year.encoder is 'Id of the encoder card.';
comment on column weather_year.head is 'Id of the head card.';
comment on column weather_year.config_hash is 'Digest of the choices the assessment depends on.';
comment on column weather_year.series_hash is 'Digest of all series assessed together.';
comment on column weather_year.hot_days is 'Hot days in the year.';
comment on column weather_year.dry_days is 'Dry days in the year.';
comment on column weather_year.compound_days is 'Days both hot and dry in the year, in runs of at least the setting''s length.';
comment on column weather_year.place is 'Cell or station of the weather table that stands for the woodland.';
comment on column weather_year.run_id is 'Execution that assessed it.';
comment on column weather_year.recorded_at is 'When the row was recorded, UTC.';

create table look (
    target text not null check (target <> ''),
    season text not null check (regexp_full_match(season, '\d{4}-Q4')),
    number integer not null check (number > 0),
    encoder text not null references model_card (id),
    head text not null references model_card (id),
    run_id text not null references run (run_id),
    recorded_at timestamp not null,
    primary key (target, season),
    unique (target, number)
);
comment on table look is 'The yearly looks over which the error of confirmed alerts is spent.';
comment on column look.target is 'What is predicted, such as richness.';
comment on column look.season is 'Final season looked at, YYYY-Q4; looked at again it stays the same look.';
comment on column look.number is 'Position among the looks at the target, from 1, whatever the model: the error is spent once.';
comment on column look.encoder is 'Id of the encoder card at the first look at the season.';
comment on column look.head is 'Id of the head card at the first look at the season.';
comment on column look.run_id is 'Execution that looked first.';
comment on column look.recorded_at is 'When the row was recorded, UTC.';

create table calibration (
    calibrated_at timestamp not null,
    config_hash text not null check (config_hash <> ''),
    figures text not null,
    recorded_at timestamp not null,
    primary key (calibrated_at, config_hash)
);
comment on table calibration is 'Simulated error rates of the alert rule, one row per calibration; the last counts.';
comment on column calibration.calibrated_at is 'When it was computed, UTC.';
comment on column calibration.config_hash is 'Digest of the choices it was computed under.';
comment on column calibration.figures is 'Figures by name, units in the name, JSON.';
comment on column calibration.recorded_at is 'When the row was recorded, UTC.';

create view latest_assessment as
with model as (
    select target, encoder, head, config_hash
    from current_model
    qualify number = max(number) over (partition by target)
),
-- An assessment judges all woodlands together, so it is taken whole: the newest recorded of the newest season.
final as (
    select season, target, encoder, head, config_hash, series_hash
    from trend
    join model using (target, encoder, head, config_hash)
    qualify row_number() over (
        partition by target order by season desc, recorded_at desc, series_hash desc
    ) = 1
)
select * from final;
comment on view latest_assessment is 'The latest assessment of each target, by the current model.';
comment on column latest_assessment.season is 'Season assessed, YYYY-Qn.';
comment on column latest_assessment.target is 'What is predicted, such as richness.';
comment on column latest_assessment.encoder is 'Id of the encoder card.';
comment on column latest_assessment.head is 'Id of the head card.';
comment on column latest_assessment.config_hash is 'Digest of the choices the assessment depends on.';
comment on column latest_assessment.series_hash is 'Digest of all series assessed together.';

create or replace view latest_trend as
with final as (
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
        trend.p_mann_kendall,
        trend.tested_slope,
        trend.tested_se,
        trend.degrees_of_freedom,
        trend.memory,
        trend.posterior_slope,
        trend.posterior_sd,
        trend.decline_probability,
        trend.look,
        trend.q_allowed,
        trend.method,
        trend.reason,
        trend.encoder,
        trend.head,
        trend.config_hash,
        trend.series_hash,
        trend.run_id,
        trend.recorded_at
    from trend
    join latest_assessment using (target, encoder, head, config_hash, season, series_hash)
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
comment on column latest_trend.p is 'One-sided p of a decline beyond the minimum effect, 0-1 (exact Mann-Kendall in older versions); null where not tested.';
comment on column latest_trend.q is 'p adjusted over the family as method says, 0-1; null where not in the family.';
comment on column latest_trend.decline_fraction is 'Fitted loss over the record as a share of the fitted first value; negative for a gain.';
comment on column latest_trend.minimum_detectable_slope is 'Decline this series would show with 80 % power, target unit per year.';
comment on column latest_trend.p_mann_kendall is 'Exact one-sided Mann-Kendall p of a decline in the tested series, 0-1: shown, not what q rests on; null where not computed.';
comment on column latest_trend.tested_slope is 'Generalised least-squares slope of the tested series, target unit per year; null where not fitted.';
comment on column latest_trend.tested_se is 'Standard error of tested_slope, scatter moderated, autocorrelation and prediction variance included, target unit per year.';
comment on column latest_trend.degrees_of_freedom is 'Of tested_se, without unit; infinity where all woodlands scatter alike, null where not fitted.';
comment on column latest_trend.memory is 'First-order autocorrelation of yearly noise pooled over the family, without unit.';
comment on column latest_trend.posterior_slope is 'Slope shrunk towards zero by how the slopes of all woodlands spread: an estimate, target unit per year.';
comment on column latest_trend.posterior_sd is 'Standard deviation of posterior_slope, target unit per year.';
comment on column latest_trend.decline_probability is 'Probability that the slope lies below minus the minimum effect, after shrinkage, 0-1.';
comment on column latest_trend.look is 'Which yearly look this was, from 1; 0 where not counted, null where recorded by an older version.';
comment on column latest_trend.q_allowed is 'What q had to reach at this look, 0-1; null where looks were not counted.';
comment on column latest_trend.method is 'Test, control and family.';
comment on column latest_trend.reason is 'Why no test was made; empty where one was.';
comment on column latest_trend.encoder is 'Id of the encoder card.';
comment on column latest_trend.head is 'Id of the head card.';
comment on column latest_trend.config_hash is 'Digest of the choices the assessment depends on.';
comment on column latest_trend.series_hash is 'Digest of all series assessed together, controls included.';
comment on column latest_trend.run_id is 'Execution that assessed it.';
comment on column latest_trend.recorded_at is 'When the trend was recorded, UTC.';

create view latest_contrast as
with final as (
    select contrast.*
    from contrast
    join latest_assessment using (season, target, encoder, head, config_hash, series_hash)
)
select * from final;
comment on view latest_contrast is 'Contrasts of ancient against other woodland in the latest assessment of each target.';
comment on column latest_contrast.park is 'Park, or all parks; empty for woodland in no park.';
comment on column latest_contrast.season is 'Season assessed, YYYY-Qn.';
comment on column latest_contrast.target is 'What is predicted, such as richness.';
comment on column latest_contrast.encoder is 'Id of the encoder card.';
comment on column latest_contrast.head is 'Id of the head card.';
comment on column latest_contrast.config_hash is 'Digest of the choices the assessment depends on.';
comment on column latest_contrast.series_hash is 'Digest of all series assessed together.';
comment on column latest_contrast.n_years is 'Number of yearly differences.';
comment on column latest_contrast.n_ancient is 'Number of ancient woodlands.';
comment on column latest_contrast.n_other is 'Number of other woodlands.';
comment on column latest_contrast.slope is 'Slope of ancient minus other, target unit per year; null where not computed.';
comment on column latest_contrast.slope_low is 'Lower end of the 95 % interval of slope, target unit per year.';
comment on column latest_contrast.slope_high is 'Upper end of the 95 % interval of slope, target unit per year.';
comment on column latest_contrast.p is 'Two-sided exact permutation p over years, 0-1; null where not computed.';
comment on column latest_contrast.method is 'How it was computed.';
comment on column latest_contrast.reason is 'Why it was not computed; empty where it was.';
comment on column latest_contrast.run_id is 'Execution that assessed it.';
comment on column latest_contrast.recorded_at is 'When the row was recorded, UTC.';
comment on column latest_contrast.n_pairs is 'Number of matched pairs; null where recorded by an older version.';
comment on column latest_contrast.n_unmatched is 'Ancient woodlands left out, for want of a complete record or of a partner; null where recorded by an older version.';
comment on column latest_contrast.effective_other is 'Other woodlands, equally weighted, that would be worth as much as the partners with their weights, without unit; null where recorded by an older version.';
comment on column latest_contrast.balance_worst is 'Largest standardised difference of a property between the classes after matching, without unit; null where not known.';
comment on column latest_contrast.sign_flip_p is 'Two-sided p over signs of the parks'' slopes, for all parks only, 0-1: are the parks of one mind; null where not computed.';
comment on column latest_contrast.era_slope_low is 'Smallest slope with one era of the sensors left out, target unit per year; null where not computed.';
comment on column latest_contrast.era_slope_high is 'Largest slope with one era of the sensors left out, target unit per year; null where not computed.';
comment on column latest_contrast.is_era_stable is 'True where leaving out any era keeps the sign of the slope; null where not judged.';
comment on column latest_contrast.autocorrelation is 'First-order autocorrelation of the yearly differences, without unit; null where not computed.';

create view latest_park_trend as
with final as (
    select park_trend.*
    from park_trend
    join latest_assessment using (season, target, encoder, head, config_hash, series_hash)
)
select * from final;
comment on view latest_park_trend is 'Trends of parks in the latest assessment of each target.';
comment on column latest_park_trend.scope is 'park, or whole: every woodland, those outside parks included.';
comment on column latest_park_trend.park is 'Park; empty for the whole.';
comment on column latest_park_trend.woodland_class is 'all, ancient or other.';
comment on column latest_park_trend.weighting is 'area: a woodland counts by its area; woodland: every woodland counts one.';
comment on column latest_park_trend.season is 'Season assessed, YYYY-Qn.';
comment on column latest_park_trend.target is 'What is predicted, such as richness.';
comment on column latest_park_trend.encoder is 'Id of the encoder card.';
comment on column latest_park_trend.head is 'Id of the head card.';
comment on column latest_park_trend.config_hash is 'Digest of the choices the assessment depends on.';
comment on column latest_park_trend.series_hash is 'Digest of all series assessed together.';
comment on column latest_park_trend.n_woodlands is 'Number of woodlands.';
comment on column latest_park_trend.n_years is 'Number of yearly values.';
comment on column latest_park_trend.slope is 'Least-squares slope of the yearly weighted mean of the woodlands'' departures from their own levels, target unit per year; null where not computed.';
comment on column latest_park_trend.slope_low is 'Lower end of the interval of slope, target unit per year.';
comment on column latest_park_trend.slope_high is 'Upper end of the interval of slope, target unit per year.';
comment on column latest_park_trend.p_permutation is 'Two-sided share of the orders of years, the same for all woodlands, with a slope as steep, 0-1; null where not computed.';
comment on column latest_park_trend.s is 'Regional Kendall S, weights of mean one, without unit.';
comment on column latest_park_trend.z is 's over its standard deviation by Dietz and Killeen, without unit.';
comment on column latest_park_trend.p_dietz_killeen is 'Two-sided normal p of z, rough for few years, 0-1; null where not computed.';
comment on column latest_park_trend.p_s_permutation is 'Two-sided share of the orders of years with an s as far from zero, 0-1; null where not computed.';
comment on column latest_park_trend.homogeneity is 'Chi-square of van Belle and Hughes between woodlands, without unit; null where not computed.';
comment on column latest_park_trend.p_homogeneity is 'Share of the orders of years with a homogeneity as large, 0-1: small where woodlands go different ways.';
comment on column latest_park_trend.homogeneity_of_parks is 'The same between the year series of the parks, without unit; null but for the whole with two parks or more.';
comment on column latest_park_trend.p_homogeneity_of_parks is 'Share of the orders of years with a homogeneity_of_parks as large, 0-1.';
comment on column latest_park_trend.memory is 'First-order autocorrelation of the year series about their lines, pooled over parks, without unit; null where not computed.';
comment on column latest_park_trend.warning is 'That memory makes the p too small; empty where it does not.';
comment on column latest_park_trend.method is 'How it was computed, and what was left out.';
comment on column latest_park_trend.reason is 'Why there is no p, or no slope; empty where there is.';
comment on column latest_park_trend.run_id is 'Execution that assessed it.';
comment on column latest_park_trend.recorded_at is 'When the row was recorded, UTC.';

create view latest_gate_finding as
with final as (
    select gate_finding.*
    from gate_finding
    join latest_assessment using (season, target, encoder, head, config_hash, series_hash)
)
select * from final;
comment on view latest_gate_finding is 'Findings of the gates in the latest assessment of each target.';
comment on column latest_gate_finding.gate is 'G1 to G6.';
comment on column latest_gate_finding.name is 'What the gate looks at, in words.';
comment on column latest_gate_finding.scope is 'How far the finding reaches: all, park, block or woodland.';
comment on column latest_gate_finding.of is 'Park, block or woodland; empty for all.';
comment on column latest_gate_finding.season is 'Season assessed, YYYY-Qn.';
comment on column latest_gate_finding.target is 'What is predicted, such as richness.';
comment on column latest_gate_finding.encoder is 'Id of the encoder card.';
comment on column latest_gate_finding.head is 'Id of the head card.';
comment on column latest_gate_finding.config_hash is 'Digest of the choices the assessment depends on.';
comment on column latest_gate_finding.series_hash is 'Digest of all series assessed together.';
comment on column latest_gate_finding.state is 'passed, red (alerts of the scope are held) or not judged.';
comment on column latest_gate_finding.reason is 'One sentence with the figures.';
comment on column latest_gate_finding.figures is 'Figures by name, units in the name, null where not computed, JSON.';
comment on column latest_gate_finding.run_id is 'Execution that assessed it.';
comment on column latest_gate_finding.recorded_at is 'When the row was recorded, UTC.';

create view latest_balance as
with final as (
    select balance.*
    from balance
    join latest_assessment using (season, target, encoder, head, config_hash, series_hash)
)
select * from final;
comment on view latest_balance is 'How alike ancient and matched other woodland are in the latest assessment of each target.';
comment on column latest_balance.park is 'Park, or what stands for all parks together.';
comment on column latest_balance.property is 'Property compared between ancient and other woodland.';
comment on column latest_balance.season is 'Season assessed, YYYY-Qn.';
comment on column latest_balance.target is 'What is predicted, such as richness.';
comment on column latest_balance.encoder is 'Id of the encoder card.';
comment on column latest_balance.head is 'Id of the head card.';
comment on column latest_balance.config_hash is 'Digest of the choices the assessment depends on.';
comment on column latest_balance.series_hash is 'Digest of all series assessed together.';
comment on column latest_balance.n_ancient is 'Number of ancient woodlands compared.';
comment on column latest_balance.n_other is 'Number of other woodlands compared.';
comment on column latest_balance.ancient_before is 'Mean of ancient woodland before matching, in the unit property names; a share 0-1 for a kind.';
comment on column latest_balance.other_before is 'Mean of other woodland before matching, as ancient_before.';
comment on column latest_balance.difference_before is 'Standardised difference before matching, standard deviations, without unit; null where not known.';
comment on column latest_balance.ancient is 'Mean of the ancient woodlands matched, as ancient_before.';
comment on column latest_balance.other is 'Mean of their partners, as ancient_before.';
comment on column latest_balance.difference is 'Standardised difference after matching, standard deviations, without unit; null where not known.';
comment on column latest_balance.is_matched_on is 'True where woodlands were matched on the property, false where it is only looked at.';
comment on column latest_balance.is_balanced is 'True where the difference after matching is within the setting.';
comment on column latest_balance.run_id is 'Execution that assessed it.';
comment on column latest_balance.recorded_at is 'When the row was recorded, UTC.';

create view latest_corroboration as
with final as (
    select corroboration.*
    from corroboration
    join latest_assessment using (season, target, encoder, head, config_hash, series_hash)
)
select * from final;
comment on view latest_corroboration is 'Evidence other than richness in the latest assessment of each target.';
comment on column latest_corroboration.woodland_id is 'Woodland.';
comment on column latest_corroboration.kind is 'ndvi, nbr, or what a disturbance layer shows: felling, fire, storm, disease, disturbance.';
comment on column latest_corroboration.year is 'Calendar year of the event; 0 where there is none.';
comment on column latest_corroboration.source is 'File and layer, or the index history.';
comment on column latest_corroboration.season is 'Season assessed, YYYY-Qn.';
comment on column latest_corroboration.target is 'What is predicted, such as richness.';
comment on column latest_corroboration.encoder is 'Id of the encoder card.';
comment on column latest_corroboration.head is 'Id of the head card.';
comment on column latest_corroboration.config_hash is 'Digest of the choices the assessment depends on.';
comment on column latest_corroboration.series_hash is 'Digest of all series assessed together.';
comment on column latest_corroboration.verdict is 'What it says of a decline: agrees, silent or disagrees.';
comment on column latest_corroboration.share is 'Share of the woodland''s area touched, 0-1; null where it does not apply.';
comment on column latest_corroboration.text is 'One clause for a person.';
comment on column latest_corroboration.run_id is 'Execution that assessed it.';
comment on column latest_corroboration.recorded_at is 'When the row was recorded, UTC.';

create view latest_weather_year as
with final as (
    select weather_year.*
    from weather_year
    join latest_assessment using (season, target, encoder, head, config_hash, series_hash)
)
select * from final;
comment on view latest_weather_year is 'Days of heat and drought in the latest assessment of each target.';
comment on column latest_weather_year.woodland_id is 'Woodland.';
comment on column latest_weather_year.year is 'Calendar year.';
comment on column latest_weather_year.season is 'Season assessed, YYYY-Qn.';
comment on column latest_weather_year.target is 'What is predicted, such as richness.';
comment on column latest_weather_year.encoder is 'Id of the encoder card.';
comment on column latest_weather_year.head is 'Id of the head card.';
comment on column latest_weather_year.config_hash is 'Digest of the choices the assessment depends on.';
comment on column latest_weather_year.series_hash is 'Digest of all series assessed together.';
comment on column latest_weather_year.hot_days is 'Hot days in the year.';
comment on column latest_weather_year.dry_days is 'Dry days in the year.';
comment on column latest_weather_year.compound_days is 'Days both hot and dry in the year, in runs of at least the setting''s length.';
comment on column latest_weather_year.place is 'Cell or station of the weather table that stands for the woodland.';
comment on column latest_weather_year.run_id is 'Execution that assessed it.';
comment on column latest_weather_year.recorded_at is 'When the row was recorded, UTC.';

-- Where the events of each alert led; monitoring.alerts.life folds them by the same rules. An alert raised anew after
-- it had expired or was retracted starts over. One without events (loaded by itself) stands while the latest
-- assessment holds it.
create view alert_state as
with episode as (
    select *
    from alert_event
    qualify number >= max(number) filter (kind = 'raised') over (partition by alert_id)
),
life as (
    select
        alert_id as id,
        arg_max(kind, number) filter (
            kind in ('raised', 'reopened', 'acknowledged', 'assigned', 'dismissed', 'expired', 'retracted')
        ) as turn,
        arg_max(level, number) as level,
        coalesce(arg_max(assignee, number) filter (kind = 'assigned'), '') as assignee,
        coalesce(arg_max(result, number) filter (kind = 'field result'), '') as field_result,
        arg_min(season, number) as raised_season,
        arg_max(season, number) filter (kind in ('raised', 'renewed', 'level changed', 'reopened')) as seen_season,
        max(number) as n_events,
        min(happened_at) as raised_at,
        arg_max(happened_at, number) as changed_at,
        arg_max(note, number) as last_note
    from episode
    group by alert_id
),
-- The figures an alert shows are those it was last raised with at the level it has, by the present model where that
-- raised it.
raised as (
    select alert.*
    from alert
    left join life using (id)
    left join latest_assessment
        using (season, target, encoder, head, config_hash, series_hash)
    qualify row_number() over (
        partition by alert.id
        order by
            coalesce(alert.level = life.level, false) desc,
            alert.season desc,
            latest_assessment.season is not null desc,
            alert.recorded_at desc,
            alert.series_hash desc
    ) = 1
),
final as (
    select
        raised.id,
        raised.woodland_id,
        woodland.name as woodland,
        woodland.park,
        woodland.status,
        woodland.is_ancient,
        woodland.area_ha,
        raised.season,
        raised.target,
        raised.kind,
        coalesce(life.level, raised.level) as level,
        raised.reason,
        raised.slope,
        raised.q,
        raised.decline_fraction,
        raised.severity,
        raised.confidence,
        raised.course,
        raised.held_by,
        raised.cause,
        case
            when life.turn is null then if(latest_assessment.season is null, 'expired', 'open')
            when life.turn in ('raised', 'reopened') then 'open'
            else life.turn
        end as state,
        coalesce(life.assignee, '') as assignee,
        coalesce(life.field_result, '') as field_result,
        coalesce(life.raised_season, raised.season) as raised_season,
        coalesce(life.seen_season, raised.season) as seen_season,
        coalesce(life.raised_at, raised.recorded_at) as raised_at,
        coalesce(life.changed_at, raised.recorded_at) as changed_at,
        coalesce(life.last_note, '') as last_note,
        coalesce(life.n_events, 0) as n_events,
        raised.encoder,
        raised.head,
        raised.config_hash,
        raised.series_hash,
        raised.run_id,
        raised.recorded_at
    from raised
    left join life on life.id = raised.id
    join woodland on woodland.id = raised.woodland_id
    left join latest_assessment
        using (season, target, encoder, head, config_hash, series_hash)
)
select * from final;
comment on view alert_state is 'Every alert with its latest figures and where its life led.';
comment on column alert_state.id is 'Names the event: equal in every season the woodland is alerted for that target.';
comment on column alert_state.woodland_id is 'Woodland a person should look at.';
comment on column alert_state.woodland is 'Name of the woodland.';
comment on column alert_state.park is 'Park it lies in; empty where it lies in none.';
comment on column alert_state.status is 'ASNW, PAWS, AWP (Ancient Woodland Inventory) or other.';
comment on column alert_state.is_ancient is 'True for ASNW, PAWS and AWP.';
comment on column alert_state.area_ha is 'Area as the source measures it, hectares.';
comment on column alert_state.season is 'Season the figures were judged at, YYYY-Qn: the last that raised it at its level.';
comment on column alert_state.target is 'What is predicted, such as richness.';
comment on column alert_state.kind is 'decline; step for one abrupt change; fall for an unusual one within a year.';
comment on column alert_state.level is 'CONFIRMED, WATCH or PROVISIONAL (a season that is not final; never called a decline).';
comment on column alert_state.reason is 'The figures that led here, one sentence.';
comment on column alert_state.slope is 'Theil-Sen slope, target unit per year; of a fall, its change in a year.';
comment on column alert_state.q is 'Adjusted p over the family, 0-1; null where not in the family, as for a fall.';
comment on column alert_state.decline_fraction is 'Fitted loss over the record as a share of the fitted first value; of a fall, over the year.';
comment on column alert_state.severity is 'high, moderate or low: from the loss, the area and the standing of the woodland; null where recorded by an older version.';
comment on column alert_state.confidence is 'corroborated, richness alone or contradicted: what other evidence says; null where recorded by an older version.';
comment on column alert_state.course is 'sustained, extreme-year dip, uncertain or no weather given; null where recorded by an older version.';
comment on column alert_state.held_by is 'Gates that hold it below CONFIRMED; empty where none does, null where recorded by an older version.';
comment on column alert_state.cause is 'A known cause of another kind; empty where none is known, null where recorded by an older version.';
comment on column alert_state.state is 'open, acknowledged, assigned, dismissed, expired or retracted; the first three stand.';
comment on column alert_state.assignee is 'Who was last asked to look; empty for nobody.';
comment on column alert_state.field_result is 'confirmed, not found or other cause; empty where nobody reported from the field.';
comment on column alert_state.raised_season is 'Season at which it was raised, YYYY-Qn; raised anew after it had ended, that season.';
comment on column alert_state.seen_season is 'Season at which it was last seen, YYYY-Qn.';
comment on column alert_state.raised_at is 'When it was raised, UTC.';
comment on column alert_state.changed_at is 'When anything last happened to it, UTC.';
comment on column alert_state.last_note is 'What was said of the last event.';
comment on column alert_state.n_events is 'Number of its last event.';
comment on column alert_state.encoder is 'Id of the encoder card.';
comment on column alert_state.head is 'Id of the head card.';
comment on column alert_state.config_hash is 'Digest of the choices the assessment depends on.';
comment on column alert_state.series_hash is 'Digest of all series assessed together.';
comment on column alert_state.run_id is 'Execution that raised it with these figures.';
comment on column alert_state.recorded_at is 'When the alert was recorded, UTC.';

create view open_alert as
with final as (
    select * from alert_state where state in ('open', 'acknowledged', 'assigned')
)
select * from final;
comment on view open_alert is 'Alerts that stand: neither dismissed nor ended.';
comment on column open_alert.id is 'Names the event: equal in every season the woodland is alerted for that target.';
comment on column open_alert.woodland_id is 'Woodland a person should look at.';
comment on column open_alert.woodland is 'Name of the woodland.';
comment on column open_alert.park is 'Park it lies in; empty where it lies in none.';
comment on column open_alert.status is 'ASNW, PAWS, AWP (Ancient Woodland Inventory) or other.';
comment on column open_alert.is_ancient is 'True for ASNW, PAWS and AWP.';
comment on column open_alert.area_ha is 'Area as the source measures it, hectares.';
comment on column open_alert.season is 'Season the figures were judged at, YYYY-Qn: the last that raised it at its level.';
comment on column open_alert.target is 'What is predicted, such as richness.';
comment on column open_alert.kind is 'decline; step for one abrupt change; fall for an unusual one within a year.';
comment on column open_alert.level is 'CONFIRMED, WATCH or PROVISIONAL (a season that is not final; never called a decline).';
comment on column open_alert.reason is 'The figures that led here, one sentence.';
comment on column open_alert.slope is 'Theil-Sen slope, target unit per year; of a fall, its change in a year.';
comment on column open_alert.q is 'Adjusted p over the family, 0-1; null where not in the family, as for a fall.';
comment on column open_alert.decline_fraction is 'Fitted loss over the record as a share of the fitted first value; of a fall, over the year.';
comment on column open_alert.severity is 'high, moderate or low: from the loss, the area and the standing of the woodland; null where recorded by an older version.';
comment on column open_alert.confidence is 'corroborated, richness alone or contradicted: what other evidence says; null where recorded by an older version.';
comment on column open_alert.course is 'sustained, extreme-year dip, uncertain or no weather given; null where recorded by an older version.';
comment on column open_alert.held_by is 'Gates that hold it below CONFIRMED; empty where none does, null where recorded by an older version.';
comment on column open_alert.cause is 'A known cause of another kind; empty where none is known, null where recorded by an older version.';
comment on column open_alert.state is 'open, acknowledged, assigned, dismissed, expired or retracted; the first three stand.';
comment on column open_alert.assignee is 'Who was last asked to look; empty for nobody.';
comment on column open_alert.field_result is 'confirmed, not found or other cause; empty where nobody reported from the field.';
comment on column open_alert.raised_season is 'Season at which it was raised, YYYY-Qn; raised anew after it had ended, that season.';
comment on column open_alert.seen_season is 'Season at which it was last seen, YYYY-Qn.';
comment on column open_alert.raised_at is 'When it was raised, UTC.';
comment on column open_alert.changed_at is 'When anything last happened to it, UTC.';
comment on column open_alert.last_note is 'What was said of the last event.';
comment on column open_alert.n_events is 'Number of its last event.';
comment on column open_alert.encoder is 'Id of the encoder card.';
comment on column open_alert.head is 'Id of the head card.';
comment on column open_alert.config_hash is 'Digest of the choices the assessment depends on.';
comment on column open_alert.series_hash is 'Digest of all series assessed together.';
comment on column open_alert.run_id is 'Execution that raised it with these figures.';
comment on column open_alert.recorded_at is 'When the alert was recorded, UTC.';
