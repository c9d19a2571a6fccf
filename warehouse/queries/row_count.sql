select count(*) from query_table($name);
