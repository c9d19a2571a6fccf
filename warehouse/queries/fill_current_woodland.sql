insert into current_woodland by name
select * from woodland_as_of(timestamp 'infinity') order by id;
