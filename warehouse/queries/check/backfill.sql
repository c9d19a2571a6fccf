with final as (
    select 'woodland whose history is still of an earlier polygon' as what, count(*) as n, min(id) as example
    from current_woodland
    where is_present and boundary <> speaking_boundary
    having count(*) > 0
)
select * from final;
