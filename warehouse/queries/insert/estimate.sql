-- What the log holds under a key already is left out: one writer, so looking is as good as a key. Woodland by woodland,
-- so that the row groups of a season hold neighbours in that order. What supersedes a row is dated after it, also where
-- the clock was set back in between: the newest recorded counts, and as it was known.
insert into estimate by name
with held as (
    select woodland_id, season, target, encoder, head, config_hash, inputs_hash, recorded_at
    from estimate
    where season in (select season from batch)
),
superseded as (
    select woodland_id, season, target, encoder, head, config_hash, max(recorded_at) as recorded_at
    from held
    group by woodland_id, season, target, encoder, head, config_hash
),
final as (
    select
        batch.* replace (coalesce(nullif(batch.boundary, ''), current_woodland.speaking_boundary) as boundary),
        greatest(cast($now as timestamp), superseded.recorded_at + interval 1 microsecond) as recorded_at
    from batch
    left join current_woodland on current_woodland.id = batch.woodland_id
    left join superseded using (woodland_id, season, target, encoder, head, config_hash)
    anti join held using (woodland_id, season, target, encoder, head, config_hash, inputs_hash)
    order by batch.season, batch.woodland_id, batch.target
)
select * from final;
