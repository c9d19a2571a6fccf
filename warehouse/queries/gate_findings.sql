select *
from latest_gate_finding
where ($target is null or target = $target)
order by target, gate, scope, of;
