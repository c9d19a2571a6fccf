select count(*) > 0 from duckdb_tables() where database_name = 'warehouse' and table_name = 'schema_migration';
