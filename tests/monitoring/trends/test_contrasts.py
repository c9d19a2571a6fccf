import itertools

import numpy as np
import pytest
from scipy import stats

from monitoring.errors import TrendError
from monitoring.science import TrendTest
from monitoring.trends.contrasts import contrast, permutation_p
from monitoring.trends.histories import RichnessSeries

YEARS = np.arange(2017, 2026)
RULE = TrendTest()
WEATHER = np.array([0, -8, 1, 0, 2, -6, 0, 1, 0.0])


def woods(prefix, count, values, years=YEARS):
    return [
        RichnessSeries(f"{prefix}{i}", np.array(years), 40.0 + i + np.array(values), np.ones(len(values)))
        for i in range(count)
    ]


def test_ancient_woodland_that_loses_one_taxon_a_year_more_has_that_contrast():
    found = contrast("H", woods("a", 4, WEATHER - np.arange(9)), woods("o", 3, WEATHER), RULE)
    assert (found.n_years, found.n_ancient, found.n_other) == (9, 4, 3)
    assert (found.slope, found.slope_low, found.slope_high) == pytest.approx((-1, -1, -1))
    assert found.p == pytest.approx(2 / 362_880)
    assert "all 362,880 orders of 9 years" in found.method
    assert found.reason == ""


def test_weather_and_a_decline_shared_by_both_is_no_contrast():
    shared = WEATHER - 3.0 * np.arange(9)
    found = contrast("H", woods("a", 4, shared), woods("o", 3, shared), RULE)
    assert found.slope == pytest.approx(0, abs=1e-12)
    assert found.p > 0.99


def test_slope_and_interval_are_those_of_least_squares():
    rng = np.random.default_rng(2)
    difference = rng.normal(size=9)
    found = contrast("H", woods("a", 2, difference), woods("o", 2, np.zeros(9)), RULE)
    line = stats.linregress(YEARS, difference)
    half = stats.t.ppf(0.975, 7) * line.stderr
    assert (found.slope, found.slope_low, found.slope_high) == pytest.approx(
        (line.slope, line.slope - half, line.slope + half)
    )


def test_p_is_the_share_of_year_orders_with_a_slope_as_steep():
    rng = np.random.default_rng(4)
    years, values = np.arange(6), rng.normal(size=6)
    slopes = [np.polyfit(years, order, 1)[0] for order in itertools.permutations(values)]
    expected = np.mean(np.abs(slopes) >= abs(slopes[0]) - 1e-9)
    assert permutation_p(years, values) == pytest.approx(expected)


def test_longer_records_are_shuffled_and_say_how_often():
    rng = np.random.default_rng(4)
    years = range(2014, 2026)
    values = rng.normal(size=12) - 0.3 * np.arange(12)
    found = contrast("H", woods("a", 2, values, years), woods("o", 2, np.zeros(12), years), RULE, seed=3)
    assert "99,999 shuffles of 12 years, seed 3" in found.method
    assert found.p == pytest.approx(stats.linregress(np.arange(12), values).pvalue, abs=0.02)


def test_a_woodland_with_a_gap_does_not_join_and_leave():
    ancient = woods("a", 4, WEATHER)
    holed = ancient[0].mean.copy() + 500
    holed[4] = np.nan
    ancient[0] = RichnessSeries("a0", YEARS, holed, np.ones(9))
    found = contrast("H", ancient, woods("o", 3, WEATHER), RULE)
    assert (found.n_years, found.n_ancient) == (9, 3)
    assert found.slope == pytest.approx(0, abs=1e-12)


def test_a_year_most_woodlands_lack_is_left_out_rather_than_the_woodlands():
    ancient, other = woods("a", 4, WEATHER), woods("o", 4, WEATHER)
    ancient[0] = RichnessSeries("a0", np.arange(2016, 2026), np.full(10, 50.0), np.ones(10))
    found = contrast("H", ancient, other, RULE)
    assert (found.n_years, found.n_ancient, found.n_other) == (9, 4, 4)


@pytest.mark.parametrize(
    ("n_ancient", "n_other", "reason"),
    [
        (1, 3, "1 ancient woodlands with a complete record, 2 needed"),
        (3, 0, "0 other woodlands with a complete record, 2 needed"),
        (0, 0, "0 ancient woodlands with a complete record, 2 needed"),
    ],
)
def test_a_park_without_enough_of_either_has_no_contrast(n_ancient, n_other, reason):
    found = contrast("H", woods("a", n_ancient, WEATHER), woods("o", n_other, WEATHER), RULE)
    assert found.reason == reason
    assert np.isnan([found.slope, found.slope_low, found.slope_high, found.p]).all()


def test_too_few_years_keep_the_slope_and_leave_out_the_p():
    years = YEARS[:6]
    found = contrast("H", woods("a", 2, -np.arange(6.0), years), woods("o", 2, np.zeros(6), years), RULE)
    assert found.slope == pytest.approx(-1)
    assert np.isnan(found.p)
    assert found.reason == "6 common years, 8 needed"


def test_the_same_woodland_in_both_classes_is_refused():
    with pytest.raises(TrendError, match="woodland a0: given twice"):
        contrast("H", woods("a", 2, WEATHER), woods("a", 2, WEATHER), RULE)


def test_without_a_trend_one_contrast_in_twenty_looks_like_one():
    rng = np.random.default_rng(12)
    p = np.array([permutation_p(np.arange(7), rng.normal(size=7)) for _ in range(2_000)])
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.015)
