-- Tables and views with their columns, in the order they were made.
with relation as (
    select database_name, table_oid as oid, table_name as name, 'table' as kind, comment from duckdb_tables()
    union all
    select database_name, view_oid, view_name, 'view', comment from duckdb_views() where not internal
),
final as (
    select
        relation.kind,
        relation.name as relation,
        relation.comment as relation_comment,
        duckdb_columns.column_name,
        duckdb_columns.data_type,
        duckdb_columns.comment,
        duckdb_columns.column_index
    from relation
    join duckdb_columns()
        on duckdb_columns.table_oid = relation.oid and duckdb_columns.database_name = relation.database_name
    where relation.database_name = 'warehouse'
)
select * from final order by kind, relation, column_index;
