-- Whether any woodland has had more than one polygon.
select exists (
    select 1 from woodland_version group by woodland_id having count(distinct boundary) > 1
);
