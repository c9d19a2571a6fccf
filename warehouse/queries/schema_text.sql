-- Everything that a copy has to bring along besides rows.
with object as (
    select 'table' as kind, table_name as name, sql as text from duckdb_tables() where database_name = 'warehouse'
    union all
    select 'view', view_name, sql from duckdb_views() where database_name = 'warehouse' and not internal
    union all
    select 'macro', function_name, macro_definition
    from duckdb_functions()
    where database_name = 'warehouse' and macro_definition is not null and not internal
    union all
    select 'comment', concat_ws('.', table_name, column_name), comment
    from duckdb_columns()
    where database_name = 'warehouse' and comment is not null
    union all
    select 'comment', table_name, comment from duckdb_tables() where database_name = 'warehouse' and comment is not null
    union all
    select 'comment', view_name, comment from duckdb_views() where database_name = 'warehouse' and comment is not null
)
select kind, name, text from object order by kind, name, text;
