-- Tables of the warehouse. Rows are appended, never overwritten: a primary key is the natural key of what was
-- found, so that the same finding recorded twice is one row. Times are `timestamp` in UTC, because `timestamptz`
-- is shown in each client's own zone. Unknown numbers are null, never NaN and never zero.

create table schema_migration (
    number integer primary key,
    name text not null,
    sha256 text not null,
    applied_at timestamp not null
);
comment on table schema_migration is 'Migrations applied to this file, in order.';
comment on column schema_migration.number is 'Position of the migration, from 1.';
comment on column schema_migration.name is 'File name of the migration.';
comment on column schema_migration.sha256 is 'SHA-256 of the migration file as applied, hexadecimal.';
comment on column schema_migration.applied_at is 'When it was applied, UTC.';

create table run (
    run_id text primary key check (run_id <> ''),
    season text not null check (regexp_full_match(season, '\d{4}-Q[1-4]')),
    config_hash text not null check (config_hash <> ''),
    science text not null,
    code_version text not null,
    started_at timestamp not null,
    finished_at timestamp,
    status text not null check (status in ('running', 'finished', 'failed'))
);
comment on table run is 'Executions of the service, one row each; a row is closed once, when its run ends.';
comment on column run.run_id is 'Id of the execution.';
comment on column run.season is 'Season the execution was asked for, YYYY-Qn.';
comment on column run.config_hash is 'Digest of the choices the estimates depend on.';
comment on column run.science is 'Every scientific choice of the execution, JSON.';
comment on column run.code_version is 'Version of the code that ran.';
comment on column run.started_at is 'Start, UTC.';
comment on column run.finished_at is 'End, UTC; null while running, or when the run was killed.';
comment on column run.status is 'running, finished or failed.';

create table park (
    name text primary key check (name <> ''),
    recorded_at timestamp not null
);
comment on table park is 'Parks that woodlands lie in.';
comment on column park.name is 'Name of the park.';
comment on column park.recorded_at is 'When the row was recorded, UTC.';

create table woodland (
    id text primary key check (id <> ''),
    name text not null,
    park text not null,
    status text not null check (status in ('ASNW', 'PAWS', 'AWP', 'other')),
    is_ancient boolean not null,
    area_ha double not null check (isfinite(area_ha) and area_ha > 0),
    geometry geometry('OGC:CRS84') not null,
    longitude double not null check (longitude between -180 and 180),
    latitude double not null check (latitude between -90 and 90),
    repaired text not null,
    recorded_at timestamp not null
);
comment on table woodland is 'Woodlands: one polygon with one stable id, the unit of reporting.';
comment on column woodland.id is 'Stable id.';
comment on column woodland.name is 'Name; empty where the source gives none.';
comment on column woodland.park is 'Park it lies in; empty where it lies in none.';
comment on column woodland.status is 'ASNW, PAWS, AWP (Ancient Woodland Inventory) or other.';
comment on column woodland.is_ancient is 'True for ASNW, PAWS and AWP.';
comment on column woodland.area_ha is 'Area as the source measures it, hectares.';
comment on column woodland.geometry is 'Polygon or multipolygon, longitude and latitude in degrees, WGS 84.';
comment on column woodland.longitude is 'Longitude of a point inside the woodland, degrees east, WGS 84.';
comment on column woodland.latitude is 'Latitude of a point inside the woodland, degrees north, WGS 84.';
comment on column woodland.repaired is 'What was mended in the geometry; empty where nothing was.';
comment on column woodland.recorded_at is 'When the row was recorded, UTC.';

create table scene (
    source text not null check (source <> ''),
    id text not null check (id <> ''),
    collection text not null,
    sensor text not null check (sensor in ('s2', 's1_ascending', 's1_descending')),
    platform text not null,
    acquired_at timestamp not null,
    acquisition text not null,
    baseline text not null,
    offset_dn integer not null,
    offset_rule text not null,
    epsg integer not null,
    west double not null check (west between -180 and 180),
    south double not null check (south between -90 and 90),
    east double not null check (east between -180 and 180),
    north double not null check (north between -90 and 90),
    hrefs text not null,
    cloud_fraction double check (cloud_fraction between 0 and 1),
    recorded_at timestamp not null,
    primary key (source, id)
);
comment on table scene is 'Scenes whose pixels were used, with every decision those pixels depend on.';
comment on column scene.source is 'Where the pixels come from: planetary-computer, earth-search, simulated.';
comment on column scene.id is 'STAC item id.';
comment on column scene.collection is 'STAC collection of the item.';
comment on column scene.sensor is 's2, s1_ascending or s1_descending.';
comment on column scene.platform is 'Satellite, such as sentinel-2a.';
comment on column scene.acquired_at is 'Moment sensed, UTC.';
comment on column scene.acquisition is 'Names the acquisition; equal for re-processed copies of one.';
comment on column scene.baseline is 'Processing baseline such as 05.09; empty for radar.';
comment on column scene.offset_dn is 'Digital number subtracted from the optical bands.';
comment on column scene.offset_rule is 'Why offset_dn is what it is.';
comment on column scene.epsg is 'Coordinate reference system of the assets, EPSG code.';
comment on column scene.west is 'West edge, degrees east, WGS 84.';
comment on column scene.south is 'South edge, degrees north, WGS 84.';
comment on column scene.east is 'East edge, degrees east, WGS 84.';
comment on column scene.north is 'North edge, degrees north, WGS 84.';
comment on column scene.hrefs is 'Address of each band, JSON object.';
comment on column scene.cloud_fraction is 'Share of cloud the catalogue states, 0-1; null where it states none.';
comment on column scene.recorded_at is 'When the row was recorded, UTC.';

create table season_scene (
    season text not null check (regexp_full_match(season, '\d{4}-Q[1-4]')),
    block_id text not null check (block_id <> ''),
    source text not null,
    scene_id text not null,
    recorded_at timestamp not null,
    primary key (season, block_id, source, scene_id),
    foreign key (source, scene_id) references scene (source, id)
);
comment on table season_scene is 'Which scenes a season of a block was estimated from.';
comment on column season_scene.season is 'Season, YYYY-Qn.';
comment on column season_scene.block_id is 'Block of neighbouring woodlands processed together.';
comment on column season_scene.source is 'Source of the scene.';
comment on column season_scene.scene_id is 'STAC item id.';
comment on column season_scene.recorded_at is 'When the row was recorded, UTC.';

create table model_card (
    id text primary key check (id <> ''),
    kind text not null check (kind in ('encoder', 'head')),
    card text not null,
    sha256 text not null,
    recorded_at timestamp not null
);
comment on table model_card is 'Identity cards of the models that estimates name.';
comment on column model_card.id is 'Id of the encoder or head.';
comment on column model_card.kind is 'encoder (frozen network) or head (fitted regressor).';
comment on column model_card.card is 'The whole card: weights, licence, input contract, training domain, metrics; JSON.';
comment on column model_card.sha256 is 'SHA-256 of the weights, hexadecimal.';
comment on column model_card.recorded_at is 'When the row was recorded, UTC.';

create table current_model (
    target text not null,
    number integer not null,
    encoder text not null references model_card (id),
    head text not null references model_card (id),
    config_hash text not null check (config_hash <> ''),
    run_id text not null references run (run_id),
    recorded_at timestamp not null,
    primary key (target, number)
);
comment on table current_model is 'Which model speaks for a target: the row of the highest number; older rows are its history.';
comment on column current_model.target is 'What is predicted, such as richness.';
comment on column current_model.number is 'Position of the choice for its target, from 1.';
comment on column current_model.encoder is 'Id of the encoder card.';
comment on column current_model.head is 'Id of the head card.';
comment on column current_model.config_hash is 'Digest of the choices the estimates depend on.';
comment on column current_model.run_id is 'Execution that made the choice.';
comment on column current_model.recorded_at is 'When the row was recorded, UTC.';

create table estimate (
    woodland_id text not null references woodland (id),
    season text not null check (regexp_full_match(season, '\d{4}-Q[1-4]')),
    target text not null check (target <> ''),
    encoder text not null references model_card (id),
    head text not null references model_card (id),
    config_hash text not null check (config_hash <> ''),
    inputs_hash text not null check (inputs_hash <> ''),
    mean double not null check (isfinite(mean)),
    sd double not null check (isfinite(sd) and sd >= 0),
    -- Exact fractions of an area add up to 1 but for rounding.
    coverage double not null check (coverage > 0 and coverage <= 1.000001),
    n_pixels integer not null check (n_pixels > 0),
    n_s2 double not null check (isfinite(n_s2) and n_s2 >= 0),
    n_s1_ascending double not null check (isfinite(n_s1_ascending) and n_s1_ascending >= 0),
    n_s1_descending double not null check (isfinite(n_s1_descending) and n_s1_descending >= 0),
    block_id text not null,
    run_id text not null references run (run_id),
    recorded_at timestamp not null,
    primary key (woodland_id, season, target, encoder, head, config_hash, inputs_hash)
);
comment on table estimate is 'Every estimate ever recorded; site_history shows the current ones.';
comment on column estimate.woodland_id is 'Woodland.';
comment on column estimate.season is 'Season, YYYY-Qn: the 12 months that end with that quarter.';
comment on column estimate.target is 'What is predicted, such as richness.';
comment on column estimate.encoder is 'Id of the encoder card.';
comment on column estimate.head is 'Id of the head card.';
comment on column estimate.config_hash is 'Digest of the choices the estimate depends on.';
comment on column estimate.inputs_hash is 'Digest of the scenes and pixels the estimate was made from.';
comment on column estimate.mean is 'Mean over the woodland''s 10 m cells; for richness, EcM taxa per standard soil sample.';
comment on column estimate.sd is 'Standard deviation of mean, same unit.';
comment on column estimate.coverage is 'Share of the woodland''s area with an estimate, 0-1.';
comment on column estimate.n_pixels is 'Number of 10 m cells with an estimate.';
comment on column estimate.n_s2 is 'Clear Sentinel-2 observations per pixel in the season, mean.';
comment on column estimate.n_s1_ascending is 'Sentinel-1 ascending observations per pixel in the season, mean.';
comment on column estimate.n_s1_descending is 'Sentinel-1 descending observations per pixel in the season, mean.';
comment on column estimate.block_id is 'Block it was processed in, as in season_scene; empty where not stated.';
comment on column estimate.run_id is 'Execution that made the estimate.';
comment on column estimate.recorded_at is 'When the row was recorded, UTC.';

create table trend (
    woodland_id text not null references woodland (id),
    season text not null check (regexp_full_match(season, '\d{4}-Q[1-4]')),
    target text not null check (target <> ''),
    encoder text not null references model_card (id),
    head text not null references model_card (id),
    config_hash text not null check (config_hash <> ''),
    series_hash text not null check (series_hash <> ''),
    n integer not null check (n >= 0),
    first_year integer not null,
    last_year integer not null,
    s integer not null,
    slope double check (isfinite(slope)),
    slope_low double check (slope_low <= slope),
    slope_high double check (slope_high >= slope),
    relative_slope double check (isfinite(relative_slope)),
    p double check (p between 0 and 1),
    q double check (q between 0 and 1),
    decline_fraction double check (isfinite(decline_fraction)),
    minimum_detectable_slope double check (isfinite(minimum_detectable_slope)),
    method text not null,
    reason text not null,
    run_id text not null references run (run_id),
    recorded_at timestamp not null,
    primary key (woodland_id, season, target, encoder, head, config_hash, series_hash)
);
comment on table trend is 'Every trend ever assessed; latest_trend shows the current ones.';
comment on column trend.woodland_id is 'Woodland.';
comment on column trend.season is 'Last season of the series, YYYY-Qn.';
comment on column trend.target is 'What is predicted, such as richness.';
comment on column trend.encoder is 'Id of the encoder card.';
comment on column trend.head is 'Id of the head card.';
comment on column trend.config_hash is 'Digest of the choices the assessment depends on.';
comment on column trend.series_hash is 'Digest of all series assessed together, controls included (q depends on them all).';
comment on column trend.n is 'Number of annual values.';
comment on column trend.first_year is 'Calendar year of the first value.';
comment on column trend.last_year is 'Calendar year of the last value.';
comment on column trend.s is 'Mann-Kendall S of the tested series.';
comment on column trend.slope is 'Theil-Sen slope of the woodland''s own series, target unit per year; null below three values.';
comment on column trend.slope_low is 'Lower end of the interval of slope, target unit per year.';
comment on column trend.slope_high is 'Upper end of the interval of slope, target unit per year.';
comment on column trend.relative_slope is 'Theil-Sen slope of the series minus its park control, target unit per year.';
comment on column trend.p is 'Exact one-sided p of a decline, 0-1; null where not tested.';
comment on column trend.q is 'Benjamini-Hochberg adjusted p over the family, 0-1; null where not in the family.';
comment on column trend.decline_fraction is 'Fitted loss over the record as a share of the fitted first value; negative for a gain.';
comment on column trend.minimum_detectable_slope is 'Decline this series would show with 80 % power, target unit per year.';
comment on column trend.method is 'Test, control and family.';
comment on column trend.reason is 'Why no test was made; empty where one was.';
comment on column trend.run_id is 'Execution that assessed it.';
comment on column trend.recorded_at is 'When the row was recorded, UTC.';

create table contrast (
    park text not null,
    season text not null check (regexp_full_match(season, '\d{4}-Q[1-4]')),
    target text not null check (target <> ''),
    encoder text not null references model_card (id),
    head text not null references model_card (id),
    config_hash text not null check (config_hash <> ''),
    series_hash text not null check (series_hash <> ''),
    n_years integer not null check (n_years >= 0),
    n_ancient integer not null check (n_ancient >= 0),
    n_other integer not null check (n_other >= 0),
    slope double check (isfinite(slope)),
    slope_low double check (slope_low <= slope),
    slope_high double check (slope_high >= slope),
    p double check (p between 0 and 1),
    method text not null,
    reason text not null,
    run_id text not null references run (run_id),
    recorded_at timestamp not null,
    primary key (park, season, target, encoder, head, config_hash, series_hash)
);
comment on table contrast is 'Every contrast of ancient against other woodland ever assessed.';
comment on column contrast.park is 'Park; empty for woodland in no park.';
comment on column contrast.season is 'Last season of the series, YYYY-Qn.';
comment on column contrast.target is 'What is predicted, such as richness.';
comment on column contrast.encoder is 'Id of the encoder card.';
comment on column contrast.head is 'Id of the head card.';
comment on column contrast.config_hash is 'Digest of the choices the assessment depends on.';
comment on column contrast.series_hash is 'Digest of all series assessed together.';
comment on column contrast.n_years is 'Number of yearly differences.';
comment on column contrast.n_ancient is 'Number of ancient woodlands.';
comment on column contrast.n_other is 'Number of other woodlands.';
comment on column contrast.slope is 'Slope of ancient minus other, target unit per year; null where not computed.';
comment on column contrast.slope_low is 'Lower end of the 95 % interval of slope, target unit per year.';
comment on column contrast.slope_high is 'Upper end of the 95 % interval of slope, target unit per year.';
comment on column contrast.p is 'Two-sided exact permutation p over years, 0-1; null where not computed.';
comment on column contrast.method is 'How it was computed.';
comment on column contrast.reason is 'Why it was not computed; empty where it was.';
comment on column contrast.run_id is 'Execution that assessed it.';
comment on column contrast.recorded_at is 'When the row was recorded, UTC.';

create table alert (
    id text not null check (id <> ''),
    woodland_id text not null,
    season text not null,
    target text not null,
    encoder text not null,
    head text not null,
    config_hash text not null,
    series_hash text not null,
    kind text not null check (kind <> ''),
    level text not null check (level in ('CONFIRMED', 'WATCH')),
    reason text not null check (reason <> ''),
    slope double not null check (isfinite(slope)),
    q double check (q between 0 and 1),
    decline_fraction double not null check (isfinite(decline_fraction)),
    run_id text not null references run (run_id),
    recorded_at timestamp not null,
    primary key (id, season, target, encoder, head, config_hash, series_hash),
    foreign key (woodland_id, season, target, encoder, head, config_hash, series_hash)
        references trend (woodland_id, season, target, encoder, head, config_hash, series_hash)
);
comment on table alert is 'Every alert ever raised, each resting on its trend; open_alert shows the standing ones.';
comment on column alert.id is 'Names the event: equal in every season the woodland is alerted for that target.';
comment on column alert.woodland_id is 'Woodland a person should look at.';
comment on column alert.season is 'Season at which it was judged, YYYY-Qn.';
comment on column alert.target is 'What is predicted, such as richness.';
comment on column alert.encoder is 'Id of the encoder card.';
comment on column alert.head is 'Id of the head card.';
comment on column alert.config_hash is 'Digest of the choices the assessment depends on.';
comment on column alert.series_hash is 'Digest of all series assessed together.';
comment on column alert.kind is 'decline, or step for one abrupt change.';
comment on column alert.level is 'CONFIRMED or WATCH.';
comment on column alert.reason is 'The figures that led here, one sentence.';
comment on column alert.slope is 'Theil-Sen slope, target unit per year.';
comment on column alert.q is 'Benjamini-Hochberg adjusted p, 0-1; null where not in the family.';
comment on column alert.decline_fraction is 'Fitted loss over the record as a share of the fitted first value.';
comment on column alert.run_id is 'Execution that raised it.';
comment on column alert.recorded_at is 'When the row was recorded, UTC.';

create table quality_check (
    gate text not null check (gate <> ''),
    season text not null check (regexp_full_match(season, '\d{4}-Q[1-4]')),
    scope text not null check (scope <> ''),
    expectation text not null check (expectation <> ''),
    column_name text not null,
    success boolean not null,
    unexpected_count integer not null check (unexpected_count >= 0),
    observed text not null,
    run_id text not null references run (run_id),
    recorded_at timestamp not null,
    primary key (gate, season, scope, expectation, column_name, success, unexpected_count, observed)
);
comment on table quality_check is 'Results of the quality gates; the same result seen again is one row.';
comment on column quality_check.gate is 'scenes, estimates or trends.';
comment on column quality_check.season is 'Season, YYYY-Qn.';
comment on column quality_check.scope is 'Block id, or all.';
comment on column quality_check.expectation is 'What was expected.';
comment on column quality_check.column_name is 'Column looked at; empty for a whole table.';
comment on column quality_check.success is 'True when the expectation was met.';
comment on column quality_check.unexpected_count is 'Number of rows that failed.';
comment on column quality_check.observed is 'What was seen, JSON; empty where nothing is stated.';
comment on column quality_check.run_id is 'Execution that checked.';
comment on column quality_check.recorded_at is 'When the row was recorded, UTC.';

create table quarantine (
    gate text not null check (gate <> ''),
    season text not null check (regexp_full_match(season, '\d{4}-Q[1-4]')),
    key text not null check (key <> ''),
    reasons text not null check (reasons <> ''),
    row_json text not null,
    run_id text not null references run (run_id),
    recorded_at timestamp not null,
    primary key (gate, season, key, reasons, row_json)
);
comment on table quarantine is 'What a quality gate refused, with its reasons; never loaded.';
comment on column quarantine.gate is 'scenes, estimates or trends.';
comment on column quarantine.season is 'Season, YYYY-Qn.';
comment on column quarantine.key is 'Names the refused thing: a scene id, a woodland id.';
comment on column quarantine.reasons is 'Why it was refused, for a person.';
comment on column quarantine.row_json is 'The refused row, JSON.';
comment on column quarantine.run_id is 'Execution that refused it.';
comment on column quarantine.recorded_at is 'When the row was recorded, UTC.';

create table report (
    season text not null check (regexp_full_match(season, '\d{4}-Q[1-4]')),
    park text not null,
    path text not null check (path <> ''),
    sha256 text not null check (sha256 <> ''),
    run_id text not null references run (run_id),
    recorded_at timestamp not null,
    primary key (season, park, path, sha256)
);
comment on table report is 'Reports written.';
comment on column report.season is 'Season reported on, YYYY-Qn.';
comment on column report.park is 'Park reported on; empty for all.';
comment on column report.path is 'Where the PDF was written.';
comment on column report.sha256 is 'SHA-256 of the PDF, hexadecimal.';
comment on column report.run_id is 'Execution that wrote it.';
comment on column report.recorded_at is 'When the row was recorded, UTC.';
