-- Seasons that end with one quarter, a year apart: windows of one anchor share no month.
select woodland_id, season, mean, sd, sd_year, is_applicable, encoder, head, config_hash
from site_history
where
    target = $target
    and is_present
    and season[7:7] = $quarter
    and season <= $up_to
order by woodland_id, season;
