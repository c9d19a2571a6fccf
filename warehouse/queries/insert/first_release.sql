-- Woodlands that came without a release are the first one.
insert into release by name
with final as (
    select
        '1' as id, '' as source, '' as sha256, cast(null as date) as valid_from,
        cast((select count(*) from batch) as integer) as n_woodlands, 0 as n_refused,
        cast($now as timestamp) as recorded_at
    where not exists (from release)
)
select * from final;
