select * from index_history order by woodland_id, index_name, year;
