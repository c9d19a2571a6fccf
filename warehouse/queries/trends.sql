select *
from latest_trend
where ($target is null or target = $target) and ($park is null or park = $park)
order by target, woodland_id;
