-- The estimate that held at a moment for a woodland and season, of one target or of all.
select *
from estimate_as_of(cast($as_of as timestamp))
where
    woodland_id = $woodland_id
    and season = $season
    and ($target is null or target = $target)
order by target;
