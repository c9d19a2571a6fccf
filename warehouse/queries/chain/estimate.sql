-- The estimate that holds now for a woodland and season, of one target or of all.
select *
from current_estimate
where
    woodland_id = $woodland_id
    and season = $season
    and ($target is null or target = $target)
order by target;
