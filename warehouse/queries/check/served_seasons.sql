-- Seasons with a row in the log or in the serving table.
select season from estimate
union
select season from current_estimate
order by season;
