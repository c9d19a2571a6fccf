select *
from latest_contrast
where ($target is null or target = $target) and ($park is null or park = $park)
order by target, park;
