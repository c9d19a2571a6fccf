"""The variance of a woodland's mean: checked pair by pair, by its limits and by simulated errors."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from monitoring.errors import ModelError
from monitoring.spatial_error import FULLY_CORRELATED, Correlation, mean_variance

NAN = float("nan")


def one_wood(weights: np.ndarray) -> sparse.csr_array:
    return sparse.csr_array(weights[None, :])


def rectangle(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    row, column = np.mgrid[:height, :width]
    return column.ravel(), row.ravel()


def covariance(column: np.ndarray, row: np.ndarray, sd: np.ndarray, how: Correlation) -> np.ndarray:
    """(n, n) what the model says, written out."""
    distance_m = 10.0 * np.hypot(column[:, None] - column, row[:, None] - row)
    rho = (1 - how.nugget) * np.exp(-distance_m / how.range_m)
    np.fill_diagonal(rho, 1.0)
    return sd[:, None] * rho * sd


def by_hand(
    weights: np.ndarray, column: np.ndarray, row: np.ndarray, sd: np.ndarray, how: Correlation
) -> float:
    known = np.isfinite(sd) & (weights > 0)
    share = weights[known] / weights[known].sum()
    return float(share @ covariance(column[known], row[known], sd[known], how) @ share)


def test_two_neighbouring_cells_by_eye() -> None:
    how = Correlation(nugget=0.2, range_m=10.0 / np.log(2))  # rho of neighbours: 0.8 / 2
    found = mean_variance(one_wood(np.ones(2)), np.array([7, 8]), np.array([3, 3]), np.array([1.0, 3.0]), how)
    assert found == pytest.approx([(1 + 9 + 2 * 0.4 * 3) / 4])


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 3000),
    st.integers(1, 60),
    st.floats(0, 1),
    st.floats(1, 1e5),
    st.integers(0, 2**32 - 1),
)
def test_pairs_and_transforms_agree_with_the_double_sum(
    spread: int, n: int, nugget: float, range_m: float, seed: int
) -> None:
    """A wide spread is summed pair by pair, a narrow one through its box."""
    rng, how = np.random.default_rng(seed), Correlation(nugget, range_m)
    cells = rng.choice(spread * 40, min(n, spread * 40), replace=False)
    column, row = cells % spread - 5, cells // spread
    sd = rng.uniform(0.1, 3, len(cells))
    sd[rng.random(len(cells)) < 0.1] = NAN
    weights = rng.uniform(0, 1, (3, len(cells))) * (rng.random((3, len(cells))) < 0.8)
    found = mean_variance(sparse.csr_array(weights), column, row, sd, how)
    for each, shares in zip(found, weights, strict=True):
        if (np.isfinite(sd) & (shares > 0)).any():
            assert each == pytest.approx(by_hand(shares, column, row, sd, how), rel=1e-9)
        else:
            assert np.isnan(each)


@pytest.mark.parametrize(("height", "width"), [(1, 40), (40, 1), (13, 17), (30, 30)])
def test_a_solid_box_agrees_with_the_double_sum(height: int, width: int) -> None:
    (column, row), how = rectangle(height, width), Correlation(0.3, 70.0)
    rng = np.random.default_rng(1)
    weights, sd = rng.uniform(0.1, 1, (2, height * width))
    found = mean_variance(one_wood(weights), column, row, sd, how)
    assert found == pytest.approx([by_hand(weights, column, row, sd, how)], rel=1e-10)


def test_independent_errors_average_out() -> None:
    column, row = rectangle(20, 20)
    found = mean_variance(one_wood(np.ones(400)), column, row, np.full(400, 2.0), Correlation(1.0, 50.0))
    assert found == pytest.approx([4 / 400])


@pytest.mark.parametrize("how", [FULLY_CORRELATED, Correlation(0.0, np.inf)])
def test_errors_that_are_the_same_everywhere_do_not_average_out(how: Correlation) -> None:
    column, row = rectangle(20, 20)
    sd = np.linspace(1, 3, 400)
    assert mean_variance(one_wood(np.ones(400)), column, row, sd, how) == pytest.approx([4.0], rel=1e-6)


def test_simulated_errors_scatter_as_the_variance_says() -> None:
    (column, row), how = rectangle(9, 11), Correlation(0.25, 40.0)
    rng = np.random.default_rng(5)
    weights, sd = rng.uniform(0.2, 1, 99), rng.uniform(0.5, 2, 99)
    errors = rng.multivariate_normal(np.zeros(99), covariance(column, row, sd, how), 20_000)
    means = errors @ weights / weights.sum()
    (found,) = mean_variance(one_wood(weights), column, row, sd, how)
    assert means.var() == pytest.approx(found, rel=0.04)  # four standard errors of a variance of 20,000


def test_the_order_of_woodlands_and_of_cells_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    (column, row), how = rectangle(12, 15), Correlation(0.1, 90.0)
    weights, sd = rng.uniform(0, 1, (6, 180)) * (rng.random((6, 180)) < 0.5), rng.uniform(1, 2, 180)
    found = mean_variance(sparse.csr_array(weights), column, row, sd, how)
    woods, cells = rng.permutation(6), rng.permutation(180)
    shuffled = sparse.csr_array(weights[woods][:, cells])
    np.testing.assert_allclose(
        mean_variance(shuffled, column[cells], row[cells], sd[cells], how), found[woods], rtol=1e-10
    )


def test_a_woodland_without_a_known_cell_has_no_variance() -> None:
    weights = sparse.csr_array(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
    found = mean_variance(weights, np.arange(2), np.zeros(2, int), np.array([NAN, 2.0]), FULLY_CORRELATED)
    np.testing.assert_array_equal(found, [NAN, 4.0, NAN])
    empty = mean_variance(sparse.csr_array((0, 2)), np.arange(2), np.arange(2), np.ones(2), FULLY_CORRELATED)
    assert empty.shape == (0,)


def test_a_huge_and_nearly_empty_box_is_bounded_and_hardly_off() -> None:
    """Two squares of 90 x 90 cells, 100 km apart: each varies alone, the mean of both half as much."""
    (column, row), how = rectangle(90, 90), Correlation(0.1, 1000.0)
    far = np.concatenate([column, column + 10_000]), np.concatenate([row, row + 9_000])
    (alone,) = mean_variance(one_wood(np.ones(8100)), column, row, np.ones(8100), how)
    (both,) = mean_variance(one_wood(np.ones(16_200)), *far, np.ones(16_200), how)
    assert both == pytest.approx(alone / 2, rel=0.02)


@pytest.mark.slow
def test_a_national_park_of_woodlands_takes_no_time_to_notice() -> None:
    """10,000 woodlands of 16 x 16 cells, and one of 300,000."""
    column, row = rectangle(16, 160_000)
    start = time.monotonic()
    weights = sparse.csr_array((np.ones(len(column)), (column // 16, np.arange(len(column)))))
    mean_variance(weights, column, row, np.ones(len(column)), Correlation(0.3, 300.0))
    column, row = rectangle(500, 600)
    mean_variance(one_wood(np.ones(300_000)), column, row, np.ones(300_000), Correlation(0.3, 300.0))
    assert time.monotonic() - start < 10  # about 1 s on one core; the pairs alone would be 9e10


@pytest.mark.parametrize(("nugget", "range_m"), [(-0.1, 1.0), (1.1, 1.0), (NAN, 1.0), (0.5, 0.0), (0.5, NAN)])
def test_a_correlation_outside_its_bounds_is_refused(nugget: float, range_m: float) -> None:
    with pytest.raises(ModelError, match=r"correlation: (nugget|range)"):
        Correlation(nugget, range_m)
