select *
from latest_balance
where ($target is null or target = $target)
order by target, park, property;
