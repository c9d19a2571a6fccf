select * from report order by season, park, recorded_at, sha256;
