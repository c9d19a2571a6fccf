-- What a snapshot holds, in one row: the newest thing recorded, its seasons, its models, its scenes and its outline.
with moment as (
    select max(recorded_at) as recorded_at from estimate
    union all
    select max(recorded_at) from current_model
    union all
    select max(recorded_at) from woodland_version
    union all
    select max(recorded_at) from trend
    union all
    select max(recorded_at) from alert_event
    union all
    select max(recorded_at) from season_completeness
    union all
    select max(recorded_at) from block_season
    union all
    select max(recorded_at) from index_observation
    union all
    select max(recorded_at) from report
    union all
    select max(greatest(started_at, finished_at)) from run
    union all
    select max(applied_at) from schema_migration
),
final as (
    select
        (select max(recorded_at) from moment) as recorded_until,
        (select max(number) from schema_migration) as schema_number,
        (select min(season) from current_estimate) as first_season,
        (select max(season) from current_estimate) as last_season,
        (select list(distinct target order by target) from current_estimate) as targets,
        (select list(distinct encoder order by encoder) from current_estimate) as encoders,
        (select list(distinct head order by head) from current_estimate) as heads,
        (select list(distinct config_hash order by config_hash) from current_estimate) as config_hashes,
        (
            select list(distinct run.code_version order by run.code_version)
            from run
            where run.run_id in (select run_id from current_estimate)
        ) as code_versions,
        (select list(distinct source order by source) from release where source <> '') as releases,
        (select count(distinct (source, scene_id)) from season_scene) as n_scenes,
        (select min(longitude) from current_woodland) as west,
        (select min(latitude) from current_woodland) as south,
        (select max(longitude) from current_woodland) as east,
        (select max(latitude) from current_woodland) as north
)
select * from final;
