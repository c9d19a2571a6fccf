select *
from promotion
where ($target is null or target = $target) and ($as_of is null or recorded_at <= cast($as_of as timestamp))
order by target, promoted_at, encoder, head;
