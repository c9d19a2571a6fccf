-- Errors in parts, and how much of an estimate lies where the head knows its way about. Heads of earlier versions say
-- neither: unknown is null. The gate looks at the bounds; a column added later cannot carry a check.
alter table estimate add column sd_place double;
alter table estimate add column sd_year double;
alter table estimate add column applicable_share double;

comment on column estimate.sd is 'Standard deviation of mean (the mean itself, not one sample of it), errors of neighbouring cells correlated as the head''s held-out residuals are; same unit. Heads without applicable_share took the errors of all cells as fully shared.';
comment on column estimate.sd_place is 'Part of sd that stays with the place from year to year and so cancels in a slope, same unit; null for heads of earlier versions.';
comment on column estimate.sd_year is 'Part of sd that varies from year to year, which a trend has to exceed, same unit; null for heads of earlier versions.';
comment on column estimate.applicable_share is 'Share of the estimated area inside the head''s area of applicability, 0-1; null for heads of earlier versions.';

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
        newest.block_id,
        newest.run_id,
        newest.recorded_at
    from newest
    join woodland on woodland.id = newest.woodland_id
    left join observation using (woodland_id, season, inputs_hash)
    left join season_standing using (season, block_id)
    left join applicability_floor on applicability_floor.run_id = newest.run_id
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

create or replace view park_summary as
with stratum as (
    select park, is_ancient, count(*) as n_known, sum(area_ha) as known_area_ha
    from woodland
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
comment on column park_summary.sd_place is 'Area-weighted mean of the woodlands'' sd_place, of those that have one, same unit.';
comment on column park_summary.sd_year is 'Area-weighted mean of the woodlands'' sd_year, of those that have one, same unit.';
comment on column park_summary.coverage is 'Area-weighted mean of the woodlands'' coverage, 0-1.';
comment on column park_summary.applicable_share is 'Area-weighted mean of the woodlands'' share inside the area of applicability, of those that have one, 0-1.';
comment on column park_summary.n_not_applicable is 'Woodlands counted whose estimate is not applicable, as in site_history.';
comment on column park_summary.encoder is 'Id of the encoder card.';
comment on column park_summary.head is 'Id of the head card.';
comment on column park_summary.config_hash is 'Digest of the choices the estimates depend on.';
