"""Folds as far from training as the map is: k-fold nearest-neighbour distance matching.

A score is about a map when held-out samples lie as far from their training samples as the places to be
predicted lie from all samples (Milà et al. 2022, Methods Ecol Evol 13:1304). Of many ways to group the
places, from a few large clusters to every place by itself, the one is taken whose distances come nearest in
distribution, by the Wasserstein distance (Linnenbrink et al. 2024, Geosci Model Dev 17:5897).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, ward
from scipy.spatial import cKDTree
from scipy.stats import wasserstein_distance

from models.heads.folds import (
    EARTH_RADIUS_M,
    Coordinates,
    Folds,
    Groups,
    cell_numbers,
    deal,
    distinct_places,
    largest_share,
    on_unit_sphere,
)

#: Places clustered at most; more are first gathered in cells: clustering takes their square in memory.
MAX_CLUSTERED = 4_000
#: Edge of the first cells tried, metres; doubled until few enough are occupied.
FIRST_CELL_M = 100.0
#: Numbers of clusters tried, from the number of folds to the number of places, evenly on a log scale.
N_TRIED = 40
#: No fold holds more of the samples than this where it can be helped (Linnenbrink et al. 2024).
MAX_FOLD_SHARE = 0.5
#: Prediction places looked at; of more, an even stride.
MAX_PREDICTION_PLACES = 10_000
#: Places of the grid that stands in for prediction places.
N_GRID = 2_000

Metres = NDArray[np.float64]


@dataclass(frozen=True)
class Matched:
    """Folds of n samples and how near their distances come to those of the map."""

    groups: Groups
    """(n,) clusters of places, dealt out whole."""
    folds: Folds
    wasserstein_m: float
    """Mean shift between the two distributions, metres."""
    held_out_m: float
    """Mean distance from a held-out sample to the nearest training sample."""
    prediction_m: float
    """Mean distance from a prediction place to the nearest sample."""


def matched_folds(coordinates: Coordinates, prediction_places: Coordinates, n_folds: int) -> Matched:
    """Return the folds whose held-out distances are nearest in distribution to the prediction distances.

    coordinates (n, 2) and prediction_places (m, 2) in degrees; n_folds at most the number of distinct
    places. Distances are great circles, each sample and each prediction place counts once. Samples of one
    place stay together even where the map is that near, so distances of zero are never matched.
    """
    prediction_m = prediction_distances_m(coordinates, prediction_places)
    tried = [
        _matched(coordinates, groups, n_folds, prediction_m) for groups in _groupings(coordinates, n_folds)
    ]
    balanced = [each for each in tried if largest_share(each.folds) <= MAX_FOLD_SHARE]
    return min(balanced or tried, key=lambda each: each.wasserstein_m)


def held_out_distances_m(coordinates: Coordinates, folds: Folds) -> Metres:
    """Return (n,) great-circle distances from each sample, when held out, to the nearest training sample."""
    points = on_unit_sphere(coordinates)
    distance = np.full(len(points), np.nan)
    for training, held_out in folds.splits():
        distance[held_out] = _nearest_m(points[held_out], points[training])
    return distance


def prediction_distances_m(coordinates: Coordinates, prediction_places: Coordinates) -> Metres:
    """Return great-circle distances from at most 10,000 prediction places to the nearest sample."""
    stride = -(-len(prediction_places) // MAX_PREDICTION_PLACES)
    return _nearest_m(on_unit_sphere(prediction_places[::stride]), on_unit_sphere(coordinates))


def bounding_grid(coordinates: Coordinates) -> Coordinates:
    """Return about 2,000 places of equal area in the bounding box of the samples, sea or land.

    The box is the narrowest in longitude, across the antimeridian where that is narrower.
    """
    places, _ = distinct_places(coordinates)
    longitude, latitude = np.unique(places[:, 0]), np.radians(places[:, 1])
    gaps = np.diff(longitude, append=longitude[0] + 360)
    west, width = longitude[(np.argmax(gaps) + 1) % len(longitude)], 360 - gaps.max()
    south, north = np.sin([latitude.min(), latitude.max()])
    middle = np.cos(np.mean([latitude.min(), latitude.max()]))
    n_columns, n_rows = _grid_shape(np.radians(width) * middle, np.ptp(latitude))
    east = west + width * _middles(n_columns)
    up = np.degrees(np.arcsin(south + (north - south) * _middles(n_rows)))
    columns, rows = np.meshgrid((east + 180) % 360 - 180, up)
    return np.column_stack([columns.ravel(), rows.ravel()])


def place_clusters(coordinates: Coordinates, n_clusters: int) -> Groups:
    """Return (n,) numbers of compact clusters of the distinct places, each place counting once.

    Ward's clusters on the sphere; fewer than asked where distances tie.
    """
    return next(_cuts(coordinates, [n_clusters]))


def _cuts(coordinates: Coordinates, numbers: list[int]) -> Iterator[Groups]:
    """Yield the clusters of one tree, cut into each of some numbers of clusters."""
    places, place = distinct_places(coordinates)
    centres, leaf = _leaves(on_unit_sphere(places))
    tree = ward(centres) if len(centres) > 1 else np.empty((0, 4))
    for number in numbers:
        cluster = fcluster(tree, number, "maxclust") if len(tree) else np.ones(1)
        yield np.unique(cluster[leaf][place], return_inverse=True)[1].astype(np.int64)


def _leaves(points: Coordinates) -> tuple[Coordinates, Groups]:
    """Return centres (m, 3) of at most 4,000 cells of points (n, 3), and the cell (n,) of each."""
    cell = np.arange(len(points))
    edge_m = FIRST_CELL_M
    while cell.max() >= MAX_CLUSTERED:
        _, cell = cell_numbers(points, edge_m / EARTH_RADIUS_M)
        edge_m *= 2
    sums = [np.bincount(cell, weights=axis) for axis in points.T]
    return np.column_stack(sums) / np.bincount(cell)[:, None], cell


def _groupings(coordinates: Coordinates, n_folds: int) -> Iterator[Groups]:
    places, place = distinct_places(coordinates)
    numbers = np.geomspace(n_folds, len(places), N_TRIED).round().astype(int)
    cuts = _cuts(coordinates, [int(number) for number in np.unique(numbers)])
    yield from (groups for groups in cuts if groups.any())
    yield place


def _matched(coordinates: Coordinates, groups: Groups, n_folds: int, prediction_m: Metres) -> Matched:
    n_groups = int(groups.max()) + 1
    folds = deal(groups, min(n_folds, n_groups), f"distances matched with {n_groups} groups")
    held_out_m = held_out_distances_m(coordinates, folds)
    shift_m = float(wasserstein_distance(held_out_m, prediction_m))
    return Matched(groups, folds, shift_m, float(held_out_m.mean()), float(prediction_m.mean()))


def _nearest_m(points: Coordinates, among: Coordinates) -> Metres:
    """Return the great-circle distance from each point (n, 3) of the unit sphere to the nearest of others."""
    chord, _ = cKDTree(among).query(points)
    return np.asarray(2 * EARTH_RADIUS_M * np.arcsin(np.minimum(chord / 2, 1)))


def _grid_shape(width: float, height: float) -> tuple[int, int]:
    """Return (columns, rows) of about square cells; one where the box has no extent."""
    if width <= 0 or height <= 0:
        return (N_GRID if width > 0 else 1), (N_GRID if height > 0 else 1)
    columns = int(np.clip(round(np.sqrt(N_GRID * width / height)), 1, N_GRID))
    return columns, max(N_GRID // columns, 1)


def _middles(n: int) -> NDArray[np.float64]:
    return (np.arange(n) + 0.5) / n
