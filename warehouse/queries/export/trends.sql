select latest_trend.*, current_woodland.longitude, current_woodland.latitude
from latest_trend
join current_woodland on current_woodland.id = latest_trend.woodland_id
order by latest_trend.target, latest_trend.woodland_id;
