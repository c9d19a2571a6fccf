-- Woodlands whose history is of another polygon than the serving table says.
select known.id
from woodland_as_of(timestamp 'infinity') as known
join current_woodland using (id)
where known.speaking_boundary <> current_woodland.speaking_boundary
order by known.id;
