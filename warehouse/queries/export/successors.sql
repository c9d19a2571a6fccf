select * from woodland_successor order by id, current_id;
