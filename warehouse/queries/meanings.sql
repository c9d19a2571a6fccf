-- The comment of each column of a view or table: what it says, with its unit.
select column_name, coalesce(comment, '') as meaning
from duckdb_columns()
where database_name = current_database() and table_name = $relation
order by column_index;
