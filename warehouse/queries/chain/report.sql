-- A report by its PDF; the same bytes written again elsewhere are the same report, as first recorded.
select *
from report
where sha256 = $sha256 and ($as_of is null or recorded_at <= cast($as_of as timestamp))
order by recorded_at
limit 1;
