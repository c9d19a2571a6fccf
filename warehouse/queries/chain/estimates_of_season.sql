-- The estimates that hold now for a season, block by block.
select * from current_estimate where season = $season order by block_id, target, woodland_id;
