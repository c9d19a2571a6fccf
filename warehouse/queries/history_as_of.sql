-- What `history` gave at a moment.
select *
from site_history_as_of(cast($moment as timestamp))
where
    ($woodland_id is null or woodland_id = $woodland_id)
    and ($target is null or target = $target)
    and ($season is null or season = $season)
    and ($park is null or park = $park)
order by woodland_id, target, season;
