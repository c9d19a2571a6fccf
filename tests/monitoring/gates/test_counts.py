import numpy as np
import pytest

from monitoring.errors import TrendError
from monitoring.gates.counts import counts_gate
from monitoring.gates.finding import Scope, State
from monitoring.gates.seen import SeenYears
from monitoring.science import GateRule

YEARS = np.arange(2017, 2026)
RULE = GateRule()
LOSS = 3.0


def world(rng, coefficient=0.0, decline=0.0, parks=8, woods=25, missing=0.0):
    """Counts of all kinds drop in 2022 and wobble by park and year; richness follows the optical ones."""
    park = np.repeat(np.arange(parks), woods)
    later = np.where(YEARS >= 2022, 1.0, 0.0)
    shape = (len(park), 9)
    n_s2 = 30 + (rng.normal(0, 2, (parks, 9)) - 6 * later)[park] + rng.normal(0, 1, shape)
    up, down = (60 - drop * later + rng.normal(0, 2, (parks, 9))[park] for drop in (25, 20))
    leaf_on = 0.5 + rng.normal(0, 0.05, (parks, 9))[park]
    tested = (
        rng.normal(30, 5, (len(park), 1)) + rng.normal(0, 0.2, (parks, 9))[park] + rng.normal(0, 1, shape)
    )
    tested = tested + coefficient * (n_s2 - 30) - decline * (YEARS - 2017)
    tested[rng.random(shape) < missing] = np.nan
    ids = [f"w{row}" for row in range(len(park))]
    seen = {
        one: SeenYears(one, YEARS, n_s2[row], up[row], down[row], leaf_on[row], np.ones(9))
        for row, one in enumerate(ids)
    }
    return ids, YEARS, tested, seen, {one: f"p{park[row]}" for row, one in enumerate(ids)}


def first_two(rng, n, **kwargs):
    """Share of worlds whose finding over all is red, and mean share of red parks."""
    states = [
        [one.state is State.RED for one in counts_gate(*world(rng, **kwargs), LOSS, RULE)] for _ in range(n)
    ]
    return np.mean([one[0] for one in states]), np.mean([np.mean(one[1:]) for one in states])


def test_counts_that_carry_the_decline_are_red_and_their_part_is_told():
    finding = counts_gate(*world(np.random.default_rng(0), coefficient=0.15), LOSS, RULE)[0]
    assert (finding.gate, finding.scope, finding.state) == ("G2", Scope.ALL, State.RED)
    assert finding.figures["coefficient_n_s2"] == pytest.approx(0.15, abs=0.04)
    assert "of the loss that matters" in finding.reason


def test_a_decline_that_does_not_follow_the_counts_passes():
    findings = counts_gate(*world(np.random.default_rng(1), decline=0.4), LOSS, RULE)
    assert {one.state for one in findings} == {State.PASSED}


def test_gaps_are_no_hindrance():
    finding = counts_gate(*world(np.random.default_rng(2), coefficient=0.2, missing=0.1), LOSS, RULE)[0]
    assert finding.state is State.RED


def test_clean_worlds_are_rarely_red():
    rng = np.random.default_rng(3)
    everywhere, parks = first_two(rng, 40)
    assert everywhere <= 0.05
    assert parks <= 0.02


def test_counts_that_fall_by_a_fifth_and_take_richness_along_are_found():
    everywhere, parks = first_two(np.random.default_rng(4), 25, coefficient=0.15)
    assert everywhere >= 0.8
    assert parks >= 0.7


def test_counts_that_never_change_explain_nothing():
    ids, years, tested, _, park_of = world(np.random.default_rng(5), decline=0.4)
    ten = np.full(9, 10.0)
    steady = {one: SeenYears(one, years, ten, ten, ten, ten, ten) for one in ids}
    finding = counts_gate(ids, years, tested, steady, park_of, LOSS, RULE)[0]
    assert (finding.state, finding.figures["explained_slope_per_year"]) == (State.PASSED, 0)


def test_an_unknown_count_is_not_judged_and_named():
    ids, years, tested, seen, park_of = world(np.random.default_rng(6))
    no_radar = {
        one: SeenYears(one, years, s.n_s2, np.full(9, np.nan), s.n_s1_descending, s.leaf_on_share, s.n_s2)
        for one, s in seen.items()
    }
    findings = counts_gate(ids, years, tested, no_radar, park_of, LOSS, RULE)
    assert {one.state for one in findings} == {State.NOT_JUDGED}
    assert "n_s1_ascending not known" in findings[0].reason


def test_no_woodland_one_woodland_and_few_years_are_not_judged():
    ids, years, tested, seen, park_of = world(np.random.default_rng(7))
    for rows, columns in ((0, 9), (1, 9), (200, 5)):
        findings = counts_gate(
            ids[:rows], years[:columns], tested[:rows, :columns], seen, park_of, LOSS, RULE
        )
        assert {one.state for one in findings} == {State.NOT_JUDGED}


def test_the_same_inputs_give_the_same_findings():
    assert counts_gate(*world(np.random.default_rng(8)), LOSS, RULE) == (
        counts_gate(*world(np.random.default_rng(8)), LOSS, RULE)
    )


def test_series_that_do_not_fit_the_woodlands_are_refused():
    with pytest.raises(TrendError, match="counts gate: series"):
        counts_gate(["a"], YEARS, np.zeros((2, 9)), {}, {}, LOSS, RULE)
