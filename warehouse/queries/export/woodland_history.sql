select * from woodland_history order by woodland_id, version;
