select index_history.*
from index_history
join woodland on woodland.id = index_history.woodland_id
where
    ($woodland_id is null or woodland_id = $woodland_id)
    and ($index_name is null or index_name = $index_name)
    and ($park is null or park = $park)
order by woodland_id, index_name, year;
