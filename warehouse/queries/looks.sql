select * from look where $target is null or target = $target order by target, number;
