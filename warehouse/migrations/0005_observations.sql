-- What was observed, and whether it was enough. Findings of one thing are numbered: a run that finds the same again
-- adds nothing, one that finds something else adds the next number, and the views show the last.

alter table scene add column relative_orbit integer;
alter table scene add column tile text;
comment on column scene.relative_orbit is 'Number of the orbit within its repeat cycle; null where not stated, or recorded by an older version.';
comment on column scene.tile is 'MGRS tile such as 30UXC, empty for radar; null where recorded by an older version.';

create table season_completeness (
    season text not null check (regexp_full_match(season, '\d{4}-Q[1-4]')),
    block_id text not null check (block_id <> ''),
    number integer not null check (number > 0),
    sensor text not null check (sensor in ('s2', 's1_ascending', 's1_descending')),
    platform text not null,
    relative_orbit integer not null check (relative_orbit >= 0),
    tile text not null,
    expected double check (isfinite(expected) and expected >= 0),
    found integer not null check (found >= 0),
    missing_days text not null,
    evidence text not null,
    run_id text not null references run (run_id),
    recorded_at timestamp not null,
    primary key (season, block_id, number, sensor, platform, relative_orbit, tile)
);
comment on table season_completeness is 'Passes expected and found for each stream of a block-season, every time the finding changed; latest_completeness shows the last.';
comment on column season_completeness.season is 'Season, YYYY-Qn.';
comment on column season_completeness.block_id is 'Block of neighbouring woodlands processed together.';
comment on column season_completeness.number is 'Position among the findings of the block-season, from 1; all streams of one finding share it.';
comment on column season_completeness.sensor is 's2, s1_ascending or s1_descending.';
comment on column season_completeness.platform is 'Satellite, such as sentinel-2a; empty where platforms are counted together.';
comment on column season_completeness.relative_orbit is 'Number of the orbit within its repeat cycle; 0 where not stated.';
comment on column season_completeness.tile is 'MGRS tile; empty for radar.';
comment on column season_completeness.expected is 'Passes expected, observations; null where nothing says how many.';
comment on column season_completeness.found is 'Passes found.';
comment on column season_completeness.missing_days is 'Days (YYYY-MM-DD) on which a pass was expected and none was found, JSON list.';
comment on column season_completeness.evidence is 'What the expectation rests on.';
comment on column season_completeness.run_id is 'Execution that found it.';
comment on column season_completeness.recorded_at is 'When the row was recorded, UTC.';

create table block_season (
    season text not null check (regexp_full_match(season, '\d{4}-Q[1-4]')),
    block_id text not null check (block_id <> ''),
    number integer not null check (number > 0),
    expected double check (isfinite(expected) and expected >= 0),
    found integer not null check (found >= 0),
    missing_share double check (missing_share between 0 and 1),
    floor double not null check (floor between 0 and 1),
    is_complete boolean not null,
    is_frozen boolean not null,
    n_scenes integer not null check (n_scenes >= 0),
    n_left_out integer not null check (n_left_out >= 0),
    inputs_hash text not null,
    reason text not null,
    run_id text not null references run (run_id),
    recorded_at timestamp not null,
    primary key (season, block_id, number)
);
comment on table block_season is 'How a season of a block stood, every time that changed; season_standing shows the last.';
comment on column block_season.season is 'Season, YYYY-Qn.';
comment on column block_season.block_id is 'Block of neighbouring woodlands processed together.';
comment on column block_season.number is 'Position among the findings of the block-season, from 1.';
comment on column block_season.expected is 'Passes expected, observations, over the streams of which something says how many; null where there is none.';
comment on column block_season.found is 'Passes found over the same streams.';
comment on column block_season.missing_share is 'Share of the expected passes that is missing, 0-1; null where nothing was expected with reason.';
comment on column block_season.floor is 'Least share of the expected passes that a final season has, 0-1; optical and radar each on its own.';
comment on column block_season.is_complete is 'False where the season is under its floor, and so not final.';
comment on column block_season.is_frozen is 'True once the time of grace for late scenes was over.';
comment on column block_season.n_scenes is 'Scenes used.';
comment on column block_season.n_left_out is 'Scenes left out: superseded, unfit or refused.';
comment on column block_season.inputs_hash is 'Digest of the scenes and pixels in use, as in estimate; empty where nothing was estimated.';
comment on column block_season.reason is 'Why it is not complete, or what could not be judged; empty where nothing is to be said.';
comment on column block_season.run_id is 'Execution that found it.';
comment on column block_season.recorded_at is 'When the row was recorded, UTC.';

create table season_observation (
    woodland_id text not null references woodland (id),
    season text not null check (regexp_full_match(season, '\d{4}-Q[1-4]')),
    inputs_hash text not null check (inputs_hash <> ''),
    number integer not null check (number > 0),
    n_s2 double check (isfinite(n_s2) and n_s2 >= 0),
    n_snow double check (isfinite(n_snow) and n_snow >= 0),
    n_s1_ascending double check (isfinite(n_s1_ascending) and n_s1_ascending >= 0),
    n_s1_descending double check (isfinite(n_s1_descending) and n_s1_descending >= 0),
    n_leaf_on double check (isfinite(n_leaf_on) and n_leaf_on >= 0),
    n_leaf_off double check (isfinite(n_leaf_off) and n_leaf_off >= 0),
    is_phenology_covered boolean,
    run_id text not null references run (run_id),
    recorded_at timestamp not null,
    primary key (woodland_id, season, inputs_hash, number)
);
comment on table season_observation is 'What of a woodland was seen in a season, for the inputs an estimate names; site_history shows the last count.';
comment on column season_observation.woodland_id is 'Woodland.';
comment on column season_observation.season is 'Season, YYYY-Qn.';
comment on column season_observation.inputs_hash is 'Digest of the scenes and pixels, as in estimate.';
comment on column season_observation.number is 'Position among the counts of the woodland-season and inputs, from 1.';
comment on column season_observation.n_s2 is 'Clear Sentinel-2 observations per pixel, mean.';
comment on column season_observation.n_snow is 'Sentinel-2 observations of snow per pixel, mean.';
comment on column season_observation.n_s1_ascending is 'Sentinel-1 ascending observations per pixel, mean.';
comment on column season_observation.n_s1_descending is 'Sentinel-1 descending observations per pixel, mean.';
comment on column season_observation.n_leaf_on is 'Clear Sentinel-2 dates with leaves on the trees per pixel, mean.';
comment on column season_observation.n_leaf_off is 'Clear Sentinel-2 dates without leaves on the trees per pixel, mean.';
comment on column season_observation.is_phenology_covered is 'True where there are enough dates of both; null where not judged.';
comment on column season_observation.run_id is 'Execution that counted.';
comment on column season_observation.recorded_at is 'When the row was recorded, UTC.';

-- No primary key: an index over keys this long takes seven times the room of the rows. The insert looks for itself,
-- and there is one writer.
create table index_observation (
    woodland_id text not null references woodland (id),
    source text not null check (source <> ''),
    scene_id text not null check (scene_id <> ''),
    index_name text not null check (index_name in ('ndvi', 'nirv', 'nbr')),
    number integer not null check (number > 0),
    acquired_at timestamp not null,
    value double check (isfinite(value)),
    coverage double not null check (coverage >= 0 and coverage <= 1.000001),
    is_nbar boolean not null,
    run_id text not null references run (run_id),
    recorded_at timestamp not null
);
comment on table index_observation is 'Vegetation indices of each woodland at each acquisition: an independent check, never an input of the model. Named by woodland, source, scene, index and number.';
comment on column index_observation.woodland_id is 'Woodland.';
comment on column index_observation.source is 'Source of the scene.';
comment on column index_observation.scene_id is 'STAC item id.';
comment on column index_observation.index_name is 'ndvi, nirv or nbr.';
comment on column index_observation.number is 'Position among the values found of this woodland, scene and index, from 1; the last counts.';
comment on column index_observation.acquired_at is 'Moment sensed, UTC.';
comment on column index_observation.value is 'Mean of the index over the clear area of the woodland, without unit; null where nothing was clear.';
comment on column index_observation.coverage is 'Share of the woodland''s area that was clear, 0-1.';
comment on column index_observation.is_nbar is 'True where reflectances were first brought to nadir view (NBAR).';
comment on column index_observation.run_id is 'Execution that computed it.';
comment on column index_observation.recorded_at is 'When the row was recorded, UTC.';

create table asset_failure (
    season text not null check (regexp_full_match(season, '\d{4}-Q[1-4]')),
    block_id text not null check (block_id <> ''),
    scene_id text not null check (scene_id <> ''),
    band text not null,
    number integer not null check (number > 0),
    attempts integer not null check (attempts > 0),
    error text not null check (error <> ''),
    first_failed_at timestamp not null,
    last_failed_at timestamp not null check (last_failed_at >= first_failed_at),
    state text not null check (state in ('waiting', 'recovered', 'given up')),
    run_id text not null references run (run_id),
    recorded_at timestamp not null,
    primary key (season, block_id, scene_id, band, number)
);
comment on table asset_failure is 'Assets that could not be read, every time that changed; asset_standing shows how they stand.';
comment on column asset_failure.season is 'Season it was read for, YYYY-Qn.';
comment on column asset_failure.block_id is 'Block it was read for.';
comment on column asset_failure.scene_id is 'STAC item id.';
comment on column asset_failure.band is 'Band of the asset, such as B04.';
comment on column asset_failure.number is 'Position among the findings of the asset in the block-season, from 1.';
comment on column asset_failure.attempts is 'How often it was tried.';
comment on column asset_failure.error is 'What went wrong the last time, one line.';
comment on column asset_failure.first_failed_at is 'First failure, UTC.';
comment on column asset_failure.last_failed_at is 'Last failure, UTC.';
comment on column asset_failure.state is 'waiting (tried again next time), recovered, or given up.';
comment on column asset_failure.run_id is 'Execution that found it.';
comment on column asset_failure.recorded_at is 'When the row was recorded, UTC.';

create view latest_completeness as
with final as (
    select * from season_completeness qualify number = max(number) over (partition by season, block_id)
)
select * from final;
comment on view latest_completeness is 'Passes expected and found for each stream of a block-season, as last found.';
comment on column latest_completeness.season is 'Season, YYYY-Qn.';
comment on column latest_completeness.block_id is 'Block of neighbouring woodlands processed together.';
comment on column latest_completeness.number is 'Position among the findings of the block-season, from 1; all streams of one finding share it.';
comment on column latest_completeness.sensor is 's2, s1_ascending or s1_descending.';
comment on column latest_completeness.platform is 'Satellite, such as sentinel-2a; empty where platforms are counted together.';
comment on column latest_completeness.relative_orbit is 'Number of the orbit within its repeat cycle; 0 where not stated.';
comment on column latest_completeness.tile is 'MGRS tile; empty for radar.';
comment on column latest_completeness.expected is 'Passes expected, observations; null where nothing says how many.';
comment on column latest_completeness.found is 'Passes found.';
comment on column latest_completeness.missing_days is 'Days (YYYY-MM-DD) on which a pass was expected and none was found, JSON list.';
comment on column latest_completeness.evidence is 'What the expectation rests on.';
comment on column latest_completeness.run_id is 'Execution that found it.';
comment on column latest_completeness.recorded_at is 'When the row was recorded, UTC.';

create view season_standing as
with final as (
    select * from block_season qualify number = max(number) over (partition by season, block_id)
)
select * from final;
comment on view season_standing is 'How each season of a block stands: expected, found, complete, frozen.';
comment on column season_standing.season is 'Season, YYYY-Qn.';
comment on column season_standing.block_id is 'Block of neighbouring woodlands processed together.';
comment on column season_standing.number is 'Position among the findings of the block-season, from 1.';
comment on column season_standing.expected is 'Passes expected, observations, over the streams of which something says how many; null where there is none.';
comment on column season_standing.found is 'Passes found over the same streams.';
comment on column season_standing.missing_share is 'Share of the expected passes that is missing, 0-1; null where nothing was expected with reason.';
comment on column season_standing.floor is 'Least share of the expected passes that a final season has, 0-1; optical and radar each on its own.';
comment on column season_standing.is_complete is 'False where the season is under its floor, and so not final.';
comment on column season_standing.is_frozen is 'True once the time of grace for late scenes was over.';
comment on column season_standing.n_scenes is 'Scenes used.';
comment on column season_standing.n_left_out is 'Scenes left out: superseded, unfit or refused.';
comment on column season_standing.inputs_hash is 'Digest of the scenes and pixels in use, as in estimate; empty where nothing was estimated.';
comment on column season_standing.reason is 'Why it is not complete, or what could not be judged; empty where nothing is to be said.';
comment on column season_standing.run_id is 'Execution that found it.';
comment on column season_standing.recorded_at is 'When the row was recorded, UTC.';

-- A scene read again for a later season may come through: then it is recovered for the earlier one too.
create view asset_standing as
with newest as (
    select * from asset_failure qualify number = max(number) over (partition by season, block_id, scene_id, band)
),
present as (
    select block_id, scene_id, band, state
    from newest
    qualify row_number() over (
        partition by block_id, scene_id, band order by recorded_at desc, season desc
    ) = 1
),
final as (
    select newest.* replace (present.state as state)
    from newest
    join present using (block_id, scene_id, band)
)
select * from final;
comment on view asset_standing is 'Assets of each block-season that could not be read at some time, with their present state.';
comment on column asset_standing.season is 'Season it was read for, YYYY-Qn.';
comment on column asset_standing.block_id is 'Block it was read for.';
comment on column asset_standing.scene_id is 'STAC item id.';
comment on column asset_standing.band is 'Band of the asset, such as B04.';
comment on column asset_standing.number is 'Position among the findings of the asset in the block-season, from 1.';
comment on column asset_standing.attempts is 'How often it was tried.';
comment on column asset_standing.error is 'What went wrong the last time, one line.';
comment on column asset_standing.first_failed_at is 'First failure, UTC.';
comment on column asset_standing.last_failed_at is 'Last failure, UTC.';
comment on column asset_standing.state is 'waiting (tried again next time), recovered, or given up.';
comment on column asset_standing.run_id is 'Execution that found it.';
comment on column asset_standing.recorded_at is 'When the row was recorded, UTC.';

create view index_acquisition as
with final as (
    select *
    from index_observation
    qualify number = max(number) over (partition by woodland_id, source, scene_id, index_name)
)
select * from final;
comment on view index_acquisition is 'Vegetation indices of each woodland at each acquisition, the last value found: an independent check, never an input of the model.';
comment on column index_acquisition.woodland_id is 'Woodland.';
comment on column index_acquisition.source is 'Source of the scene.';
comment on column index_acquisition.scene_id is 'STAC item id.';
comment on column index_acquisition.index_name is 'ndvi, nirv or nbr.';
comment on column index_acquisition.number is 'Position among the values found of this woodland, scene and index, from 1; the last counts.';
comment on column index_acquisition.acquired_at is 'Moment sensed, UTC.';
comment on column index_acquisition.value is 'Mean of the index over the clear area of the woodland, without unit; null where nothing was clear.';
comment on column index_acquisition.coverage is 'Share of the woodland''s area that was clear, 0-1.';
comment on column index_acquisition.is_nbar is 'True where reflectances were first brought to nadir view (NBAR).';
comment on column index_acquisition.run_id is 'Execution that computed it.';
comment on column index_acquisition.recorded_at is 'When the row was recorded, UTC.';

-- At least half of the woodland has to be clear: what shows through small gaps is not the woodland.
create view index_history as
with final as (
    select
        woodland_id,
        cast(year(acquired_at) as integer) as year,
        index_name,
        median(value) as value,
        cast(count(*) as integer) as n,
        cast(count(*) filter (is_nbar) as integer) as n_nbar
    from index_acquisition
    where
        value is not null
        and coverage >= 0.5
        and 100 * month(acquired_at) + day(acquired_at) between 515 and 930
    group by all
)
select * from final;
comment on view index_history is 'Growing season (15 May to 30 September) of each woodland, calendar year and index: an independent check, never an input of the model.';
comment on column index_history.woodland_id is 'Woodland.';
comment on column index_history.year is 'Calendar year.';
comment on column index_history.index_name is 'ndvi, nirv or nbr.';
comment on column index_history.value is 'Median over the acquisitions that saw at least half of the woodland clear, of the mean over the woodland; without unit.';
comment on column index_history.n is 'Acquisitions the median is taken over.';
comment on column index_history.n_nbar is 'Of these, how many were first brought to nadir view (NBAR).';

create view index_month as
with final as (
    select
        woodland_id,
        cast(year(acquired_at) as integer) as year,
        cast(month(acquired_at) as integer) as month,
        index_name,
        median(value) as value,
        cast(count(*) as integer) as n,
        cast(count(*) filter (is_nbar) as integer) as n_nbar
    from index_acquisition
    where value is not null and coverage >= 0.5
    group by all
)
select * from final;
comment on view index_month is 'Each woodland, calendar month and index: an independent check, never an input of the model.';
comment on column index_month.woodland_id is 'Woodland.';
comment on column index_month.year is 'Calendar year.';
comment on column index_month.month is 'Month, 1-12.';
comment on column index_month.index_name is 'ndvi, nirv or nbr.';
comment on column index_month.value is 'Median over the acquisitions that saw at least half of the woodland clear, of the mean over the woodland; without unit.';
comment on column index_month.n is 'Acquisitions the median is taken over.';
comment on column index_month.n_nbar is 'Of these, how many were first brought to nadir view (NBAR).';

create view block_park as
with final as (
    select distinct estimate.block_id, woodland.park
    from estimate
    join woodland on woodland.id = estimate.woodland_id
)
select * from final;
comment on view block_park is 'Parks that the estimated woodlands of each block lie in.';
comment on column block_park.block_id is 'Block of neighbouring woodlands processed together.';
comment on column block_park.park is 'Park; empty for woodland in no park.';

-- A season under its floor is not final: its years are left out of every series until the missing passes arrive.
-- Blocks without a standing (warehouses of older versions, published embeddings) count as complete.
create or replace view site_history as
with model as (
    select target, encoder, head, config_hash
    from current_model
    qualify number = max(number) over (partition by target)
),
-- The same season estimated again from other scenes (a late arrival, a withdrawal) is another row. The one made from
-- what the block-season uses now counts, also where scenes came back and an older row is it; else the newest recorded.
newest as (
    select estimate.*
    from estimate
    join model using (target, encoder, head, config_hash)
    left join season_standing using (season, block_id)
    qualify row_number() over (
        partition by estimate.woodland_id, estimate.season, estimate.target
        order by
            coalesce(estimate.inputs_hash = season_standing.inputs_hash, false) desc,
            estimate.recorded_at desc,
            estimate.inputs_hash desc
    ) = 1
),
observation as (
    select *
    from season_observation
    qualify number = max(number) over (partition by woodland_id, season, inputs_hash)
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
        newest.season[7:7] = '4' and coalesce(season_standing.is_complete, true) as is_final,
        case
            when newest.season[7:7] <> '4' then 'provisional: it overlaps the calendar year that counts'
            when not season_standing.is_complete
                then coalesce(nullif(season_standing.reason, ''), 'too many expected passes are missing')
            else ''
        end as why_not_final,
        newest.target,
        newest.mean,
        newest.sd,
        newest.coverage,
        newest.n_pixels,
        newest.n_s2,
        newest.n_s1_ascending,
        newest.n_s1_descending,
        observation.n_snow,
        observation.n_leaf_on,
        observation.n_leaf_off,
        observation.is_phenology_covered,
        newest.encoder,
        newest.head,
        newest.config_hash,
        newest.inputs_hash,
        newest.block_id,
        newest.run_id,
        newest.recorded_at
    from newest
    join woodland on woodland.id = newest.woodland_id
    left join observation using (woodland_id, season, inputs_hash)
    left join season_standing using (season, block_id)
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
comment on column site_history.is_final is 'True for Q4, the calendar year, of a block that is not recorded as incomplete; only final seasons enter a trend.';
comment on column site_history.why_not_final is 'Why the season is not final; empty where it is.';
comment on column site_history.target is 'What is predicted, such as richness.';
comment on column site_history.mean is 'Mean over the woodland''s 10 m cells; for richness, EcM taxa per standard soil sample.';
comment on column site_history.sd is 'Standard deviation of mean, same unit.';
comment on column site_history.coverage is 'Share of the woodland''s area with an estimate, 0-1.';
comment on column site_history.n_pixels is 'Number of 10 m cells with an estimate.';
comment on column site_history.n_s2 is 'Clear Sentinel-2 observations per pixel in the season, mean; null where the publisher of embeddings does not say.';
comment on column site_history.n_s1_ascending is 'Sentinel-1 ascending observations per pixel in the season, mean; null as n_s2.';
comment on column site_history.n_s1_descending is 'Sentinel-1 descending observations per pixel in the season, mean; null as n_s2.';
comment on column site_history.n_snow is 'Sentinel-2 observations of snow per pixel in the season, mean; null where not counted.';
comment on column site_history.n_leaf_on is 'Clear Sentinel-2 dates with leaves on the trees per pixel in the season, mean; null where not counted.';
comment on column site_history.n_leaf_off is 'Clear Sentinel-2 dates without leaves on the trees per pixel in the season, mean; null where not counted.';
comment on column site_history.is_phenology_covered is 'True where there are enough clear dates with and without leaves; null where not judged.';
comment on column site_history.encoder is 'Id of the encoder card.';
comment on column site_history.head is 'Id of the head card.';
comment on column site_history.config_hash is 'Digest of the choices the estimate depends on.';
comment on column site_history.inputs_hash is 'Digest of the scenes and pixels, or of the published embeddings, that the estimate was made from.';
comment on column site_history.block_id is 'Block it was processed in, as in season_scene; empty where not stated.';
comment on column site_history.run_id is 'Execution that made the estimate.';
comment on column site_history.recorded_at is 'When the estimate was recorded, UTC.';

create or replace view park_summary as
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
        bool_and(is_final) as is_final,
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
    group by park, is_ancient, season, target, encoder, head, config_hash
)
select * from final;
comment on view park_summary is 'Ancient and other woodland of each park, by season and target, by the current model.';
comment on column park_summary.park is 'Park; empty for woodland in no park.';
comment on column park_summary.is_ancient is 'True for ancient woodland, false for other.';
comment on column park_summary.season is 'Season, YYYY-Qn.';
comment on column park_summary.is_final is 'True where the season is final for every woodland counted.';
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
