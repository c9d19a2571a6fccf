-- Histories at scale. What was ever found is a log without indexes: keys of seven texts took five times the room of the
-- rows, and the load looks for itself, as the only writer. What it comes to now is kept beside it in serving tables, made
-- anew in the same transaction for whatever a load touched, in the order of woodlands: one history is one row group.
-- Their definitions are the macros below; `underwood warehouse check` holds one against the other.
drop view park_summary;
drop view site_history;
drop view block_park;

create temp table kept_estimate as select * from estimate;
create temp table kept_observation as select * from season_observation;
drop table estimate;
drop table season_observation;

create table estimate (
    woodland_id text not null check (woodland_id <> ''),
    season text not null check (regexp_full_match(season, '\d{4}-Q[1-4]')),
    target text not null check (target <> ''),
    encoder text not null check (encoder <> ''),
    head text not null check (head <> ''),
    config_hash text not null check (config_hash <> ''),
    inputs_hash text not null check (inputs_hash <> ''),
    boundary text not null check (boundary <> ''),
    mean double not null check (isfinite(mean)),
    sd double not null check (isfinite(sd) and sd >= 0),
    sd_place double check (isfinite(sd_place) and sd_place >= 0),
    sd_year double check (isfinite(sd_year) and sd_year >= 0),
    -- Exact fractions of an area add up to 1 but for rounding.
    coverage double not null check (coverage > 0 and coverage <= 1.000001),
    applicable_share double check (applicable_share between 0 and 1.000001),
    n_pixels integer not null check (n_pixels > 0),
    n_s2 double check (isfinite(n_s2) and n_s2 >= 0),
    n_s1_ascending double check (isfinite(n_s1_ascending) and n_s1_ascending >= 0),
    n_s1_descending double check (isfinite(n_s1_descending) and n_s1_descending >= 0),
    block_id text not null,
    run_id text not null check (run_id <> ''),
    recorded_at timestamp not null
);
comment on table estimate is 'Every estimate ever recorded, one row per woodland, season, target, encoder, head, config_hash and inputs_hash; site_history shows the current ones.';
comment on column estimate.woodland_id is 'Woodland.';
comment on column estimate.season is 'Season, YYYY-Qn: the 12 months that end with that quarter.';
comment on column estimate.target is 'What is predicted, such as richness.';
comment on column estimate.encoder is 'Id of the encoder card.';
comment on column estimate.head is 'Id of the head card.';
comment on column estimate.config_hash is 'Digest of the choices the estimate depends on.';
comment on column estimate.inputs_hash is 'Digest of the scenes and pixels the estimate was made from.';
comment on column estimate.boundary is 'Version of the woodland''s polygon it was made for, as in woodland_version.';
comment on column estimate.mean is 'Mean over the woodland''s 10 m cells; for richness, EcM taxa per standard soil sample.';
comment on column estimate.sd is 'Standard deviation of mean (the mean itself, not one sample of it), errors of neighbouring cells correlated as the head''s held-out residuals are; same unit. Heads without applicable_share took the errors of all cells as fully shared.';
comment on column estimate.sd_place is 'Part of sd that stays with the place from year to year and so cancels in a slope, same unit; null for heads of earlier versions.';
comment on column estimate.sd_year is 'Part of sd that varies from year to year, which a trend has to exceed, same unit; null for heads of earlier versions.';
comment on column estimate.coverage is 'Share of the woodland''s area with an estimate, 0-1.';
comment on column estimate.applicable_share is 'Share of the estimated area inside the head''s area of applicability, 0-1; null for heads of earlier versions.';
comment on column estimate.n_pixels is 'Number of 10 m cells with an estimate.';
comment on column estimate.n_s2 is 'Clear Sentinel-2 observations per pixel in the season, mean; null where the publisher of embeddings does not say.';
comment on column estimate.n_s1_ascending is 'Sentinel-1 ascending observations per pixel in the season, mean; null as n_s2.';
comment on column estimate.n_s1_descending is 'Sentinel-1 descending observations per pixel in the season, mean; null as n_s2.';
comment on column estimate.block_id is 'Block it was processed in, as in season_scene; empty where not stated.';
comment on column estimate.run_id is 'Execution that made the estimate.';
comment on column estimate.recorded_at is 'When the row was recorded, UTC.';

create table season_observation (
    woodland_id text not null check (woodland_id <> ''),
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
    run_id text not null check (run_id <> ''),
    recorded_at timestamp not null
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

-- Releases of the inventory: a woodland has one identity (table woodland, the polygon as first recorded, that others point
-- at) and versions of its polygon and standing, the newest of which is present.
create table release (
    id text primary key check (id <> ''),
    source text not null,
    sha256 text not null,
    valid_from date,
    n_woodlands integer not null check (n_woodlands >= 0),
    n_refused integer not null check (n_refused >= 0),
    recorded_at timestamp not null
);
comment on table release is 'Releases of the woodland inventory, in the order they were loaded.';
comment on column release.id is 'Name of the release, such as 2027.';
comment on column release.source is 'Name of the boundary file; empty where it was not stated.';
comment on column release.sha256 is 'SHA-256 of the boundary file, hexadecimal; empty where it was not stated.';
comment on column release.valid_from is 'First day it holds for; null for since before the record.';
comment on column release.n_woodlands is 'Woodlands in it.';
comment on column release.n_refused is 'Features of the file that no woodland was made of.';
comment on column release.recorded_at is 'When the row was recorded, UTC.';

create table woodland_version (
    woodland_id text not null references woodland (id),
    version integer not null check (version > 0),
    release text not null references release (id),
    source_id text not null,
    name text not null,
    park text not null,
    status text not null check (status in ('ASNW', 'PAWS', 'AWP', 'other')),
    is_ancient boolean not null,
    area_ha double not null check (isfinite(area_ha) and area_ha > 0),
    geometry geometry('OGC:CRS84'),
    longitude double not null check (longitude between -180 and 180),
    latitude double not null check (latitude between -90 and 90),
    repaired text not null,
    boundary text not null check (boundary <> ''),
    valid_from date,
    recorded_at timestamp not null,
    primary key (woodland_id, version)
);
comment on table woodland_version is 'Versions of the polygon and standing of each woodland; woodland_history shows them with their polygons.';
comment on column woodland_version.woodland_id is 'Woodland.';
comment on column woodland_version.version is 'Position among the versions of the woodland, from 1.';
comment on column woodland_version.release is 'Release it came with.';
comment on column woodland_version.source_id is 'Id in the release''s file; empty where it has none.';
comment on column woodland_version.name is 'Name; empty where the source gives none.';
comment on column woodland_version.park is 'Park it lies in; empty where it lies in none.';
comment on column woodland_version.status is 'ASNW, PAWS, AWP (Ancient Woodland Inventory) or other.';
comment on column woodland_version.is_ancient is 'True for ASNW, PAWS and AWP.';
comment on column woodland_version.area_ha is 'Area as the source measures it, hectares.';
comment on column woodland_version.geometry is 'Polygon, longitude and latitude in degrees, WGS 84; null where it is the one first recorded, in woodland.';
comment on column woodland_version.longitude is 'Longitude of a point inside the woodland, degrees east, WGS 84.';
comment on column woodland_version.latitude is 'Latitude of a point inside the woodland, degrees north, WGS 84.';
comment on column woodland_version.repaired is 'What was mended in the geometry; empty where nothing was.';
comment on column woodland_version.boundary is 'Names the polygon: the first 12 hexadecimal digits of the SHA-256 of its WKB.';
comment on column woodland_version.valid_from is 'First day it holds for; null for since before the record.';
comment on column woodland_version.recorded_at is 'When the row was recorded, UTC.';

create table woodland_lineage (
    release text not null references release (id),
    old_id text not null,
    new_id text not null,
    kind text not null check (kind in ('kept', 'moved', 'split', 'merged', 'new', 'gone')),
    shared_ha double not null check (isfinite(shared_ha) and shared_ha >= 0),
    share_of_old double check (share_of_old between 0 and 1.000001),
    share_of_new double check (share_of_new between 0 and 1.000001),
    recorded_at timestamp not null,
    primary key (release, old_id, new_id),
    check (old_id <> '' or new_id <> '')
);
comment on table woodland_lineage is 'What each release made of the woodlands before it; an id that was split, merged or gone is not given again.';
comment on column woodland_lineage.release is 'Release that made the change.';
comment on column woodland_lineage.old_id is 'Woodland before; empty for a new one, but for a part that broke off one that goes on.';
comment on column woodland_lineage.new_id is 'Woodland after; empty for one that is gone.';
comment on column woodland_lineage.kind is 'kept (same polygon), moved (same woodland, other edge), split, merged, new or gone.';
comment on column woodland_lineage.shared_ha is 'Area that old and new share, hectares; 0 where there is only one.';
comment on column woodland_lineage.share_of_old is 'Share of the old area that they share, 0-1; null for a new one.';
comment on column woodland_lineage.share_of_new is 'Share of the new area that they share, 0-1; null for one that is gone.';
comment on column woodland_lineage.recorded_at is 'When the row was recorded, UTC.';

insert into release
select '1', '', '', null, count(*), 0, min(recorded_at) from woodland having count(*) > 0;
insert into woodland_version by name
select
    id as woodland_id, 1 as version, '1' as release, id as source_id, name, park, status, is_ancient, area_ha,
    null as geometry, longitude, latitude, repaired, sha256(st_aswkb(geometry))[1:12] as boundary,
    null as valid_from, recorded_at
from woodland;

insert into estimate by name
select kept_estimate.*, woodland_version.boundary
from kept_estimate
join woodland_version using (woodland_id)
order by kept_estimate.season, kept_estimate.woodland_id, kept_estimate.target;
insert into season_observation by name
select * from kept_observation order by season, woodland_id;
drop table kept_estimate;
drop table kept_observation;

alter table scene add column checksums text;
comment on column scene.checksums is 'Multihash (hexadecimal) of each asset whose whole-file checksum the catalogue states, JSON object by band; null where recorded by an older version.';
alter table report add column generated_at timestamp;
comment on column report.generated_at is 'The moment the report speaks of, UTC; null where recorded by an older version.';

create table report_alert (
    sha256 text not null check (sha256 <> ''),
    alert_id text not null check (alert_id <> ''),
    level text not null,
    state text not null,
    recorded_at timestamp not null,
    primary key (sha256, alert_id)
);
comment on table report_alert is 'Alerts that each report told of, as they stood.';
comment on column report_alert.sha256 is 'SHA-256 of the PDF, as in report.';
comment on column report_alert.alert_id is 'Id of the alert.';
comment on column report_alert.level is 'Level it had: CONFIRMED, WATCH or PROVISIONAL.';
comment on column report_alert.state is 'State it was in: open, acknowledged, assigned, dismissed, expired or retracted.';
comment on column report_alert.recorded_at is 'When the row was recorded, UTC.';

create table promotion (
    target text not null check (target <> ''),
    promoted_at timestamp not null,
    encoder_from text not null,
    head_from text not null,
    encoder text not null check (encoder <> ''),
    head text not null check (head <> ''),
    figures text not null,
    woodlands text not null,
    recorded_at timestamp not null,
    primary key (target, promoted_at, encoder, head)
);
comment on table promotion is 'Models let speak for a target, with the difference that was seen beforehand.';
comment on column promotion.target is 'What is predicted, such as richness.';
comment on column promotion.promoted_at is 'When it was promoted, UTC; its estimates are shown once they are loaded (current_model).';
comment on column promotion.encoder_from is 'Id of the encoder that spoke before; empty for none.';
comment on column promotion.head_from is 'Id of the head that spoke before; empty for none.';
comment on column promotion.encoder is 'Id of the encoder.';
comment on column promotion.head is 'Id of the head.';
comment on column promotion.figures is 'The difference over all woodlands: how many, by how much, alerts kept, lost and gained; JSON.';
comment on column promotion.woodlands is 'The difference for each woodland, JSON list.';
comment on column promotion.recorded_at is 'When the row was recorded, UTC.';

-- Woodlands as they were known at a moment. A polygon that changed speaks once it has as many final seasons as the one
-- before: a history of two polygons is never shown, and none is cut short by a release.
create macro woodland_as_of(moment) as table
with model as (
    select target, encoder, head, config_hash
    from current_model
    where recorded_at <= moment
    qualify number = max(number) over (partition by target)
),
version as (
    select * from woodland_version where recorded_at <= moment
),
present as (
    select * from version qualify version = max(version) over (partition by woodland_id)
),
closed as (
    select distinct old_id
    from woodland_lineage
    where kind in ('split', 'merged', 'gone') and recorded_at <= moment
),
redrawn as (
    select woodland_id, boundary, max(version) as version
    from version
    group by woodland_id, boundary
    qualify count(*) over (partition by woodland_id) > 1
),
told as (
    select estimate.woodland_id, estimate.boundary, count(distinct (estimate.season, estimate.target)) as n
    from estimate
    join model using (target, encoder, head, config_hash)
    where
        estimate.woodland_id in (select woodland_id from redrawn)
        and estimate.season[7:7] = '4'
        and estimate.recorded_at <= moment
    group by estimate.woodland_id, estimate.boundary
),
speaking as (
    select redrawn.woodland_id, redrawn.boundary
    from redrawn
    left join told using (woodland_id, boundary)
    qualify row_number() over (
        partition by redrawn.woodland_id order by coalesce(told.n, 0) desc, redrawn.version desc
    ) = 1
),
final as (
    select
        present.woodland_id as id,
        present.name,
        present.park,
        present.status,
        present.is_ancient,
        present.area_ha,
        present.longitude,
        present.latitude,
        present.repaired,
        present.version,
        present.release,
        present.valid_from,
        present.boundary,
        coalesce(speaking.boundary, present.boundary) as speaking_boundary,
        closed.old_id is null as is_present,
        present.recorded_at
    from present
    left join speaking using (woodland_id)
    left join closed on closed.old_id = present.woodland_id
)
select * from final;

-- Estimates as they were known at a moment: by the model that spoke then, for the polygon that spoke then. The same season
-- estimated again from other scenes (a late arrival, a withdrawal) is another row of the log. The one made from what the
-- block-season uses now counts, also where scenes came back and an older row is it; else the newest recorded. A season
-- under its floor is not final. Blocks without a standing (older versions, published embeddings) count as complete.
create macro estimate_as_of(moment) as table
with model as (
    select target, encoder, head, config_hash
    from current_model
    where recorded_at <= moment
    qualify number = max(number) over (partition by target)
),
standing as (
    select *
    from block_season
    where recorded_at <= moment
    qualify number = max(number) over (partition by season, block_id)
),
newest as (
    select
        estimate.*,
        standing.is_complete,
        standing.reason
    from estimate
    join model using (target, encoder, head, config_hash)
    join woodland_as_of(moment) as known
        on known.id = estimate.woodland_id and known.speaking_boundary = estimate.boundary
    left join standing on standing.season = estimate.season and standing.block_id = estimate.block_id
    where estimate.recorded_at <= moment
    qualify row_number() over (
        partition by estimate.woodland_id, estimate.season, estimate.target
        order by
            coalesce(estimate.inputs_hash = standing.inputs_hash, false) desc,
            estimate.recorded_at desc,
            estimate.inputs_hash desc
    ) = 1
),
-- The floor is a choice of the run that made the estimate. Without a share or a floor nothing is held against a year.
applicability_floor as (
    select
        run_id,
        cast(json_extract_string(science, '$.estimation.min_applicable_share') as double) as min_applicable_share
    from run
),
observation as (
    select *
    from season_observation
    where recorded_at <= moment
    qualify number = max(number) over (partition by woodland_id, season, inputs_hash)
),
final as (
    select
        newest.woodland_id,
        newest.season,
        newest.target,
        newest.season[7:7] = '4' and coalesce(newest.is_complete, true) as is_final,
        case
            when newest.season[7:7] <> '4' then 'provisional: it overlaps the calendar year that counts'
            when not newest.is_complete
                then coalesce(nullif(newest.reason, ''), 'too many expected passes are missing')
            else ''
        end as why_not_final,
        newest.mean,
        newest.sd,
        newest.sd_place,
        newest.sd_year,
        newest.coverage,
        newest.applicable_share,
        coalesce(newest.applicable_share >= applicability_floor.min_applicable_share, true) as is_applicable,
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
        newest.boundary,
        newest.block_id,
        newest.run_id,
        newest.recorded_at
    from newest
    left join observation
        on observation.woodland_id = newest.woodland_id
        and observation.season = newest.season
        and observation.inputs_hash = newest.inputs_hash
    left join applicability_floor on applicability_floor.run_id = newest.run_id
)
select * from final;

create table current_woodland as select * from woodland_as_of(timestamp 'infinity') order by id;

comment on table current_woodland is 'Woodlands in their present version, one row each; kept from woodland_as_of.';
comment on column current_woodland.id is 'Stable id.';
comment on column current_woodland.name is 'Name; empty where the source gives none.';
comment on column current_woodland.park is 'Park it lies in; empty where it lies in none.';
comment on column current_woodland.status is 'ASNW, PAWS, AWP (Ancient Woodland Inventory) or other.';
comment on column current_woodland.is_ancient is 'True for ASNW, PAWS and AWP.';
comment on column current_woodland.area_ha is 'Area as the source measures it, hectares.';
comment on column current_woodland.longitude is 'Longitude of a point inside the woodland, degrees east, WGS 84.';
comment on column current_woodland.latitude is 'Latitude of a point inside the woodland, degrees north, WGS 84.';
comment on column current_woodland.repaired is 'What was mended in the geometry; empty where nothing was.';
comment on column current_woodland.version is 'Position among the versions of the woodland, from 1.';
comment on column current_woodland.release is 'Release the version came with.';
comment on column current_woodland.valid_from is 'First day the version holds for; null for since before the record.';
comment on column current_woodland.boundary is 'Names its polygon, as in woodland_version.';
comment on column current_woodland.speaking_boundary is 'Names the polygon that its history is of: an earlier one until as many final seasons are estimated for the present one.';
comment on column current_woodland.is_present is 'False for a woodland that a release split, merged or left out: it keeps its history, and is in no trend and no summary.';
comment on column current_woodland.recorded_at is 'When the row was recorded, UTC.';

-- The history of each woodland as it was known at a moment: what a report of that day saw.
create macro site_history_as_of(moment) as table
with final as (
    select
        known_estimate.woodland_id,
        known_woodland.name as woodland,
        known_woodland.park,
        known_woodland.status,
        known_woodland.is_ancient,
        known_woodland.area_ha,
        known_estimate.season,
        cast(
            make_date(cast(known_estimate.season[1:4] as integer), 3 * cast(known_estimate.season[7:7] as integer), 1)
            + interval 1 month as date
        ) as season_end,
        known_estimate.is_final,
        known_estimate.why_not_final,
        known_estimate.target,
        known_estimate.mean,
        known_estimate.sd,
        known_estimate.sd_place,
        known_estimate.sd_year,
        known_estimate.coverage,
        known_estimate.applicable_share,
        known_estimate.is_applicable,
        known_estimate.n_pixels,
        known_estimate.n_s2,
        known_estimate.n_s1_ascending,
        known_estimate.n_s1_descending,
        known_estimate.n_snow,
        known_estimate.n_leaf_on,
        known_estimate.n_leaf_off,
        known_estimate.is_phenology_covered,
        known_estimate.encoder,
        known_estimate.head,
        known_estimate.config_hash,
        known_estimate.inputs_hash,
        known_estimate.block_id,
        known_estimate.run_id,
        known_estimate.recorded_at,
        known_estimate.boundary,
        known_woodland.is_present
    from estimate_as_of(moment) as known_estimate
    join woodland_as_of(moment) as known_woodland on known_woodland.id = known_estimate.woodland_id
)
select * from final;

create table current_estimate as
select * from site_history_as_of(timestamp 'infinity') order by woodland_id, target, season;
comment on table current_estimate is 'What the log of estimates comes to now, one row per woodland, season and target; kept from site_history_as_of, shown by site_history.';
comment on column current_estimate.woodland_id is 'Woodland.';
comment on column current_estimate.woodland is 'Name of the woodland.';
comment on column current_estimate.park is 'Park it lies in; empty where it lies in none.';
comment on column current_estimate.status is 'ASNW, PAWS, AWP (Ancient Woodland Inventory) or other.';
comment on column current_estimate.is_ancient is 'True for ASNW, PAWS and AWP.';
comment on column current_estimate.area_ha is 'Area as the source measures it, hectares.';
comment on column current_estimate.season is 'Season, YYYY-Qn: the 12 months that end with that quarter.';
comment on column current_estimate.season_end is 'First day after the season, UTC.';
comment on column current_estimate.is_final is 'True for Q4, the calendar year, of a block that is not recorded as incomplete; only final seasons that are applicable enter a trend.';
comment on column current_estimate.why_not_final is 'Why the season is not final; empty where it is.';
comment on column current_estimate.target is 'What is predicted, such as richness.';
comment on column current_estimate.mean is 'Mean over the woodland''s 10 m cells; for richness, EcM taxa per standard soil sample.';
comment on column current_estimate.sd is 'Standard deviation of mean (the mean itself, not one sample of it), errors of neighbouring cells correlated as the head''s held-out residuals are; same unit. Heads without applicable_share took the errors of all cells as fully shared.';
comment on column current_estimate.sd_place is 'Part of sd that stays with the place from year to year and so cancels in a slope, same unit; null for heads of earlier versions.';
comment on column current_estimate.sd_year is 'Part of sd that varies from year to year, which a trend has to exceed, same unit; null for heads of earlier versions.';
comment on column current_estimate.coverage is 'Share of the woodland''s area with an estimate, 0-1.';
comment on column current_estimate.applicable_share is 'Share of the estimated area inside the head''s area of applicability, 0-1; null for heads of earlier versions.';
comment on column current_estimate.is_applicable is 'False where that share is below the floor of the run (estimation.min_applicable_share): the year enters no trend and raises no alert. True where no share is known.';
comment on column current_estimate.n_pixels is 'Number of 10 m cells with an estimate.';
comment on column current_estimate.n_s2 is 'Clear Sentinel-2 observations per pixel in the season, mean; null where the publisher of embeddings does not say.';
comment on column current_estimate.n_s1_ascending is 'Sentinel-1 ascending observations per pixel in the season, mean; null as n_s2.';
comment on column current_estimate.n_s1_descending is 'Sentinel-1 descending observations per pixel in the season, mean; null as n_s2.';
comment on column current_estimate.n_snow is 'Sentinel-2 observations of snow per pixel in the season, mean; null where not counted.';
comment on column current_estimate.n_leaf_on is 'Clear Sentinel-2 dates with leaves on the trees per pixel in the season, mean; null where not counted.';
comment on column current_estimate.n_leaf_off is 'Clear Sentinel-2 dates without leaves on the trees per pixel in the season, mean; null where not counted.';
comment on column current_estimate.is_phenology_covered is 'True where there are enough clear dates with and without leaves; null where not judged.';
comment on column current_estimate.encoder is 'Id of the encoder card.';
comment on column current_estimate.head is 'Id of the head card.';
comment on column current_estimate.config_hash is 'Digest of the choices the estimate depends on.';
comment on column current_estimate.inputs_hash is 'Digest of the scenes and pixels, or of the published embeddings, that the estimate was made from.';
comment on column current_estimate.block_id is 'Block it was processed in, as in season_scene; empty where not stated.';
comment on column current_estimate.run_id is 'Execution that made the estimate.';
comment on column current_estimate.recorded_at is 'When the estimate was recorded, UTC.';
comment on column current_estimate.boundary is 'Version of the woodland''s polygon it was made for, as in woodland_version.';
comment on column current_estimate.is_present is 'False for a woodland that a release split, merged or left out; its history stays.';

-- One plain table: planning a history of a view of several takes longer than reading it.
create view site_history as
select * from current_estimate;
comment on view site_history is 'The history of each woodland: one row per woodland, season and target, by the current model.';
comment on column site_history.woodland_id is 'Woodland.';
comment on column site_history.woodland is 'Name of the woodland.';
comment on column site_history.park is 'Park it lies in; empty where it lies in none.';
comment on column site_history.status is 'ASNW, PAWS, AWP (Ancient Woodland Inventory) or other.';
comment on column site_history.is_ancient is 'True for ASNW, PAWS and AWP.';
comment on column site_history.area_ha is 'Area as the source measures it, hectares.';
comment on column site_history.season is 'Season, YYYY-Qn: the 12 months that end with that quarter.';
comment on column site_history.season_end is 'First day after the season, UTC.';
comment on column site_history.is_final is 'True for Q4, the calendar year, of a block that is not recorded as incomplete; only final seasons that are applicable enter a trend.';
comment on column site_history.why_not_final is 'Why the season is not final; empty where it is.';
comment on column site_history.target is 'What is predicted, such as richness.';
comment on column site_history.mean is 'Mean over the woodland''s 10 m cells; for richness, EcM taxa per standard soil sample.';
comment on column site_history.sd is 'Standard deviation of mean (the mean itself, not one sample of it), errors of neighbouring cells correlated as the head''s held-out residuals are; same unit. Heads without applicable_share took the errors of all cells as fully shared.';
comment on column site_history.sd_place is 'Part of sd that stays with the place from year to year and so cancels in a slope, same unit; null for heads of earlier versions.';
comment on column site_history.sd_year is 'Part of sd that varies from year to year, which a trend has to exceed, same unit; null for heads of earlier versions.';
comment on column site_history.coverage is 'Share of the woodland''s area with an estimate, 0-1.';
comment on column site_history.applicable_share is 'Share of the estimated area inside the head''s area of applicability, 0-1; null for heads of earlier versions.';
comment on column site_history.is_applicable is 'False where that share is below the floor of the run (estimation.min_applicable_share): the year enters no trend and raises no alert. True where no share is known.';
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
comment on column site_history.boundary is 'Version of the woodland''s polygon it was made for, as in woodland_version.';
comment on column site_history.is_present is 'False for a woodland that a release split, merged or left out; its history stays.';

create view season_summary as
with stratum as (
    select park, is_ancient, count(*) as n_known, sum(area_ha) as known_area_ha
    from current_woodland
    where is_present
    group by park, is_ancient
),
-- sd is averaged, not combined by squares: errors of different woodlands under one model are taken as fully correlated.
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
    from site_history
    join stratum using (park, is_ancient)
    where is_present
    group by park, is_ancient, season, target, encoder, head, config_hash
)
select * from final;
comment on view season_summary is 'Definition of current_summary: ancient and other woodland of each park, by season and target.';
comment on column season_summary.park is 'Park; empty for woodland in no park.';
comment on column season_summary.is_ancient is 'True for ancient woodland, false for other.';
comment on column season_summary.season is 'Season, YYYY-Qn.';
comment on column season_summary.is_final is 'True where the season is final for every woodland counted.';
comment on column season_summary.target is 'What is predicted, such as richness.';
comment on column season_summary.n_woodlands is 'Number of woodlands with an estimate.';
comment on column season_summary.n_known is 'Number of woodlands known, with or without an estimate.';
comment on column season_summary.area_ha is 'Area of the woodlands with an estimate, hectares.';
comment on column season_summary.known_area_ha is 'Area of the woodlands known, hectares.';
comment on column season_summary.mean is 'Area-weighted mean of the woodlands'' means; for richness, EcM taxa per standard soil sample.';
comment on column season_summary.sd is 'Area-weighted mean of the woodlands'' sd (errors taken as fully correlated), same unit.';
comment on column season_summary.sd_place is 'Area-weighted mean of the woodlands'' sd_place, of those that have one, same unit.';
comment on column season_summary.sd_year is 'Area-weighted mean of the woodlands'' sd_year, of those that have one, same unit.';
comment on column season_summary.coverage is 'Area-weighted mean of the woodlands'' coverage, 0-1.';
comment on column season_summary.applicable_share is 'Area-weighted mean of the woodlands'' share inside the area of applicability, of those that have one, 0-1.';
comment on column season_summary.n_not_applicable is 'Woodlands counted whose estimate is not applicable, as in site_history.';
comment on column season_summary.encoder is 'Id of the encoder card.';
comment on column season_summary.head is 'Id of the head card.';
comment on column season_summary.config_hash is 'Digest of the choices the estimates depend on.';

create table current_summary as
select * from season_summary order by park, is_ancient desc, target, season;
comment on table current_summary is 'Ancient and other woodland of each park, by season and target; kept from season_summary, shown by park_summary.';
comment on column current_summary.park is 'Park; empty for woodland in no park.';
comment on column current_summary.is_ancient is 'True for ancient woodland, false for other.';
comment on column current_summary.season is 'Season, YYYY-Qn.';
comment on column current_summary.is_final is 'True where the season is final for every woodland counted.';
comment on column current_summary.target is 'What is predicted, such as richness.';
comment on column current_summary.n_woodlands is 'Number of woodlands with an estimate.';
comment on column current_summary.n_known is 'Number of woodlands known, with or without an estimate.';
comment on column current_summary.area_ha is 'Area of the woodlands with an estimate, hectares.';
comment on column current_summary.known_area_ha is 'Area of the woodlands known, hectares.';
comment on column current_summary.mean is 'Area-weighted mean of the woodlands'' means; for richness, EcM taxa per standard soil sample.';
comment on column current_summary.sd is 'Area-weighted mean of the woodlands'' sd (errors taken as fully correlated), same unit.';
comment on column current_summary.sd_place is 'Area-weighted mean of the woodlands'' sd_place, of those that have one, same unit.';
comment on column current_summary.sd_year is 'Area-weighted mean of the woodlands'' sd_year, of those that have one, same unit.';
comment on column current_summary.coverage is 'Area-weighted mean of the woodlands'' coverage, 0-1.';
comment on column current_summary.applicable_share is 'Area-weighted mean of the woodlands'' share inside the area of applicability, of those that have one, 0-1.';
comment on column current_summary.n_not_applicable is 'Woodlands counted whose estimate is not applicable, as in site_history.';
comment on column current_summary.encoder is 'Id of the encoder card.';
comment on column current_summary.head is 'Id of the head card.';
comment on column current_summary.config_hash is 'Digest of the choices the estimates depend on.';

create view park_summary as
with final as (
    select * from current_summary
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
comment on column park_summary.sd_place is 'Area-weighted mean of the woodlands'' sd_place, of those that have one, same unit.';
comment on column park_summary.sd_year is 'Area-weighted mean of the woodlands'' sd_year, of those that have one, same unit.';
comment on column park_summary.coverage is 'Area-weighted mean of the woodlands'' coverage, 0-1.';
comment on column park_summary.applicable_share is 'Area-weighted mean of the woodlands'' share inside the area of applicability, of those that have one, 0-1.';
comment on column park_summary.n_not_applicable is 'Woodlands counted whose estimate is not applicable, as in site_history.';
comment on column park_summary.encoder is 'Id of the encoder card.';
comment on column park_summary.head is 'Id of the head card.';
comment on column park_summary.config_hash is 'Digest of the choices the estimates depend on.';

create view block_park as
with final as (
    select distinct block_id, park from current_estimate
)
select * from final;
comment on view block_park is 'Parks that the estimated woodlands of each block lie in.';
comment on column block_park.block_id is 'Block of neighbouring woodlands processed together.';
comment on column block_park.park is 'Park; empty for woodland in no park.';

create view woodland_history as
with ending as (
    select woodland_lineage.old_id, min(release.valid_from) as valid_to, any_value(woodland_lineage.kind) as kind
    from woodland_lineage
    join release on release.id = woodland_lineage.release
    where woodland_lineage.kind in ('split', 'merged', 'gone')
    group by woodland_lineage.old_id
),
final as (
    select
        woodland_version.woodland_id,
        woodland_version.version,
        woodland_version.release,
        woodland_version.source_id,
        woodland_version.name,
        woodland_version.park,
        woodland_version.status,
        woodland_version.is_ancient,
        woodland_version.area_ha,
        coalesce(woodland_version.geometry, woodland.geometry) as geometry,
        woodland_version.longitude,
        woodland_version.latitude,
        woodland_version.repaired,
        woodland_version.boundary,
        woodland_version.valid_from,
        coalesce(
            lead(woodland_version.valid_from) over (
                partition by woodland_version.woodland_id order by woodland_version.version
            ),
            ending.valid_to
        ) as valid_to,
        woodland_version.version = max(woodland_version.version) over (partition by woodland_version.woodland_id)
        and ending.kind is null as is_present,
        coalesce(ending.kind, '') as ended_by,
        woodland_version.recorded_at
    from woodland_version
    join woodland on woodland.id = woodland_version.woodland_id
    left join ending on ending.old_id = woodland_version.woodland_id
)
select * from final;
comment on view woodland_history is 'Every version of every woodland, with the days it held for.';
comment on column woodland_history.woodland_id is 'Woodland.';
comment on column woodland_history.version is 'Position among the versions of the woodland, from 1.';
comment on column woodland_history.release is 'Release it came with.';
comment on column woodland_history.source_id is 'Id in the release''s file; empty where it has none.';
comment on column woodland_history.name is 'Name; empty where the source gives none.';
comment on column woodland_history.park is 'Park it lies in; empty where it lies in none.';
comment on column woodland_history.status is 'ASNW, PAWS, AWP (Ancient Woodland Inventory) or other.';
comment on column woodland_history.is_ancient is 'True for ASNW, PAWS and AWP.';
comment on column woodland_history.area_ha is 'Area as the source measures it, hectares.';
comment on column woodland_history.geometry is 'Polygon or multipolygon, longitude and latitude in degrees, WGS 84.';
comment on column woodland_history.longitude is 'Longitude of a point inside the woodland, degrees east, WGS 84.';
comment on column woodland_history.latitude is 'Latitude of a point inside the woodland, degrees north, WGS 84.';
comment on column woodland_history.repaired is 'What was mended in the geometry; empty where nothing was.';
comment on column woodland_history.boundary is 'Names the polygon: the first 12 hexadecimal digits of the SHA-256 of its WKB.';
comment on column woodland_history.valid_from is 'First day it holds for; null for since before the record.';
comment on column woodland_history.valid_to is 'First day it holds no more; null where it still holds, or the day was not stated.';
comment on column woodland_history.is_present is 'True for the version that holds now.';
comment on column woodland_history.ended_by is 'What a release did to the woodland: split, merged or gone; empty where it is there.';
comment on column woodland_history.recorded_at is 'When the version was recorded, UTC.';

-- Follows an id through every release that split or merged it. An id that still stands leads to itself.
create view woodland_successor as
with recursive step as (
    select release.recorded_at, lineage.old_id, lineage.new_id, lineage.share_of_old
    from woodland_lineage as lineage
    join release on release.id = lineage.release
    where lineage.kind in ('split', 'merged') and lineage.old_id <> '' and lineage.new_id <> ''
),
path as (
    select id, id as current_id, 1.0::double as share, 0 as n_steps
    from current_woodland
    union all
    select path.id, step.new_id, path.share * coalesce(step.share_of_old, 0), path.n_steps + 1
    from path
    join step on step.old_id = path.current_id
    where path.n_steps < 100
),
final as (
    select
        path.id,
        path.current_id,
        least(sum(path.share), 1.0) as share,
        max(path.n_steps) as n_steps
    from path
    join current_woodland on current_woodland.id = path.current_id and current_woodland.is_present
    group by path.id, path.current_id
)
select * from final;
comment on view woodland_successor is 'The present woodlands that every id ever given leads to; an id whose woodland is gone leads nowhere.';
comment on column woodland_successor.id is 'Id of a woodland, present or not.';
comment on column woodland_successor.current_id is 'Id of a present woodland on the same ground.';
comment on column woodland_successor.share is 'Share of the first woodland''s area that lies in the present one, 0-1; over several releases the product.';
comment on column woodland_successor.n_steps is 'Releases that changed the id on the way; 0 where it still stands.';

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
    join current_woodland as woodland on woodland.id = trend.woodland_id
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

create or replace view alert_state as
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
    join current_woodland as woodland on woodland.id = raised.woodland_id
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


comment on macro table woodland_as_of is 'woodland_as_of(moment): current_woodland as it was known at a moment, UTC.';
comment on macro table estimate_as_of is 'estimate_as_of(moment): the estimates that counted at a moment, UTC, without the woodlands'' names and standing.';
comment on macro table site_history_as_of is 'site_history_as_of(moment): site_history as it was known at a moment, UTC.';
