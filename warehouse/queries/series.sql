-- Season ids sort as text in time order. Only final seasons: provisional ones overlap them.
select woodland_id, season, mean, sd, sd_year, is_applicable, encoder, head, config_hash
from site_history
where
    target = $target
    and is_present
    and is_final
    and ($park is null or park = $park)
    and ($up_to is null or season <= $up_to)
order by woodland_id, season;
