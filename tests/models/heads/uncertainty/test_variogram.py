"""The correlation of errors between places: planted, and fitted by likelihood with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from models.heads.uncertainty.variogram import (
    CLASS_EDGES_M,
    Correlogram,
    PlaceErrors,
    correlogram,
    fit_correlation,
    fit_exponential,
)
from monitoring.spatial_error import FULLY_CORRELATED, Correlation

from .planted_errors import clusters, degrees, field


def rho(found: Correlation, distance_m: float) -> float:
    return float((1 - found.nugget) * np.exp(-distance_m / found.range_m))


def places(
    error: np.ndarray, xy: np.ndarray, year: int | np.ndarray = 2020, label: float = 0.0
) -> PlaceErrors:
    n = len(error)
    return PlaceErrors(error, np.full(n, label), degrees(xy), np.broadcast_to(year, n).astype(np.int64))


@pytest.mark.parametrize(
    ("nugget", "range_m"), [(0.3, 3000.0), (0.1, 20_000.0), (0.8, 3000.0), (0.0, 1000.0)]
)
def test_a_planted_correlation_comes_back(nugget: float, range_m: float) -> None:
    found = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        xy = clusters(40, 12, rng)
        found.append(fit_correlation(places(field(xy, nugget, range_m, rng), xy))[0])
    for distance_m in (300.0, 1000.0, 3000.0):
        expected = rho(Correlation(nugget, range_m), distance_m)
        assert np.mean([rho(each, distance_m) for each in found]) == pytest.approx(expected, abs=0.12)


def test_it_agrees_with_the_likelihood_of_a_gaussian_process() -> None:
    rng = np.random.default_rng(7)
    xy = clusters(40, 12, rng)
    error = field(xy, 0.3, 3000.0, rng)
    kernel = ConstantKernel(0.7) * Matern(3.0, (0.1, 100), nu=0.5) + WhiteKernel(0.3)
    by_likelihood = GaussianProcessRegressor(kernel).fit(xy / 1000, error).kernel_
    sill, white = by_likelihood.k1.k1.constant_value, by_likelihood.k2.noise_level
    theirs = Correlation(white / (sill + white), 1000 * by_likelihood.k1.k2.length_scale)
    ours, _ = fit_correlation(places(error, xy))
    for distance_m in (300.0, 1000.0, 3000.0):
        assert rho(ours, distance_m) == pytest.approx(rho(theirs, distance_m), abs=0.15)


def test_an_exact_correlogram_gives_its_own_range_and_a_cautious_nugget() -> None:
    distance_m = np.array([50.0, 200.0, 800.0, 3200.0, 12_800.0])
    exact = 0.6 * np.exp(-distance_m / 2000.0)
    found = fit_exponential(Correlogram(distance_m, exact, np.full(5, 1e8)), with_nugget=True)
    assert (found.nugget, found.range_m) == (pytest.approx(0.4, abs=0.01), pytest.approx(2000, rel=0.01))
    fewer = fit_exponential(Correlogram(distance_m, exact, np.full(5, 100.0)), with_nugget=True)
    assert 0.3 < fewer.nugget < found.nugget


def test_label_error_is_no_part_of_the_nugget() -> None:
    rng = np.random.default_rng(1)
    xy = clusters(80, 12, rng)
    error = field(xy, 0.0, 5000.0, rng)
    noisy = error + rng.normal(0, 1, len(error))
    found, _ = fit_correlation(places(noisy, xy, label=1.0))
    assert rho(found, 300.0) == pytest.approx(np.exp(-300 / 5000), abs=0.1)
    mistaken, _ = fit_correlation(places(noisy, xy, label=0.0))
    assert rho(mistaken, 300.0) == pytest.approx(0.5, abs=0.1)


def test_a_crowded_square_counts_as_one_place() -> None:
    """Two squares alike and two opposite, both 5 km apart; a hundred places share one end of the first."""
    crowd = np.column_stack([np.linspace(0, 90, 100), np.zeros(100)])
    xy = np.concatenate([crowd, [[5000, 0], [60_500, 0], [65_500, 0]]])
    error = np.concatenate([np.ones(100), [1.0, 1.0, -1.0]])
    seen = correlogram(places(error, xy))
    far = np.searchsorted(CLASS_EDGES_M, 5000.0) - 1
    assert seen.rho[far] == pytest.approx(0, abs=1e-9)
    assert seen.n_pairs[far] <= 4  # 101 pairs, but four squares


def test_distances_are_great_circles() -> None:
    """One degree of latitude is 111.195 km on a sphere of 6,371 km; a quarter of it is 27.8 km."""
    two = PlaceErrors(np.ones(2), np.zeros(2), np.array([[10.0, 60.0], [10.0, 60.25]]), np.zeros(2, np.int64))
    seen = correlogram(two)
    assert seen.distance_m[-1] == pytest.approx(111_194.9 / 4, rel=1e-5)
    assert seen.rho[-1] == 1
    assert np.isnan(seen.rho[:-1]).all()


def test_errors_of_different_years_are_not_compared() -> None:
    rng = np.random.default_rng(2)
    xy = clusters(30, 10, rng)
    both = np.tile(xy, (2, 1)) + np.repeat([[0.0, 0.0], [30.0, 0.0]], 300, axis=0)
    error = np.concatenate([field(xy, 0.0, 5000.0, rng) for _ in range(2)])
    apart, _ = fit_correlation(places(error, both, np.repeat([2019, 2020], 300)))
    mixed, _ = fit_correlation(places(error, both))
    assert rho(apart, 500.0) > 0.8
    assert rho(mixed, 500.0) < 0.7


def test_too_few_near_places_are_taken_for_fully_correlated() -> None:
    xy = np.column_stack([np.arange(30) * 60_000.0, np.zeros(30)])
    found, words = fit_correlation(places(np.random.default_rng(0).normal(size=30), xy))
    assert found == FULLY_CORRELATED
    assert "0 effective pairs" in words
    nobody = PlaceErrors(np.zeros(0), np.zeros(0), np.zeros((0, 2)), np.zeros(0, np.int64))
    assert fit_correlation(nobody)[0] == FULLY_CORRELATED


def test_without_near_pairs_no_nugget_and_no_shorter_range_is_believed() -> None:
    east, north = np.meshgrid(np.arange(15) * 4000.0, np.arange(15) * 4000.0)
    xy = np.column_stack([east.ravel(), north.ravel()])
    found, words = fit_correlation(places(np.random.default_rng(0).normal(size=225), xy))
    assert found.nugget == 0
    assert found.range_m >= 4000 * 0.99
    assert "none within 1 km" in words


def test_the_same_errors_give_the_same_numbers() -> None:
    rng = np.random.default_rng(3)
    xy = clusters(30, 10, rng)
    error = field(xy, 0.2, 4000.0, rng)
    assert fit_correlation(places(error, xy)) == fit_correlation(places(error.copy(), xy.copy()))
