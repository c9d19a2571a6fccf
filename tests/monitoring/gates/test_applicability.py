import numpy as np
import pytest

from monitoring.gates.applicability import applicability_gate
from monitoring.gates.finding import Scope, State
from monitoring.gates.seen import SeenYears
from monitoring.science import GateRule

YEARS = np.arange(2017, 2026)
RULE = GateRule()


def seen(shares, years=YEARS):
    counts = np.full(len(years), 20.0)
    return [SeenYears(f"w{i}", years, counts, counts, counts, counts, one) for i, one in enumerate(shares)]


def states(shares, years=YEARS):
    return [one.state for one in applicability_gate(seen(shares, years), {}, 0.8, RULE)]


def test_a_share_that_falls_steadily_is_red_though_still_high():
    (finding,) = applicability_gate(seen([np.linspace(0.99, 0.85, 9)]), {}, 0.8, RULE)
    assert (finding.gate, finding.state) == ("G6", State.RED)
    assert finding.figures["fall_of_share"] == pytest.approx(0.14)
    assert finding.reason == "applicable share is 0.850 and falls (-0.140 over 9 years, p below 0.0001)"


def test_a_fall_of_a_thousandth_is_not_red():
    assert states([np.linspace(0.999, 0.998, 9)]) == [State.PASSED]


def test_a_share_below_the_least_allowed_is_red_even_in_one_year_of_record():
    assert states([[0.79]], np.array([2025])) == [State.RED]
    assert states([[0.81]], np.array([2025])) == [State.PASSED]


def test_an_unknown_latest_share_is_the_last_known_one_and_none_is_not_judged():
    unknown = np.full(9, np.nan)
    ends_unknown = np.where(YEARS == 2025, np.nan, 0.7)
    assert states([unknown, ends_unknown]) == [State.NOT_JUDGED, State.RED]
    assert applicability_gate([], {}, 0.8, RULE) == ()


def test_a_park_tells_the_share_of_its_woodlands_that_fall():
    shares = [np.linspace(0.99, 0.85, 9), np.full(9, 0.95), np.full(9, 0.95), np.full(9, 0.95)]
    *_, park = applicability_gate(seen(shares), {f"w{i}": "p" for i in range(4)}, 0.8, RULE)
    assert (park.scope, park.of, park.state) == (Scope.PARK, "p", State.PASSED)
    assert park.figures["share_of_woodlands_falling"] == 0.25


def test_steady_shares_are_rarely_red_and_falling_ones_are_found():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.02, (2000, 9))
    steady, falling = np.clip(0.95 + noise, 0, 1), np.clip(np.linspace(0.98, 0.86, 9) + noise, 0, 1)
    assert np.mean([one is State.RED for one in states(steady)]) <= 0.02
    assert np.mean([one is State.RED for one in states(falling)]) >= 0.8
