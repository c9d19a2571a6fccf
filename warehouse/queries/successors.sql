select *
from woodland_successor
where $woodland_id is null or id = $woodland_id
order by id, share desc, current_id;
