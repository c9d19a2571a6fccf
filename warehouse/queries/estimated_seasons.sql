-- Seasons in the log of estimates, of one target or of all.
select distinct season from estimate where $target is null or target = $target order by season;
