-- Every estimate recorded of a woodland, whether it holds now, and what sets one that does not apart from the one that
-- does. One whose season has none that holds (another model, never estimated again) is apart by nothing named.
with final as (
    select
        estimate.*,
        held.woodland_id is not null
        and (held.encoder, held.head, held.config_hash, held.inputs_hash, held.boundary)
        = (estimate.encoder, estimate.head, estimate.config_hash, estimate.inputs_hash, estimate.boundary) as is_current,
        case
            when held.woodland_id is null then 'no estimate of this season holds now'
            when (held.encoder, held.head) <> (estimate.encoder, estimate.head) then 'another model speaks now'
            when held.config_hash <> estimate.config_hash then 'other choices hold now'
            when held.boundary <> estimate.boundary then 'another polygon speaks now'
            when held.inputs_hash <> estimate.inputs_hash then 'estimated again from other scenes'
            else ''
        end as superseded_by
    from estimate
    left join current_estimate as held
        on held.woodland_id = estimate.woodland_id
        and held.season = estimate.season
        and held.target = estimate.target
    where
        ($woodland_id is null or estimate.woodland_id = $woodland_id)
        and ($season is null or estimate.season = $season)
        and ($target is null or estimate.target = $target)
)
select * from final order by woodland_id, season, target, recorded_at, head, config_hash, inputs_hash, boundary;
