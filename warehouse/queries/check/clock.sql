-- The clock jumped, or somebody's is wrong: what was recorded then supersedes what is recorded until that day comes.
with dated as (
    select 'estimate' as what, max(recorded_at) as newest from estimate
    union all
    select 'season_observation', max(recorded_at) from season_observation
    union all
    select 'current_model', max(recorded_at) from current_model
    union all
    select 'trend', max(recorded_at) from trend
    union all
    select 'alert_event', max(recorded_at) from alert_event
    union all
    select 'run', max(started_at) from run
),
final as (
    select what || ' recorded in the future' as what, 1 as n, cast(newest as text) as example
    from dated
    where newest > cast($now as timestamp) + interval 1 hour
)
select * from final order by what;
