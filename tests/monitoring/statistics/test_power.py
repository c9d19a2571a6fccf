import numpy as np
import pytest
from scipy import stats

from monitoring.statistics.power import detectable_noncentrality, minimum_detectable_slope


@pytest.mark.parametrize(
    ("n", "expected"), [(8, 0.52), (9, 0.42), (10, 0.35), (12, 0.26), (15, 0.18), (20, 0.115)]
)
def test_the_detectable_slope_in_units_of_scatter_is_the_known_one(n, expected):
    years = np.arange(2017, 2017 + n)
    scatter = np.random.default_rng(n).normal(size=n)
    line = stats.linregress(years, scatter)
    residual_sd = np.sqrt(np.sum((scatter - line.intercept - line.slope * years) ** 2) / (n - 2))
    found = minimum_detectable_slope(years, scatter[None, :])[0]
    assert found / residual_sd == pytest.approx(expected, abs=0.006)


def test_the_detectable_slope_is_detected_four_times_in_five():
    rng, years = np.random.default_rng(1), np.arange(9)
    slope = detectable_noncentrality(7) / np.sqrt(60)
    values = rng.normal(size=(8_000, 9)) - slope * years
    t = years - 4
    fitted = values @ t / 60
    residual = values - values.mean(axis=1, keepdims=True) - fitted[:, None] * t
    statistic = fitted / np.sqrt((residual**2).sum(axis=1) / 7 / 60)
    assert np.mean(statistic < stats.t.ppf(0.025, 7)) == pytest.approx(0.80, abs=0.015)


def test_gaps_are_left_out_and_a_longer_gap_free_record_sees_smaller_declines():
    rng = np.random.default_rng(4)
    values = rng.normal(size=(500, 12))
    holed = values.copy()
    holed[:, :4] = np.nan
    years = np.arange(2014, 2026)
    short = minimum_detectable_slope(years, holed)
    np.testing.assert_allclose(short, minimum_detectable_slope(years[4:], values[:, 4:]))
    assert np.median(minimum_detectable_slope(years, values)) < 0.6 * np.median(short)


def test_two_years_cannot_say_what_they_would_have_shown():
    values = np.array([[1.0, 2.0, np.nan], [np.nan] * 3, [1.0, 3.0, 2.0]])
    found = minimum_detectable_slope(np.array([2017, 2018, 2019]), values)
    assert np.isnan(found[:2]).all()
    assert found[2] > 0
