import numpy as np
import pytest
from scipy import stats

from monitoring.errors import TrendError
from monitoring.gates.finding import Scope, State
from monitoring.gates.replay import ReplayDifference, ReplayStratum, replay_gate, replay_offsets
from monitoring.science import GateRule

RULE = GateRule()
LOSS = 3.0
LIKE = (2022, 2023, 2024)


def replay(rng, offset=0.0, parks=8, woods=20, year_sd=0.1, noise=0.5, years=(2019, 2020, 2021)):
    rows, strata = [], {}
    for park in range(parks):
        for year in years:
            shared = offset + rng.normal(0, year_sd)
            for wood in range(woods):
                name = f"{park}-{wood}"
                strata[name] = ReplayStratum(f"p{park}", "ancient" if wood % 2 else "other")
                rows.append(ReplayDifference(name, year, shared + rng.normal(0, noise), LIKE))
    return rows, strata


def test_one_stratum_has_the_interval_of_its_yearly_means():
    strata = {name: ReplayStratum("p", "ancient") for name in "ab"}
    rows = [
        ReplayDifference(name, year, value, LIKE)
        for year, value in ((2019, -1.0), (2020, -1.2), (2021, -1.1))
        for name in "ab"
    ]
    (found,) = replay_offsets(rows, strata, RULE)
    test = stats.ttest_1samp([-1.0, -1.2, -1.1], 0, alternative="less")
    assert found.offset == pytest.approx(-1.1)
    assert found.p == pytest.approx(test.pvalue)
    assert found.sd_to_add == pytest.approx(np.sqrt((1 + 1.44 + 1.21) / 3))
    assert found.low < -1.1 < found.high


def test_thinning_that_costs_half_the_loss_that_matters_is_red():
    findings = replay_gate(*replay(np.random.default_rng(0), offset=-1.5), LOSS, RULE)
    assert {(one.gate, one.scope, one.state) for one in findings} == {("G3", Scope.PARK, State.RED)}


def test_thinning_that_makes_richness_rise_holds_nothing_back():
    findings = replay_gate(*replay(np.random.default_rng(0), offset=1.5), LOSS, RULE)
    assert {one.state for one in findings} == {State.PASSED}


def test_clean_replays_are_rarely_red_and_two_per_cent_of_the_level_is_found():
    rng = np.random.default_rng(1)
    red = [
        np.mean(
            [
                one.state is State.RED
                for _ in range(30)
                for one in replay_gate(*replay(rng, offset=offset), LOSS, RULE)
            ]
        )
        for offset in (0.0, -0.6)
    ]
    assert red[0] <= 0.02
    assert red[1] >= 0.8


def test_one_year_and_no_replay_are_not_judged():
    rows, strata = replay(np.random.default_rng(2), years=(2020,))
    for some in (rows, [], [ReplayDifference("0-0", 2020, float("nan"), LIKE)]):
        assert {one.state for one in replay_gate(some, strata, LOSS, RULE)} == {State.NOT_JUDGED}


def test_differences_without_any_scatter_are_certain():
    rows = [ReplayDifference("a", year, -1.0, LIKE) for year in (2019, 2020)]
    (finding,) = replay_gate(rows, {"a": ReplayStratum("p", "ancient")}, LOSS, RULE)
    assert finding.state is State.RED


def test_a_woodland_without_stratum_is_refused():
    with pytest.raises(TrendError, match="woodland a: its stratum is not given"):
        replay_offsets([ReplayDifference("a", 2020, 0.0, LIKE)], {}, RULE)
