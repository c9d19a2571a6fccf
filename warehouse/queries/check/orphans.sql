-- What a row names and nothing is recorded under that name.
with named as (
    select 'estimate -> woodland' as what, woodland_id as name from estimate anti join woodland on woodland.id = estimate.woodland_id
    union all
    select 'estimate -> encoder', encoder from estimate anti join model_card on model_card.id = estimate.encoder
    union all
    select 'estimate -> head', head from estimate anti join model_card on model_card.id = estimate.head
    union all
    select 'estimate -> run', run_id from estimate anti join run using (run_id)
    union all
    select 'estimate -> boundary', woodland_id from estimate anti join woodland_version using (woodland_id, boundary)
    union all
    select 'season_observation -> woodland', woodland_id
    from season_observation
    anti join woodland on woodland.id = season_observation.woodland_id
    union all
    select 'season_observation -> run', run_id from season_observation anti join run using (run_id)
    union all
    select 'index_observation -> woodland', woodland_id
    from index_observation
    anti join woodland on woodland.id = index_observation.woodland_id
    union all
    select 'index_observation -> scene', scene_id
    from index_observation
    anti join scene on scene.source = index_observation.source and scene.id = index_observation.scene_id
    union all
    select 'index_observation -> run', run_id from index_observation anti join run using (run_id)
    union all
    select 'season_scene -> scene', scene_id
    from season_scene
    anti join scene on scene.source = season_scene.source and scene.id = season_scene.scene_id
    union all
    select 'season_completeness -> run', run_id from season_completeness anti join run using (run_id)
    union all
    select 'block_season -> run', run_id from block_season anti join run using (run_id)
    union all
    select 'asset_failure -> run', run_id from asset_failure anti join run using (run_id)
    union all
    select 'woodland -> park', park from woodland anti join park on park.name = woodland.park where woodland.park <> ''
    union all
    select 'woodland -> version', id from woodland anti join woodland_version on woodland_version.woodland_id = woodland.id
    union all
    select 'woodland_version -> woodland', woodland_id
    from woodland_version
    anti join woodland on woodland.id = woodland_version.woodland_id
    union all
    select 'woodland_version -> release', release from woodland_version anti join release on release.id = woodland_version.release
    union all
    select 'woodland_lineage -> release', release from woodland_lineage anti join release on release.id = woodland_lineage.release
    union all
    select 'woodland_lineage -> old woodland', old_id
    from woodland_lineage
    anti join woodland on woodland.id = woodland_lineage.old_id
    where woodland_lineage.old_id <> ''
    union all
    select 'woodland_lineage -> new woodland', new_id
    from woodland_lineage
    anti join woodland on woodland.id = woodland_lineage.new_id
    where woodland_lineage.new_id <> ''
    union all
    select 'card_wording -> model card', id from card_wording anti join model_card using (id)
    union all
    select 'current_model -> encoder', encoder from current_model anti join model_card on model_card.id = current_model.encoder
    union all
    select 'current_model -> head', head from current_model anti join model_card on model_card.id = current_model.head
    union all
    select 'current_model -> run', run_id from current_model anti join run using (run_id)
    union all
    select 'trend -> woodland', woodland_id from trend anti join woodland on woodland.id = trend.woodland_id
    union all
    select 'trend -> encoder', encoder from trend anti join model_card on model_card.id = trend.encoder
    union all
    select 'trend -> head', head from trend anti join model_card on model_card.id = trend.head
    union all
    select 'trend -> run', run_id from trend anti join run using (run_id)
    union all
    select 'contrast -> run', run_id from contrast anti join run using (run_id)
    union all
    select 'park_trend -> run', run_id from park_trend anti join run using (run_id)
    union all
    select 'gate_finding -> run', run_id from gate_finding anti join run using (run_id)
    union all
    select 'balance -> run', run_id from balance anti join run using (run_id)
    union all
    select 'corroboration -> woodland', woodland_id
    from corroboration
    anti join woodland on woodland.id = corroboration.woodland_id
    union all
    select 'corroboration -> run', run_id from corroboration anti join run using (run_id)
    union all
    select 'weather_year -> woodland', woodland_id
    from weather_year
    anti join woodland on woodland.id = weather_year.woodland_id
    union all
    select 'weather_year -> run', run_id from weather_year anti join run using (run_id)
    union all
    select 'look -> run', run_id from look anti join run using (run_id)
    union all
    select 'alert -> woodland', woodland_id from alert anti join woodland on woodland.id = alert.woodland_id
    union all
    select 'alert -> run', run_id from alert anti join run using (run_id)
    union all
    select 'alert -> trend', id
    from alert
    anti join trend using (woodland_id, season, target, encoder, head, config_hash, series_hash)
    where alert.level <> 'PROVISIONAL'
    union all
    select 'alert_event -> alert', alert_id from alert_event anti join alert on alert.id = alert_event.alert_id
    union all
    select 'alert_event -> run', run_id from alert_event anti join run using (run_id) where alert_event.run_id <> ''
    union all
    select 'quality_check -> run', run_id from quality_check anti join run using (run_id)
    union all
    select 'quarantine -> run', run_id from quarantine anti join run using (run_id)
    union all
    select 'report -> run', run_id from report anti join run using (run_id)
    union all
    select 'report_alert -> report', sha256 from report_alert anti join report using (sha256)
    union all
    select 'report_alert -> alert', alert_id from report_alert anti join alert on alert.id = report_alert.alert_id
),
final as (
    select what, count(*) as n, min(name) as example from named group by what
)
select * from final order by what;
