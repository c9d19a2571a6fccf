-- What the gates found that may reach one woodland, in the assessment that a trend belongs to.
select gate, name, scope, of, state, reason, figures
from gate_finding
where
    season = $season
    and target = $target
    and encoder = $encoder
    and head = $head
    and config_hash = $config_hash
    and series_hash = $series_hash
    and (scope = 'all' or of in ($woodland_id, $park, $block_id))
order by gate, scope, of, name;
