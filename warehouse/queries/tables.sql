select table_name from duckdb_tables() where database_name = 'warehouse' order by table_name;
