-- Log tables have no index: what has one key is found by a hash of it, and then held against the key itself.
with estimate_suspect as (
    select hash(woodland_id, season, target, encoder, head, config_hash, inputs_hash) as name
    from estimate
    group by name
    having count(*) > 1
),
observation_suspect as (
    select hash(woodland_id, season, inputs_hash, number) as name
    from season_observation
    group by name
    having count(*) > 1
),
index_suspect as (
    select hash(woodland_id, source, scene_id, index_name, number) as name
    from index_observation
    group by name
    having count(*) > 1
),
weather_suspect as (
    select hash(woodland_id, year, season, target, encoder, head, config_hash, series_hash) as name
    from weather_year
    group by name
    having count(*) > 1
),
twice as (
    select 'estimate' as what, concat_ws(' ', woodland_id, season, target) as example, count(*) - 1 as n
    from estimate
    where hash(woodland_id, season, target, encoder, head, config_hash, inputs_hash) in (select name from estimate_suspect)
    group by woodland_id, season, target, encoder, head, config_hash, inputs_hash
    union all
    select 'season_observation', concat_ws(' ', woodland_id, season), count(*) - 1
    from season_observation
    where hash(woodland_id, season, inputs_hash, number) in (select name from observation_suspect)
    group by woodland_id, season, inputs_hash, number
    union all
    select 'index_observation', concat_ws(' ', woodland_id, scene_id, index_name), count(*) - 1
    from index_observation
    where hash(woodland_id, source, scene_id, index_name, number) in (select name from index_suspect)
    group by woodland_id, source, scene_id, index_name, number
    union all
    select 'weather_year', concat_ws(' ', woodland_id, year), count(*) - 1
    from weather_year
    where
        hash(woodland_id, year, season, target, encoder, head, config_hash, series_hash)
        in (select name from weather_suspect)
    group by woodland_id, year, season, target, encoder, head, config_hash, series_hash
),
final as (
    select what || ' recorded twice' as what, cast(sum(n) as bigint) as n, min(example) as example
    from twice
    where n > 0
    group by what
)
select * from final order by what;
