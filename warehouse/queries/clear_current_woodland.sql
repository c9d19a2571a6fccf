delete from current_woodland;
