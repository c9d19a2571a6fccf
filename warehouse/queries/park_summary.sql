select *
from park_summary
where
    ($target is null or target = $target)
    and ($park is null or park = $park)
    and ($season is null or season = $season)
order by park, is_ancient desc, target, season;
