-- The latest result of each expectation.
select *
from quality_check
where $season is null or season = $season
qualify row_number() over (
    partition by gate, season, scope, expectation, column_name order by recorded_at desc, observed desc
) = 1
order by season, gate, scope, column_name, expectation;
