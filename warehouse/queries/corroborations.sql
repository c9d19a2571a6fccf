select *
from latest_corroboration
where ($target is null or target = $target) and ($woodland_id is null or woodland_id = $woodland_id)
order by target, woodland_id, kind, year, source;
