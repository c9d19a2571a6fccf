select * from park_summary order by target, park, is_ancient desc, season;
