-- Every season an event was judged at, by the current model or an earlier one.
select * from alert where id = $id order by season, recorded_at;
