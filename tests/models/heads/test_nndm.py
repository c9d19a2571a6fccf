"""Matched folds: held-out samples as far from training as the map is from the samples."""

from __future__ import annotations

import numpy as np
import pytest
from sample_places import DEGREE_M, haversine_m, places, villages

from models.heads.folds import deal, random_folds
from models.heads.nndm import (
    bounding_grid,
    held_out_distances_m,
    matched_folds,
    place_clusters,
    prediction_distances_m,
)


def test_held_out_distances_are_the_textbook_ones() -> None:
    coordinates = np.random.default_rng(1).uniform(-20, 60, (40, 2))
    folds = random_folds(40, seed=2)
    apart = haversine_m(coordinates, coordinates)
    apart[folds.fold[:, None] == folds.fold[None, :]] = np.inf
    assert held_out_distances_m(coordinates, folds) == pytest.approx(apart.min(axis=1), rel=1e-9)


def test_prediction_distances_are_to_the_nearest_sample() -> None:
    samples, ahead = places((0, 0), (10_000, 0)), places((1_000, 0), (9_500, 0), (10_000, 7_000))
    assert prediction_distances_m(samples, ahead) == pytest.approx([1_000, 500, 7_000], rel=1e-6)


def test_a_map_far_from_the_samples_gets_folds_far_apart_and_a_near_one_near() -> None:
    coordinates = villages()
    generator = np.random.default_rng(3)
    near = coordinates + generator.normal(0, 100, coordinates.shape) / DEGREE_M
    far = generator.uniform(-200_000, 200_000, (500, 2)) / DEGREE_M
    beside, apart = matched_folds(coordinates, near, 5), matched_folds(coordinates, far, 5)
    assert beside.held_out_m < 500
    assert apart.held_out_m == pytest.approx(apart.prediction_m, rel=0.5)
    assert apart.held_out_m > 10_000
    assert apart.groups.max() < beside.groups.max()


def test_matched_folds_are_nearer_to_the_map_than_random_ones() -> None:
    coordinates = villages()
    found = matched_folds(coordinates, bounding_grid(coordinates), 5)
    random_m = held_out_distances_m(coordinates, random_folds(len(coordinates), 1)).mean()
    assert abs(found.held_out_m - found.prediction_m) < 0.5 * abs(random_m - found.prediction_m)


def test_groups_are_dealt_out_whole_and_no_fold_holds_most_samples() -> None:
    coordinates = villages()
    found = matched_folds(coordinates, bounding_grid(coordinates), 5)
    pairs = np.unique(np.column_stack([found.groups, found.folds.fold]), axis=0)
    assert len(pairs) == found.groups.max() + 1
    assert np.bincount(found.folds.fold).max() <= 0.5 * len(coordinates)


def test_samples_of_one_place_stay_together_even_for_a_map_of_the_places() -> None:
    coordinates = np.repeat(places(*((1000 * i, 0) for i in range(12))), 4, axis=0)
    found = matched_folds(coordinates, coordinates, 3)
    assert held_out_distances_m(coordinates, found.folds).min() > 999


def test_places_that_tie_still_make_folds() -> None:
    square = places((0, 0), (1000, 0), (0, 1000), (1000, 1000))
    found = matched_folds(square, bounding_grid(square), 2)
    assert found.folds.n_folds == 2


def test_the_grid_fills_the_box_evenly_by_area() -> None:
    grid = bounding_grid(np.array([[-10.0, 0.0], [30.0, 60.0]]))
    assert 1800 < len(grid) < 2200
    assert (grid.min(axis=0) > [-10, 0]).all()
    assert (grid.max(axis=0) < [30, 60]).all()
    south_of_30 = np.mean(grid[:, 1] < 30)
    assert south_of_30 == pytest.approx(np.sin(np.radians(30)) / np.sin(np.radians(60)), abs=0.02)


def test_the_grid_crosses_the_antimeridian_instead_of_the_globe() -> None:
    grid = bounding_grid(np.array([[179.0, 0.0], [-179.0, 2.0], [180.0, 1.0]]))
    assert (np.abs(grid[:, 0]) >= 179).all()
    assert {-1.0, 1.0} == set(np.sign(grid[:, 0]))


@pytest.mark.parametrize("edge", [[[5.0, 50.0], [5.0, 51.0]], [[5.0, 50.0], [6.0, 50.0]], [[0, 90], [7, 90]]])
def test_a_box_without_extent_is_a_line_or_a_point(edge: list[list[float]]) -> None:
    grid = bounding_grid(np.array(edge, np.float64))
    assert np.isfinite(grid).all()
    assert len(grid) in (1, 2000)


def test_clusters_of_places_count_a_crowded_place_once() -> None:
    coordinates = places(*([(0, 0)] * 50), (100, 0), (90_000, 0), (90_100, 0))
    assert list(place_clusters(coordinates, 2)[[0, 49, 50, 51, 52]]) in ([0, 0, 0, 1, 1], [1, 1, 1, 0, 0])


def test_more_places_than_can_be_clustered_are_gathered_in_cells_first() -> None:
    coordinates = np.random.default_rng(1).uniform(0, 1, (5000, 2))
    clusters = place_clusters(coordinates, 5)
    assert clusters.max() == 4
    spread = [np.ptp(coordinates[clusters == number], axis=0).max() for number in range(5)]
    assert max(spread) < 1
    assert deal(clusters, 5, "clusters").n_groups == 5
