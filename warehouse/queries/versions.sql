-- Versions of woodlands with their polygons: those of one woodland, those of one park, all, or the present ones.
select *
from woodland_history
where
    ($woodland_id is null or woodland_id = $woodland_id)
    and ($park is null or park = $park)
    and ($only is null or is_present)
order by woodland_id, version;
