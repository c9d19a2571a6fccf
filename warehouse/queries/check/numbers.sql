-- Findings of one thing are numbered from 1: a number that is lacking is a row that is gone.
with numbered as (
    select 'season_observation' as what, concat_ws(' ', woodland_id, season) as example, max(number) as last, count(distinct number) as n
    from season_observation
    group by woodland_id, season, inputs_hash
    union all
    select 'index_observation', concat_ws(' ', woodland_id, scene_id, index_name), max(number), count(distinct number)
    from index_observation
    where (source, scene_id) in (select source, scene_id from index_observation where number > 1)
    group by woodland_id, source, scene_id, index_name
    union all
    select 'season_completeness', concat_ws(' ', season, block_id), max(number), count(distinct number)
    from season_completeness
    group by season, block_id
    union all
    select 'block_season', concat_ws(' ', season, block_id), max(number), count(distinct number)
    from block_season
    group by season, block_id
    union all
    select 'asset_failure', concat_ws(' ', season, scene_id, band), max(number), count(distinct number)
    from asset_failure
    group by season, block_id, scene_id, band
    union all
    select 'current_model', target, max(number), count(distinct number) from current_model group by target
    union all
    select 'card_wording', id, max(number) - 1, count(distinct number) from card_wording group by id
    union all
    select 'look', target, max(number), count(distinct number) from look group by target
    union all
    select 'alert_event', alert_id, max(number), count(distinct number) from alert_event group by alert_id
    union all
    select 'woodland_version', woodland_id, max(version), count(distinct version) from woodland_version group by woodland_id
),
final as (
    select what || ': a number is lacking' as what, cast(sum(last - n) as bigint) as n, min(example) as example
    from numbered
    where last <> n
    group by what
)
select * from final order by what;
