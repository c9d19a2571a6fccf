import itertools
import json

import numpy as np
import pytest
from scipy import stats

from monitoring.errors import TrendError
from monitoring.statistics.permutations import every_order, shares_of_pair_sums, shares_of_slopes
from monitoring.statistics.regional import (
    homogeneity,
    pooled_memory,
    regional_kendall,
    summed_signs,
    variance_of_s,
)

NAN = np.nan


def s_of(row):
    pairs = [(a, b) for a, b in itertools.combinations(row, 2) if not np.isnan(a + b)]
    return sum(np.sign(b - a) for a, b in pairs)


def signs_of(row):
    return np.array([[np.nan_to_num(np.sign(b - a)) for b in row] for a in row])


def ranks_with_gaps(row):
    """Hirsch & Slack (1984): midranks of what is known; what is missing has the mean rank."""
    known = np.isfinite(row)
    ranks = np.full(len(row), (known.sum() + 1) / 2)
    ranks[known] = stats.rankdata(row[known])
    return ranks


def covariance(one, other):
    """Dietz & Killeen (1981), as printed by Hirsch & Slack (1984) for series with gaps."""
    n, (n_one, n_other) = len(one), (np.isfinite(row).sum() for row in (one, other))
    concordance = np.triu(signs_of(one) * signs_of(other)).sum()
    products = ranks_with_gaps(one) @ ranks_with_gaps(other)
    return (concordance + 4 * products - n * (n_one + 1) * (n_other + 1)) / 3


def some_series(seed, n_series=7, n=9, gaps=0.0, ties=False):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=n) + rng.normal(size=(n_series, n))
    values = np.round(values) if ties else values
    values[rng.random(values.shape) < gaps] = NAN
    return values


@pytest.mark.parametrize(("gaps", "ties"), [(0.0, False), (0.0, True), (0.3, False), (0.3, True)])
def test_the_variance_is_the_sum_of_all_covariances_one_by_one(gaps, ties):
    values = some_series(1, gaps=gaps, ties=ties)
    weights = np.random.default_rng(2).uniform(0, 3, len(values))
    one_by_one = np.array([[covariance(one, other) for other in values] for one in values])
    found = regional_kendall(values, weights)
    assert found.variance == pytest.approx(weights @ one_by_one @ weights, rel=1e-12)
    assert found.s == pytest.approx(weights @ [s_of(row) for row in values], rel=1e-12)
    assert regional_kendall(values).variance == pytest.approx(one_by_one.sum(), rel=1e-12)


@pytest.mark.parametrize("gaps", [0.0, 0.3])
def test_the_variance_is_exactly_that_over_every_order_of_the_years(gaps):
    values = some_series(3, n_series=3, n=6, gaps=gaps, ties=True)
    over_orders = [sum(s_of(row) for row in values[:, order]) for order in every_order(6)]
    assert variance_of_s(summed_signs(values)) == pytest.approx(np.var(over_orders), rel=1e-12)
    found = shares_of_pair_sums(summed_signs(values))
    observed = sum(s_of(row) for row in values)
    assert found.as_far == pytest.approx(np.mean(np.abs(over_orders) >= abs(observed)))


def test_the_rhine_sites_together_have_the_published_figures(shared):
    listed = json.loads((shared / "data/trend_reference/trend_cases.json").read_text())
    (case,) = [case for case in listed if case["id"] == "hcb_rhine"]
    expected = case["computed_with_R"]["multisite"]["trend::mult.mk.test"]
    found = regional_kendall(np.array([case["data"][site] for site in ("we", "ka", "mz", "ko", "bh", "bi")]))
    assert found.s == expected["S"] == -15359
    assert found.variance == pytest.approx(expected["varS"], rel=1e-12)
    assert found.z == pytest.approx(expected["z"], rel=1e-12)
    assert found.p == pytest.approx(expected["p"], rel=1e-9)


def test_one_series_is_the_plain_kendall_test():
    found = regional_kendall(np.array([[5.0, 4, 3, 4.5, 2, 1, 0, 2.5, NAN]]))
    assert (found.n_series, found.s) == (1, s_of([5, 4, 3, 4.5, 2, 1, 0, 2.5]))
    assert found.variance == pytest.approx(8 * 7 * 21 / 18)


def test_a_hundred_copies_of_a_series_say_no_more_than_one():
    one = some_series(4, n_series=1)
    single, copies = regional_kendall(one), regional_kendall(np.tile(one, (100, 1)))
    assert copies.s == 100 * single.s
    assert copies.z == pytest.approx(single.z)


def test_series_without_values_change_nothing():
    values = some_series(5)
    with_empty = np.vstack([values, np.full((2, 9), NAN)])
    assert regional_kendall(with_empty) == regional_kendall(values)


def test_equal_values_have_no_trend_and_no_values_have_no_test():
    still = regional_kendall(np.full((3, 9), 4.0))
    assert (still.s, still.variance, still.z, still.p) == (0, 0, 0, 1)
    for values in (np.full((3, 9), NAN), np.empty((0, 9)), np.empty((2, 0))):
        assert regional_kendall(values).n_series == 0
        assert np.isnan(regional_kendall(values).p)


@pytest.mark.parametrize("bad", [-1.0, NAN, np.inf])
def test_a_weight_that_is_none_is_refused_by_name(bad):
    with pytest.raises(TrendError, match=r"weight \S+ of series 1: must be finite"):
        regional_kendall(some_series(6, n_series=2), np.array([1.0, bad]))


def test_homogeneity_of_independent_series_is_the_chi_square_of_the_book():
    values = some_series(7, n_series=5)
    z = np.array([s_of(row) for row in values]) / np.sqrt(9 * 8 * 23 / 18)
    found = homogeneity(values)
    assert found.n_series == 5
    assert found.statistic == pytest.approx((z**2).sum() - 5 * z.mean() ** 2)


@pytest.mark.parametrize("gaps", [0.0, 0.25])
def test_p_of_homogeneity_is_the_share_of_year_orders_with_a_statistic_this_large(gaps):
    values = some_series(8, n_series=4, n=6, gaps=gaps)
    weights = np.array([1.0, 2.0, 0.5, 0.5])
    sd = np.array([np.sqrt(variance_of_s(signs_of(row))) for row in values])

    def statistic(order):
        z = np.array([s_of(row) for row in values[:, order]]) / sd
        return weights @ z**2 - (weights @ z) ** 2 / weights.sum()

    listed = np.array([statistic(order) for order in every_order(6)])
    found = homogeneity(values, weights)
    assert found.statistic == pytest.approx(statistic(np.arange(6)))
    assert found.p == pytest.approx(np.mean(listed >= found.statistic - 1e-9))


def test_woods_going_opposite_ways_are_not_homogeneous():
    rise = np.arange(8.0)
    assert homogeneity(np.array([rise, rise, -rise, -rise])).p == pytest.approx(2 / 40_320)


def test_homogeneity_needs_two_series_and_finds_still_ones_alike():
    for values in (some_series(9, n_series=1), np.empty((0, 9)), np.full((3, 9), NAN)):
        assert np.isnan(homogeneity(values).p)
        assert np.isnan(homogeneity(values).statistic)
    still = homogeneity(np.full((3, 9), 1.0))
    assert (still.statistic, still.p) == (0, 1)


def replicates(seed, count, n_series, n=9, share=0.2, gaps=0.0):
    """Series without trend whose years share this part of the variance."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        common = np.sqrt(share) * rng.normal(size=n)
        values = common + np.sqrt(1 - share) * rng.normal(size=(n_series, n))
        values[rng.random(values.shape) < gaps] = NAN
        yield values


@pytest.mark.parametrize("gaps", [0.0, pytest.param(0.2, marks=pytest.mark.slow)])
def test_shared_years_deceive_whoever_counts_woods_but_not_whoever_counts_years(gaps):
    """250 regions of 100 series, a fifth of the variance shared: 5 % are called, 0.05 +- 0.028 (2 sd)."""
    by_woods, by_dietz_killeen, by_s, by_slope = [], [], [], []
    for values in replicates(10, 250, 100, gaps=gaps):
        found = regional_kendall(values)
        alone = sum(n * (n - 1) * (2 * n + 5) / 18 for n in np.isfinite(values).sum(axis=1))
        by_woods.append(abs(found.s) / np.sqrt(alone) > 1.96)
        by_dietz_killeen.append(found.p < 0.05)
        by_s.append(shares_of_pair_sums(summed_signs(values)).as_far < 0.05)
        by_slope.append(shares_of_slopes(np.arange(9), np.nanmean(values, axis=0)).as_far < 0.05)
    assert np.mean(by_woods) > 0.5
    assert 0.01 < np.mean(by_dietz_killeen) < 0.09
    assert 0.022 < np.mean(by_s) < 0.078
    assert 0.022 < np.mean(by_slope) < 0.078


@pytest.mark.slow
def test_years_missing_in_a_row_or_at_both_ends_leave_the_size_near_five_per_cent():
    """Half of the series lack the same years, which no order of the years foresees: 0.05 +- 0.03."""
    for missing in ([0, 1, 2, 3], [3, 4, 5]):
        called = []
        for values in replicates(11, 250, 40, share=0.8):
            values[:20, missing] = NAN
            called.append(shares_of_pair_sums(summed_signs(values)).as_far < 0.05)
        assert 0.02 < np.mean(called) < 0.08


def test_chi_square_misjudges_woods_that_share_weather_and_orders_of_years_do_not():
    """Ten parks of 40 woods without trend: their own weather deceives chi-square, common weather blinds it.

    Of 150 replicates orders of years call 5 %, 0.05 +- 0.036 (2 sd).
    """
    rng = np.random.default_rng(12)
    for places, low, high in ((10, 0.15, 1.0), (1, 0.0, 0.0)):
        by_chi_square, by_years = [], []
        for _ in range(150):
            weather = np.repeat(rng.normal(size=(places, 6)), 400 // places, axis=0)
            found = homogeneity(3 * weather + rng.normal(size=(400, 6)))
            by_chi_square.append(stats.chi2.sf(found.statistic, found.n_series - 1) < 0.05)
            by_years.append(found.p < 0.05)
        assert low <= np.mean(by_chi_square) <= high
        assert 0.01 < np.mean(by_years) < 0.09


@pytest.mark.parametrize("memory", [0.0, 0.3, 0.6])
def test_memory_is_found_again_in_many_short_series(memory):
    rng = np.random.default_rng(13)
    values = rng.normal(size=(1000, 60))
    for year in range(1, 60):
        values[:, year] = memory * values[:, year - 1] + np.sqrt(1 - memory**2) * values[:, year]
    years, found = np.arange(2017, 2026), values[:, -9:] + 3 * np.arange(9)
    assert pooled_memory(years, found) == pytest.approx(memory, abs=0.06)
    found[:, 4] = NAN
    assert pooled_memory(years, found) == pytest.approx(memory, abs=0.1)


def test_memory_of_lines_of_few_years_and_of_years_apart_is_unknown():
    years = np.arange(2017, 2026)
    assert np.isnan(pooled_memory(years, np.arange(9.0)[None, :]))
    assert np.isnan(pooled_memory(years[:3], some_series(14, n=3)))
    assert np.isnan(pooled_memory(2 * years, some_series(14)))
    assert np.isnan(pooled_memory(years, np.full((2, 9), NAN)))
    assert np.isnan(pooled_memory(years, np.empty((0, 9))))
