-- How a block-season stood when it was estimated from some inputs: the last standing that names them.
select *
from block_season
where season = $season and block_id = $block_id and inputs_hash = $inputs_hash
order by number desc
limit 1;
