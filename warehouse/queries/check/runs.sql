with final as (
    select 'run that was never closed' as what, count(*) as n, min(concat_ws(' ', season, run_id)) as example
    from run
    where status = 'running' and started_at <= cast($now as timestamp) - interval 1 day
    having count(*) > 0
)
select * from final;
