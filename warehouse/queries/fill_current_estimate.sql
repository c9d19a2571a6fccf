-- One season, or all where none is named.
insert into current_estimate by name
select *
from site_history_as_of(timestamp 'infinity')
where $season is null or season = $season
order by woodland_id, target, season;
