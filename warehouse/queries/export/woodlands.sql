select * from woodland_history where is_present order by woodland_id;
