-- The final seasons that a trend was tested on, as they were known when it was recorded.
select estimate.*
from estimate_as_of(cast($moment as timestamp)) as estimate
where
    estimate.woodland_id = $woodland_id
    and estimate.target = $target
    and estimate.season <= $season
    and estimate.season[7:7] = $quarter
    and ($quarter <> '4' or (estimate.is_final and estimate.is_applicable))
order by estimate.season;
