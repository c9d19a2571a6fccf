select * from release order by recorded_at, id;
