-- One slice of the histories of one target and park, with a point inside each woodland.
select site_history.*, current_woodland.longitude, current_woodland.latitude
from site_history
join current_woodland on current_woodland.id = site_history.woodland_id
where
    site_history.target = $target
    and site_history.park = $park
    and site_history.woodland_id between $first and $last
order by site_history.woodland_id, site_history.season;
