import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.statistics.mann_kendall import mann_kendall
from monitoring.statistics.permutations import (
    COUNTED_UP_TO,
    FORMS_COUNTED_UP_TO,
    SHUFFLES,
    describe_orders,
    describe_shares,
    every_order,
    orders,
    share_at_least,
    share_of_pair_forms,
    shares_of_pair_sums,
    shares_of_slopes,
)


def listed_shares(statistics):
    """The definition: as low, as high and as far from zero as the first, which is the observed one."""
    found, observed = np.array(statistics, float), statistics[0]
    return (
        np.mean(found <= observed + 1e-9),
        np.mean(found >= observed - 1e-9),
        np.mean(np.abs(found) >= abs(observed) - 1e-9),
    )


def figures(shares):
    return shares.as_low, shares.as_high, shares.as_far


def pull_of(series):
    """Summed signs of y_j - y_i, one series at a time."""
    return sum(np.sign(np.subtract.outer(row, row)).T for row in np.asarray(series, float))


@pytest.mark.parametrize(("n", "count"), [(0, 1), (1, 1), (2, 2), (3, 6), (6, 720)])
def test_every_order_is_there_once(n, count):
    found = every_order(n)
    assert found.shape == (count, n)
    assert len(set(map(tuple, found.tolist()))) == count
    assert all(sorted(order) == list(range(n)) for order in found.tolist())


def test_nine_years_have_362880_orders():
    assert len(orders(9)) == 362_880
    assert describe_orders(9) == "all 362,880 orders of 9 years"


def test_longer_records_are_shuffled_by_seed_with_the_observed_order_first():
    first, again, other = orders(12, seed=4), orders(12, seed=4), orders(12, seed=5)
    assert first.shape == (SHUFFLES + 1, 12)
    assert first[0].tolist() == list(range(12))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert describe_orders(12, 4) == "99,999 shuffles of 12 years, seed 4"


def test_a_statistic_equal_but_for_rounding_counts():
    statistics = np.array([0.1 + 0.2, 0.3, 0.1])
    assert share_at_least(statistics, 0.1 + 0.2, scale=1.0) == pytest.approx(2 / 3)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.lists(st.integers(0, 3), min_size=5, max_size=5), min_size=1, max_size=3))
def test_shares_of_a_joint_s_are_those_of_listing_every_order(series):
    listed = [
        sum(np.sign(row[b] - row[a]) for row in series for a, b in itertools.combinations(order, 2))
        for order in itertools.permutations(range(5))
    ]
    assert figures(shares_of_pair_sums(pull_of(series))) == pytest.approx(listed_shares(listed))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 6])
def test_shares_of_weighted_sums_are_those_of_listing_every_order(n):
    pull = np.random.default_rng(n).normal(size=(n, n))
    pull = pull - pull.T
    listed = [
        sum(pull[a, b] for a, b in itertools.combinations(order, 2))
        for order in itertools.permutations(range(n))
    ]
    assert figures(shares_of_pair_sums(pull)) == pytest.approx(listed_shares(listed))


@pytest.mark.parametrize(
    "years", [[2017], [2017, 2018, 2019, 2020, 2021], [2017, 2018, 2020, 2023, 2024, 2025]]
)
def test_shares_of_slopes_are_those_of_listing_every_order(years):
    values = np.random.default_rng(3).integers(0, 4, len(years)).astype(float)
    middle = np.array(years) - np.mean(years)
    listed = [middle @ np.array(order) for order in itertools.permutations(values)]
    assert figures(shares_of_slopes(np.array(years), values)) == pytest.approx(listed_shares(listed))


def test_a_steady_decline_of_nine_years_is_rarer_than_any_other_order():
    found = shares_of_slopes(np.arange(9), -np.arange(9.0))
    assert figures(found) == pytest.approx((1 / 362_880, 1, 2 / 362_880), rel=1e-12)


def test_no_years_have_one_order_and_a_missing_value_has_no_p():
    assert figures(shares_of_slopes(np.array([]), np.array([]))) == (1, 1, 1)
    assert np.isnan(figures(shares_of_slopes(np.arange(9), np.append(np.arange(8.0), np.nan)))).all()


def test_equal_values_are_as_likely_in_every_order():
    for found in (shares_of_slopes(np.arange(9), np.full(9, 7.0)), shares_of_pair_sums(np.zeros((9, 9)))):
        assert figures(found) == (1, 1, 1)


@pytest.mark.parametrize("n", [9, 10, COUNTED_UP_TO])
def test_one_series_has_the_exact_p_of_mann_kendall(n):
    values = np.round(np.random.default_rng(n).normal(size=(1, n)), 1)
    found, expected = shares_of_pair_sums(pull_of(values)), mann_kendall(values)
    assert found.as_low == pytest.approx(expected.p_decline[0], rel=1e-12)
    assert found.as_high == pytest.approx(expected.p_rise[0], rel=1e-12)


def test_longer_records_are_shuffled_to_nearly_the_exact_p_of_mann_kendall():
    values = np.random.default_rng(5).normal(size=(1, 20))
    found, expected = shares_of_pair_sums(pull_of(values), seed=2), mann_kendall(values)
    assert found.as_low == pytest.approx(expected.p_decline[0], abs=4 * 0.5 / SHUFFLES**0.5)
    assert found == shares_of_pair_sums(pull_of(values), seed=2)
    assert describe_shares(20, 2) == "99,999 shuffles of 20 years, seed 2"
    assert describe_shares(COUNTED_UP_TO) == "all 479,001,600 orders of 12 years"


def test_slopes_of_longer_records_have_nearly_the_p_of_other_shuffles():
    rng = np.random.default_rng(6)
    years, values = np.arange(15), rng.normal(size=15) + 0.1 * np.arange(15)
    steepness = np.abs(rng.permuted(np.tile(values, (40_000, 1)), axis=1) @ (years - 7))
    expected = np.mean(steepness >= abs(values @ (years - 7)))
    assert shares_of_slopes(years, values, seed=1).as_far == pytest.approx(expected, abs=0.012)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 6])
def test_share_of_a_quadratic_form_is_that_of_listing_every_order(n):
    pairs = n * (n - 1) // 2
    half = np.random.default_rng(n).normal(size=(pairs, 2))
    form = half @ half.T
    listed = []
    for order in itertools.permutations(range(n)):
        place = np.argsort(order)
        x = np.array([np.sign(place[b] - place[a]) for a, b in itertools.combinations(range(n), 2)])
        listed.append(x @ form @ x)
    assert share_of_pair_forms(form, n) == pytest.approx(listed_shares(listed)[1])


def test_longer_quadratic_forms_are_shuffled_and_squares_of_s_among_them():
    values = np.random.default_rng(8).normal(size=(1, FORMS_COUNTED_UP_TO + 1))
    signs = pull_of(values)[np.triu_indices(FORMS_COUNTED_UP_TO + 1, 1)]
    found = share_of_pair_forms(np.outer(signs, signs), FORMS_COUNTED_UP_TO + 1, seed=3)
    assert found == pytest.approx(mann_kendall(values).p_two_sided[0], abs=4 * 0.5 / SHUFFLES**0.5)
