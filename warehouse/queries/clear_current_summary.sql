-- One season, or all where none is named.
delete from current_summary where $season is null or season = $season;
