-- One season, or all where none is named.
delete from current_estimate where $season is null or season = $season;
