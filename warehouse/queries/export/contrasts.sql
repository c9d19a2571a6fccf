select * from latest_contrast order by target, park;
