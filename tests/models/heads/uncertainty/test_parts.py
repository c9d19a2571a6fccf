"""The parts of an error: planted shares come back, and what cannot be told is said and taken cautiously."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.heads.uncertainty.parts import LARGEST_LABEL_SHARE, error_parts, repetitions
from monitoring.errors import ModelError
from monitoring.spatial_error import FULLY_CORRELATED

from .planted_errors import Plant, clusters

NAN = float("nan")


@pytest.mark.parametrize(
    "plant",
    [
        Plant(),
        Plant(label=0.6, place=0.1, year=0.3),
        Plant(label=0.1, place=0.8, year=0.1),
        Plant(label=0.0, place=0.5, year=0.5),
    ],
)
def test_planted_shares_come_back_from_unequal_numbers_of_samples(plant: Plant) -> None:
    rng = np.random.default_rng(8)
    s = plant.samples(clusters(60, 10, rng), n_years=3, most=3, rng=rng)
    found = error_parts(s.residual, s.coordinates, s.year, np.zeros(len(s.year)))
    assert found.label == pytest.approx(plant.label, abs=0.06)
    assert found.place == pytest.approx(plant.place, abs=0.1)
    assert found.year == pytest.approx(plant.year, abs=0.08)
    assert 1 <= found.label + found.place + found.year <= 1.1


def test_the_years_part_is_rather_too_large_than_too_small() -> None:
    rng, plant, found = np.random.default_rng(9), Plant(), []
    for _ in range(20):
        s = plant.samples(clusters(30, 3, rng), n_years=2, most=1, rng=rng)
        found.append(error_parts(s.residual, s.coordinates, s.year, np.full(len(s.year), 0.3)).year)
    assert np.mean(np.array(found) >= plant.year) >= 0.7
    assert np.mean(found) < 2 * plant.year


def test_halves_of_squared_differences_by_eye() -> None:
    """Place 0: 1 and 3 in 2019, 7 in 2020. Place 1: once in each year. Place 2: no year."""
    residual = np.array([1.0, 3.0, 7.0, 0.0, 2.0, 5.0, 9.0])
    place = np.array([0, 0, 0, 1, 1, 2, 2])
    year = np.array([2019, 2019, 2020, 2019, 2020, -1, -1])
    same, other = repetitions(residual, place, year)
    assert (same.n_pairs, same.half_square.tolist()) == (1, [2.0])
    assert (other.n_pairs, other.half_square.tolist()) == (3, [(36 + 16) / 4, 2.0])


def test_a_crowded_place_counts_once() -> None:
    """Eleven places agree to 0.02, one of 200 samples scatters: its 19,900 pairs are one voice in twelve."""
    rng = np.random.default_rng(0)
    calm = np.repeat(rng.normal(0, 3, 11), 2) + np.tile([0.1, -0.1], 11)
    wild = rng.normal(0, 2, 200)
    where = np.concatenate([np.repeat(np.arange(11), 2), np.full(200, 11)]).astype(float)
    residual, coordinates = np.concatenate([calm, wild]), np.column_stack([where, np.full(222, 50.0)])
    same, _ = repetitions(residual, where.astype(int), np.full(222, 2020))
    assert same.n_pairs == 11 + 200 * 199 // 2
    assert same.mean == pytest.approx((11 * 0.02 + wild.var(ddof=1)) / 12)
    found = error_parts(residual, coordinates, np.full(222, 2020), np.zeros(222))
    assert found.label < 0.2


def test_samples_within_one_cell_are_at_one_place() -> None:
    """1e-6 degrees are 0.1 m; 1e-3 degrees are 111 m."""
    base = np.array([[k + 0.5, 50.0] for k in range(20) for _ in range(2)])
    beside = np.tile([[0.0, 0.0], [1.0, 1.0]], (20, 1))
    residual, year = np.tile([1.0, -1.0], 20), np.full(40, 2020)
    near = error_parts(residual, base + 1e-6 * beside, year, np.zeros(40))
    far = error_parts(residual, base + 1e-3 * beside, year, np.zeros(40))
    assert near.label > 0.9
    assert far.label == 0


def test_without_replicates_the_label_error_is_the_models() -> None:
    rng = np.random.default_rng(1)
    coordinates = np.column_stack([np.arange(100.0), np.full(100, 50.0)])
    residual = rng.normal(size=100)
    found = error_parts(residual, coordinates, np.full(100, 2020), np.full(100, 0.25))
    assert found.label == pytest.approx(0.25 / np.mean(residual**2))
    assert "label-error model" in found.evidence
    unknown = error_parts(residual, coordinates, np.full(100, 2020), np.zeros(100))
    assert unknown.label == 0
    assert "none stated" in unknown.evidence


def test_where_no_place_was_sampled_in_two_years_all_the_rest_is_taken_to_vary() -> None:
    rng = np.random.default_rng(2)
    s = Plant().samples(clusters(40, 5, rng), n_years=1, most=3, rng=rng)
    found = error_parts(s.residual, s.coordinates, s.year, np.zeros(len(s.year)))
    assert found.place == pytest.approx(0, abs=1e-12)
    assert found.year == pytest.approx(1 - found.label)
    assert "0 pairs of samples at 0 places in different years, needs 10 places" in found.evidence


def test_samples_without_a_year_tell_neither_label_nor_year() -> None:
    rng = np.random.default_rng(2)
    s = Plant().samples(clusters(40, 5, rng), n_years=3, most=3, rng=rng)
    found = error_parts(s.residual, s.coordinates, np.full(len(s.year), -1), np.zeros(len(s.year)))
    assert (found.label, found.place, found.year) == (0, pytest.approx(0, abs=1e-12), pytest.approx(1))
    assert "without a year taken for one year" in found.evidence


def test_without_coordinates_nothing_is_told_and_errors_are_fully_correlated() -> None:
    residual = np.random.default_rng(0).normal(size=60)
    found = error_parts(residual, np.full((60, 2), NAN), np.full(60, 2020), np.full(60, 0.2))
    assert found.correlation == FULLY_CORRELATED
    assert found.year == pytest.approx(1 - found.label)


def test_a_bias_shared_by_all_stays_with_the_place() -> None:
    rng = np.random.default_rng(3)
    s = Plant(place=0.0, year=0.4, label=0.6).samples(clusters(40, 5, rng), n_years=3, most=3, rng=rng)
    found = error_parts(s.residual + 3.0, s.coordinates, s.year, np.zeros(len(s.year)))
    assert found.place > 0.8


def test_label_error_never_explains_everything() -> None:
    residual = np.random.default_rng(0).normal(size=60)
    coordinates = np.column_stack([np.arange(60.0), np.full(60, 50.0)])
    found = error_parts(residual, coordinates, np.full(60, 2020), np.full(60, 50.0))
    assert found.label == pytest.approx(LARGEST_LABEL_SHARE)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 120), st.integers(1, 30), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_shares_are_shares_whatever_the_samples(n: int, n_places: int, n_years: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    coordinates = rng.uniform([0, 50], [0.2, 50.2], (n_places, 2))[rng.integers(0, n_places, n)]
    year = rng.integers(2018, 2018 + n_years, n)
    found = error_parts(rng.standard_t(2, n), coordinates, year, rng.uniform(0, 2, n))
    shares = np.array([found.label, found.place, found.year])
    assert 1 - 1e-9 <= shares.sum() <= 1 + found.year
    assert (shares >= -1e-12).all()
    assert np.isfinite(found.correlation.range_m)


def test_errors_of_nothing_at_all_are_no_parts() -> None:
    found = error_parts(np.zeros(20), np.zeros((20, 2)), np.full(20, 2020), np.zeros(20))
    assert (found.label, found.place, found.year) == (0, 0, 1)


def test_a_missing_error_is_refused() -> None:
    residual = np.array([1.0, NAN, 2.0])
    with pytest.raises(ModelError, match="1 of 3 held-out errors are missing"):
        error_parts(residual, np.zeros((3, 2)), np.full(3, 2020), np.zeros(3))
