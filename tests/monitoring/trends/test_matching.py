import itertools

import numpy as np
import pytest

from monitoring.errors import TrendError
from monitoring.science import MatchRule
from monitoring.trends.matching import ALL_PARKS, match
from monitoring.trends.sites import Site

ONE = MatchRule(neighbours=1)
NAN = float("nan")


def ancient(name, **known):
    return other(name, is_ancient=True, **known)


def other(name, park="Park", leaf="oak", elevation=100.0, area=10.0, is_ancient=False):
    return Site(
        woodland_id=name,
        park=park,
        is_ancient=is_ancient,
        leaf_type=leaf,
        elevation_m=elevation,
        area_ha=area,
    )


def a_landscape(n=120, seed=0, gap=40.0):
    rng = np.random.default_rng(seed)
    is_ancient = rng.random(n) < 0.4
    return [
        other(
            f"{w:03d}",
            f"park {w % 2}",
            str(rng.choice(["oak", "spruce"])),
            float(rng.normal(200 + gap * is_ancient[w], 60)),
            float(np.exp(rng.normal(1.5, 0.8))),
            bool(is_ancient[w]),
        )
        for w in range(n)
    ]


def row(found, title):
    [one] = [row for row in found.balance if row.property == title]
    return one


def test_an_ancient_woodland_is_compared_with_the_nearest_other():
    sites = [ancient("a"), other("far", elevation=180), other("near", elevation=110)]
    assert match(sites, ONE).partners_of("a") == ("near",)


@pytest.mark.parametrize("off", [{"park": "Elsewhere"}, {"leaf": "spruce"}, {"elevation": 201}, {"area": 51}])
def test_no_woodland_of_another_park_leaf_type_height_or_size_is_a_partner(off):
    found = match([ancient("a"), other("o", **off)], ONE)
    assert found.n_pairs == 0
    [left] = found.unmatched
    assert left.woodland_id == "a"


@pytest.mark.parametrize("edge", [{"elevation": 200}, {"elevation": 0}, {"area": 50}, {"area": 2}])
def test_the_largest_difference_allowed_is_allowed(edge):
    assert match([ancient("a"), other("o", **edge)], ONE).partners_of("a") == ("o",)


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        ({"park": ""}, "lies in no park"),
        ({"park": "Lonely"}, "no other woodland in Lonely"),
        ({"leaf": "beech"}, "no beech other woodland in Park"),
        (
            {"elevation": 900},
            "no oak other woodland in Park within 100 m of elevation and a factor of 5 in area",
        ),
    ],
)
def test_an_unmatched_ancient_woodland_says_why(one, reason):
    found = match([ancient("a", **one), other("o"), other("stray", park="")], ONE)
    assert [left.reason for left in found.unmatched] == [reason]


def test_woodlands_share_a_partner_and_each_still_has_one_vote():
    sites = [ancient("a"), ancient("b"), other("o"), other("p", elevation=150), other("q", elevation=160)]
    found = match(sites, MatchRule(neighbours=2))
    assert (found.n_pairs, found.other) == (4, ("o", "p"))
    assert found.other_weights.tolist() == [0.5, 0.5]
    assert found.effective_other == pytest.approx(2)
    assert found.partner_means(np.array([[1.0, 2], [3, 6]])).tolist() == [[2, 4], [2, 4]]


def test_partners_as_far_as_the_last_are_all_taken():
    sites = [ancient("a"), other("o", elevation=110), other("p", elevation=90)]
    assert match(sites, ONE).partners_of("a") == ("o", "p")


def test_where_nothing_is_known_every_other_woodland_of_the_park_is_a_partner():
    blank = {"leaf": "", "elevation": NAN, "area": NAN}
    found = match([ancient("a", **blank), *(other(f"o{i}", **blank) for i in range(7))], ONE)
    assert found.n_pairs == 7
    assert found.unknown == "unknown: leaf type of 8, elevation of 8, area of 8 of 8 woodlands"
    assert np.isnan(found.balance_worst)


def test_a_partner_of_which_more_is_known_comes_first():
    sites = [ancient("a"), other("blank", leaf="", elevation=NAN), other("known", elevation=190)]
    assert match(sites, ONE).partners_of("a") == ("known",)
    assert match(sites[:2], ONE).partners_of("a") == ("blank",)


def test_a_difference_of_nothing_may_be_asked_for():
    rule = MatchRule(max_elevation_difference_m=0.0, max_area_ratio=1.0)
    sites = [ancient("a"), other("same"), other("higher", elevation=101), other("larger", area=11)]
    assert match(sites, rule).partners_of("a") == ("same",)


def test_no_choice_of_partners_has_a_smaller_sum_of_distances():
    sites = a_landscape(24, seed=3)
    found = match(sites, MatchRule(neighbours=2))
    of = {site.woodland_id: site for site in sites}

    def distance(a, o):
        height = (of[a].elevation_m - of[o].elevation_m) / 100
        size = np.log(of[a].area_ha / of[o].area_ha) / np.log(5)
        same = of[a].park == of[o].park and of[a].leaf_type == of[o].leaf_type
        return np.hypot(height, size) if same and abs(height) <= 1 and abs(size) <= 1 else np.inf

    assert len(found.ancient) > 3
    for a in found.ancient:
        allowed = [
            s.woodland_id for s in sites if not s.is_ancient and np.isfinite(distance(a, s.woodland_id))
        ]
        chosen = sum(distance(a, o) for o in found.partners_of(a))
        k = len(found.partners_of(a))
        assert k == min(2, len(allowed))
        best = min(sum(distance(a, o) for o in some) for some in itertools.combinations(allowed, k))
        assert chosen == pytest.approx(best)


def test_the_order_of_the_sites_does_not_matter():
    sites = a_landscape()
    one, again = match(sites, MatchRule()), match(sites[::-1], MatchRule())
    assert (one.ancient, one.other, one.unmatched, one.balance) == (
        again.ancient,
        again.other,
        again.unmatched,
        again.balance,
    )
    assert one.partner.tolist() == again.partner.tolist()


def test_standardised_differences_are_those_of_the_formula():
    sites = a_landscape()
    found = match(sites, MatchRule())
    mine = np.array([s.elevation_m for s in sites if s.is_ancient])
    theirs = np.array([s.elevation_m for s in sites if not s.is_ancient])
    spread = np.sqrt((mine.var() + theirs.var()) / 2)
    of = {s.woodland_id: s.elevation_m for s in sites}
    pairs = np.mean([of[a] - np.mean([of[o] for o in found.partners_of(a)]) for a in found.ancient])
    height = row(found, "elevation_m")
    assert height.difference_before == pytest.approx((mine.mean() - theirs.mean()) / spread)
    assert height.difference == pytest.approx(pairs / spread)
    assert abs(height.difference) < abs(height.difference_before)


def test_matching_balances_what_was_out_of_balance():
    found = match(a_landscape(2_000), MatchRule())
    assert row(found, "elevation_m").difference_before > 0.5
    assert row(found, "elevation_m").is_balanced
    assert row(found, "leaf type: oak").difference == pytest.approx(0)
    assert found.balance_worst < 0.1


def test_levels_are_shown_and_not_matched_on():
    sites = [ancient("a"), ancient("b"), other("o"), other("p", elevation=101)]
    found = match(sites, ONE, {"a": 50.0, "b": 52.0, "o": 40.0, "p": 42.0})
    level = row(found, "level")
    assert (level.difference_before, level.is_matched_on) == (pytest.approx(10), False)
    assert not level.is_balanced
    assert found.balance_worst < 1


def test_what_does_not_vary_is_balanced_when_equal_and_infinitely_out_of_balance_when_not():
    same = match([ancient("a"), other("o")], ONE)
    assert row(same, "elevation_m").difference == 0
    apart = match([ancient("a"), other("o", elevation=150)], ONE)
    assert row(apart, "elevation_m").difference == -np.inf
    assert not row(apart, "elevation_m").is_balanced


@pytest.mark.parametrize("sites", [[], [ancient("a")], [other("o")]])
def test_without_either_class_there_are_no_pairs(sites):
    found = match(sites, ONE)
    assert (found.n_pairs, found.ancient, found.other, found.effective_other) == (0, (), (), 0)
    assert {row.park for row in found.balance} <= {ALL_PARKS}


def test_a_woodland_given_twice_or_without_size_is_refused():
    with pytest.raises(TrendError, match="woodland a: given twice"):
        match([ancient("a"), other("a")], ONE)
    with pytest.raises(TrendError, match=r"woodland a: area 0\.0 ha"):
        match([ancient("a", area=0.0)], ONE)
