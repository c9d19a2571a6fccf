select *
from latest_park_trend
where ($target is null or target = $target)
order by target, scope desc, park, woodland_class, weighting;
