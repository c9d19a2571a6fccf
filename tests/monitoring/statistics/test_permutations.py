import numpy as np
import pytest

from monitoring.statistics.permutations import SHUFFLES, describe_orders, every_order, orders, share_at_least


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
