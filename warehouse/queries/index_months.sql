select *
from index_month
where
    ($woodland_id is null or woodland_id = $woodland_id)
    and ($index_name is null or index_name = $index_name)
order by woodland_id, index_name, year, month;
