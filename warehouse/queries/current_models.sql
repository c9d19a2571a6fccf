select *
from current_model
qualify number = max(number) over (partition by target)
order by target;
