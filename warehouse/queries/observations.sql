select *
from season_observation
where $season is null or season = $season
qualify number = max(number) over (partition by woodland_id, season, inputs_hash)
order by season, woodland_id, inputs_hash;
