select * from run order by started_at, run_id;
