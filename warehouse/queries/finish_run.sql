update run set status = $status, finished_at = $now where run_id = $run_id and finished_at is null;
