-- How often the serving table steps back in the order of woodlands: once for each season added since it was clustered.
with step as (
    select woodland_id < lag(woodland_id) over () as is_descent from current_estimate
)
select cast(count(*) filter (is_descent) as integer) from step;
