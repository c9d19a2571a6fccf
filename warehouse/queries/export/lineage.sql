select * from woodland_lineage order by recorded_at, release, old_id, new_id;
