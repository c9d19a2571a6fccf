-- The versions that stood at a moment, with their polygons.
select woodland_history.*
from woodland_history
join woodland_as_of(cast($moment as timestamp)) as known
    on known.id = woodland_history.woodland_id and known.version = woodland_history.version
where known.is_present and ($park is null or known.park = $park)
order by woodland_history.woodland_id;
