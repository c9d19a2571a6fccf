-- One woodland: a filter that is nothing but its id reads the one row group it lies in.
select *
from site_history
where
    woodland_id = $woodland_id
    and ($target is null or target = $target)
    and ($season is null or season = $season)
    and ($park is null or park = $park)
order by target, season;
