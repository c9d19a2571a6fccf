create table clustered_estimate as
select * from current_estimate order by woodland_id, target, season;
