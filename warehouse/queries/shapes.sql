-- The newest polygon of every woodland that ever was.
select woodland_id as id, geometry
from woodland_history
qualify version = max(version) over (partition by woodland_id)
order by id;
