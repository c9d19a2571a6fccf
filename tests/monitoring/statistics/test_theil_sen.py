import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from monitoring.statistics.theil_sen import interval_rank, theil_sen

YEARS = np.arange(2017, 2026)


def line(years, values, confidence=0.95):
    found = theil_sen(np.asarray(years), np.array([values], float), confidence)
    return float(found.slope[0]), float(found.low[0]), float(found.high[0]), float(found.intercept[0])


def test_a_straight_line_has_its_slope_and_no_width():
    assert line(YEARS, 50 - 2.0 * (YEARS - 2017)) == (-2, -2, -2, 50 + 2 * 2017)


def test_one_wild_year_does_not_move_the_slope():
    values = 50 - 2.0 * (YEARS - 2017)
    values[4] = 1000
    assert line(YEARS, values)[0] == -2


def test_the_nine_year_interval_ends_at_the_ninth_slope_from_either_end():
    values = np.random.default_rng(3).normal(size=9)
    slopes = sorted((values[j] - values[i]) / (j - i) for j in range(9) for i in range(j))
    assert line(YEARS, values)[:3] == pytest.approx((np.median(slopes), slopes[8], slopes[-9]))


def test_too_few_years_have_no_interval_or_no_slope():
    assert interval_rank(4, 0.95) == -1
    assert interval_rank(5, 0.95) == 0
    slope, low, high, _ = line([2017, 2018, 2019], [3, 2, 1])
    assert slope == -1
    assert np.isnan([low, high]).all()
    assert np.isnan(line([2017, 2018], [2, 1])).all()


def test_all_years_missing_gives_nothing():
    assert np.isnan(line(YEARS, [np.nan] * 9)).all()


def test_a_year_without_a_value_counts_as_time_passed():
    values = 50 - 2.0 * (YEARS - 2017)
    values[[2, 3]] = np.nan
    assert line(YEARS, values)[0] == -2


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-50, 50, width=32), min_size=6, max_size=12))
def test_the_slope_is_that_of_scipy(values):
    years = np.arange(len(values))
    assert line(years, values)[0] == pytest.approx(stats.theilslopes(values, years)[0], abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=6, max_size=10), st.integers(1, 9), st.integers(-9, 9))
def test_the_line_follows_a_change_of_unit_and_an_added_trend(values, unit, trend):
    years = np.arange(len(values))
    slope, low, high, _ = line(years, values)
    changed = line(years, unit * np.array(values) + trend * years)
    assert changed[:3] == pytest.approx((unit * slope + trend, unit * low + trend, unit * high + trend))


def test_the_interval_of_nine_years_covers_the_truth_as_often_as_it_says():
    values = np.random.default_rng(7).normal(size=(20_000, 9))
    found = theil_sen(YEARS, values)
    covered = np.mean((found.low <= 0) & (found.high >= 0))
    # Exactly 1 - 2 P(S >= 20) = 0.9553 by the distribution of S.
    assert covered == pytest.approx(0.9553, abs=0.005)


def test_the_interval_and_the_test_agree_on_zero():
    from monitoring.statistics.mann_kendall import mann_kendall

    values = np.random.default_rng(8).normal(size=(2_000, 9)) - 0.3 * np.arange(9)
    found, test = theil_sen(YEARS, values), mann_kendall(values)
    np.testing.assert_array_equal((found.low > 0) | (found.high < 0), test.p_two_sided <= 0.05)


def test_large_families_are_worked_in_parts_with_the_same_result(monkeypatch):
    values = np.random.default_rng(9).normal(size=(50, 9))
    whole = theil_sen(YEARS, values)
    monkeypatch.setattr("monitoring.statistics.theil_sen._SLOPES_AT_ONCE", 100)
    parts = theil_sen(YEARS, values)
    np.testing.assert_array_equal(whole.slope, parts.slope)
    np.testing.assert_array_equal(whole.high, parts.high)


def test_no_series_have_no_lines():
    assert len(theil_sen(YEARS, np.empty((0, 9))).slope) == 0


@pytest.fixture(scope="module")
def cases(shared: Path):
    listed = json.loads((shared / "data/trend_reference/trend_cases.json").read_text())
    return {case["id"]: case for case in listed}


@pytest.mark.parametrize("name", ["maxau_s", "maxau_Q", "PrecipGL", "Nile", "Conecuh"])
def test_slope_and_interval_are_those_of_r_for_published_records(cases, name):
    case = cases[name]
    expected = case["computed_with_R"]["trend::sens.slope"]
    values = case["data"]["value"]
    slope, low, high, _ = line(np.arange(len(values)), values)
    assert (slope, low, high) == pytest.approx(
        (expected["slope"], expected["conf_low_95"], expected["conf_high_95"]), abs=1e-9
    )


@pytest.mark.parametrize("name", ["epa_sulfate", "epa_sodium"])
def test_irregular_dates_give_the_line_the_epa_printed(cases, name):
    case = cases[name]
    expected = case["published"]["theil_sen"]
    slope, low, high, intercept = line(np.array(case["data"]["x"]), case["data"]["value"])
    assert slope == pytest.approx(expected["slope"], abs=1e-6)
    assert intercept == pytest.approx(expected["intercept"], abs=1e-6)
    # Gilbert's ends are interpolated between two of the slopes that ours are.
    assert low == pytest.approx(expected["ci95_gilbert"][0], abs=0.06)
    assert high == pytest.approx(expected["ci95_gilbert"][1], abs=0.2)


def test_the_eleven_year_example_of_mannkendall_has_its_slope_and_interval():
    # mannkendall.github.io; interval by scipy.stats.theilslopes.
    values = [1.92, 2.28, 2.71, 2.89, 2.82, 4.02, 3.25, 3.49, 4.94, 3.75, 3.25]
    assert line(np.arange(11), values)[:3] == pytest.approx((0.186, 0.108, 0.360), abs=5e-4)
