import numpy as np
import pytest

from monitoring.errors import TrendError
from monitoring.gates.eras import era_gate, slopes_without_each_era
from monitoring.gates.finding import State
from monitoring.statistics.mann_kendall import mann_kendall
from monitoring.statistics.theil_sen import theil_sen
from monitoring.trends.eras import ERAS

YEARS = np.arange(2017, 2026)


def test_a_straight_decline_stays_one_without_any_era():
    (finding,) = era_gate(["w"], YEARS, (30.0 - np.arange(9))[None, :])
    assert finding.state is State.PASSED
    assert finding.figures["worst_slope_per_year"] == -1


def test_a_decline_made_by_one_era_turns_without_it():
    values = np.array([30.0, 30.1, 30.2, 30.3, 30.4, 25.0, 25.0, 25.0, 29.9])
    (finding,) = era_gate(["w"], YEARS, values[None, :])
    assert finding.state is State.RED
    assert "without 2022-2024" in finding.reason


def test_the_slope_without_an_era_is_that_of_the_years_left():
    values = np.random.default_rng(0).normal(0, 1, (3, 9))
    kept = (YEARS < 2018) | (YEARS > 2021)
    expected = theil_sen(YEARS[kept], values[:, kept]).slope
    assert slopes_without_each_era(YEARS, values, ERAS)[:, 1] == pytest.approx(expected)


def test_a_short_record_is_not_judged():
    (finding,) = era_gate(["w"], YEARS[2:5], np.array([[3.0, 2.0, 1.0]]))
    assert finding.state is State.NOT_JUDGED


def test_a_series_without_values_is_not_judged_and_no_woodland_has_no_finding():
    assert era_gate(["w"], YEARS, np.full((1, 9), np.nan))[0].state is State.NOT_JUDGED
    assert era_gate([], YEARS, np.zeros((0, 9))) == ()


def test_a_constant_series_is_no_decline():
    assert era_gate(["w"], YEARS, np.ones((1, 9)))[0].state is State.RED


def test_series_that_do_not_fit_the_woodlands_are_refused():
    with pytest.raises(TrendError, match="era gate: series"):
        era_gate(["w"], YEARS, np.zeros((2, 9)))


def candidates(rng, shape):
    values = shape + rng.normal(0, 1, (4000, 9))
    return values[mann_kendall(values).p_decline <= 0.01]


def test_real_declines_rarely_turn_and_those_of_one_poor_year_often_do():
    rng = np.random.default_rng(1)
    real = candidates(rng, -0.5 * np.arange(9))
    last_year_alone = np.where(YEARS == 2025, -4.0, 0.0) + np.zeros((1, 9))
    (finding, *_) = era_gate(["w"], YEARS, last_year_alone)
    states = [one.state for one in era_gate([str(i) for i in range(len(real))], YEARS, real)]
    assert np.mean([one is State.RED for one in states]) <= 0.02
    assert finding.state is State.RED
