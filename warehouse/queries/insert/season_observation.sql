-- Adds a row only where a woodland-season was counted otherwise than recorded last.
insert into season_observation by name
with latest as (
    select *
    from season_observation
    where season in (select season from batch)
    qualify number = max(number) over (partition by woodland_id, season, inputs_hash)
),
final as (
    select
        batch.*,
        coalesce(latest.number, 0) + 1 as number,
        cast($now as timestamp) as recorded_at
    from batch
    left join latest using (woodland_id, season, inputs_hash)
    where
        latest.number is null
        or (batch.n_s2, batch.n_snow, batch.n_s1_ascending, batch.n_s1_descending, batch.n_leaf_on, batch.n_leaf_off, batch.is_phenology_covered)
        is distinct from (latest.n_s2, latest.n_snow, latest.n_s1_ascending, latest.n_s1_descending, latest.n_leaf_on, latest.n_leaf_off, latest.is_phenology_covered)
    order by batch.season, batch.woodland_id
)
select * from final;
