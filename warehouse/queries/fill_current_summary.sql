-- One season, or all where none is named.
insert into current_summary by name
select *
from season_summary
where $season is null or season = $season
order by park, is_ancient desc, target, season;
