-- What lies behind the annual estimates; unknown counts are null. Leaf dates are known where they were counted.
select
    woodland_id,
    season,
    n_s2,
    n_s1_ascending,
    n_s1_descending,
    n_leaf_on / nullif(n_leaf_on + n_leaf_off, 0) as leaf_on_share,
    applicable_share
from site_history
where
    target = $target
    and is_present
    and is_final
    and season <= $up_to
order by woodland_id, season;
