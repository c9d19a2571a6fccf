-- The statements that give the serving table its comments; a table made anew has none.
select 'comment on table current_estimate is ''' || replace(comment, '''', '''''') || ''''
from duckdb_tables()
where database_name = 'warehouse' and table_name = 'current_estimate' and comment is not null
union all
select
    'comment on column current_estimate.' || column_name || ' is ''' || replace(comment, '''', '''''') || ''''
from duckdb_columns()
where database_name = 'warehouse' and table_name = 'current_estimate' and comment is not null;
