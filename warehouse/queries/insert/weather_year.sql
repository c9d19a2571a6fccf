insert into weather_year by name
with final as (
    select *, cast($now as timestamp) as recorded_at
    from batch
    anti join weather_year using (woodland_id, year, season, target, encoder, head, config_hash, series_hash)
)
select * from final;
