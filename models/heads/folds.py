"""Folds for cross-validation whose members keep a distance, so that a score is about places not yet seen.

Soil samples crowd at few places; a random split puts near-copies of a sample on both sides and flatters
the model (Ploton et al. 2020, Nature Communications 11:4540).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from monitoring.errors import ModelError

#: Mean radius of the Earth, metres (IUGG), as in the haversine distance.
EARTH_RADIUS_M = 6_371_000.0
#: Distances tried for the default folds, metres, the strictest first.
LINK_DISTANCES_M = (50_000.0, 20_000.0, 10_000.0, 5_000.0, 2_000.0, 1_000.0)
#: Block edges tried where samples chain so densely that no link distance parts them.
BLOCK_SIZES_M = (50_000.0, 20_000.0, 10_000.0, 5_000.0, 2_000.0, 1_000.0, 500.0, 200.0, 100.0)
#: The largest fold may hold this many times an equal share before a smaller distance is tried.
TOLERATED_IMBALANCE = 1.5

Groups = NDArray[np.int64]
Coordinates = NDArray[np.float64]


@dataclass(frozen=True)
class Folds:
    """Which fold each of n samples is held out in, and how the folds were made."""

    fold: Groups
    """(n,) 0 .. n_folds - 1."""
    n_folds: int
    n_groups: int
    """Groups that were dealt out whole; samples at one coordinate are always in one group."""
    method: str
    """`linked within 2000 m`, `blocks of 500 m`, `random`."""
    caution: str = ""
    """What is wrong with the balance; empty where nothing is."""

    def splits(self) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
        """Yield (training, held out), each (n,) and True for members, fold by fold."""
        for number in range(self.n_folds):
            held_out = self.fold == number
            yield ~held_out, held_out


def spatial_folds(coordinates: Coordinates, n_folds: int = 5) -> Folds:
    """Return the strictest spatial folds that are still balanced; ModelError with fewer places than folds.

    coordinates (n, 2) longitude, latitude in degrees. First choice: samples linked within 50 km ... 1 km are
    never parted, so every held-out sample is at least that far from training. Where they chain into one:
    square blocks. A distance counts as balanced when no fold exceeds 1.5 equal shares.
    """
    places = _places(coordinates, n_folds)
    candidates: list[Folds] = []
    for method, groups in _groupings(coordinates):
        folds = deal(groups, n_folds, method)
        if folds.n_groups >= n_folds:
            candidates.append(folds)
            if _largest_share(folds) <= TOLERATED_IMBALANCE / n_folds:
                return folds
    candidates.append(deal(places, n_folds, "one group per coordinate"))
    return min(candidates, key=_largest_share)


def random_folds(n: int, seed: int, n_folds: int = 5) -> Folds:
    """Return folds of equal size that ignore place: the flattering split, shown beside the spatial one."""
    fold = np.random.default_rng(seed).permutation(n) % n_folds
    return Folds(fold.astype(np.int64), n_folds, n, "random")


def linked_groups(coordinates: Coordinates, distance_m: float) -> Groups:
    """Return (n,) group numbers: connected components of samples at most `distance_m` apart.

    coordinates (n, 2) longitude, latitude in degrees; great-circle distance. Memory grows with the number of
    pairs of places that near: 16 bytes each.
    """
    places, position = np.unique(coordinates, axis=0, return_inverse=True)
    chord = 2 * np.sin(min(distance_m / (2 * EARTH_RADIUS_M), np.pi / 2))
    pairs = cKDTree(_on_unit_sphere(places)).query_pairs(chord, output_type="ndarray")
    links = sparse.coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), (len(places),) * 2)
    _, component = connected_components(links, directed=False)
    return np.asarray(component[position.ravel()], np.int64)


def block_groups(coordinates: Coordinates, size_m: float) -> Groups:
    """Return (n,) group numbers: squares of `size_m` on the sinusoidal (equal-area) plane."""
    longitude, latitude = np.radians(coordinates).T
    plane = EARTH_RADIUS_M * np.column_stack([longitude * np.cos(latitude), latitude])
    return _number(np.floor(plane / size_m))


def deal(groups: Groups, n_folds: int, method: str) -> Folds:
    """Return folds made by giving whole groups, largest first, to the fold that is smallest so far."""
    sizes = np.bincount(groups)
    filled = np.zeros(n_folds, np.int64)
    fold_of_group = np.zeros(len(sizes), np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        fold_of_group[group] = np.argmin(filled)
        filled[fold_of_group[group]] += sizes[group]
    return Folds(fold_of_group[groups], n_folds, len(sizes), method, _caution(sizes, n_folds))


def _caution(sizes: Groups, n_folds: int) -> str:
    share = sizes.max() / sizes.sum()
    if share <= TOLERATED_IMBALANCE / n_folds:
        return ""
    return f"the largest group holds {share:.0%} of the samples, more than one fold of {n_folds} should"


def _largest_share(folds: Folds) -> float:
    return float(np.bincount(folds.fold).max() / len(folds.fold))


def _groupings(coordinates: Coordinates) -> Iterator[tuple[str, Groups]]:
    for distance_m in LINK_DISTANCES_M:
        yield f"linked within {distance_m:.0f} m", linked_groups(coordinates, distance_m)
    for size_m in BLOCK_SIZES_M:
        yield f"blocks of {size_m:.0f} m", block_groups(coordinates, size_m)


def _places(coordinates: Coordinates, n_folds: int) -> Groups:
    if coordinates.ndim != 2 or coordinates.shape[1] != 2 or not np.isfinite(coordinates).all():
        raise ModelError(f"coordinates: expected finite (n, 2) longitude, latitude; got {coordinates.shape}")
    if np.any(np.abs(coordinates) > [180.0, 90.0]):
        raise ModelError("coordinates: expected degrees (longitude, latitude); a value is beyond 180, 90")
    places = _number(coordinates)
    n_places = int(places.max(initial=-1)) + 1
    if n_places < n_folds:
        raise ModelError(f"spatial folds: {n_places} distinct places cannot fill {n_folds} folds")
    return places


def _number(rows: NDArray[np.float64]) -> Groups:
    _, number = np.unique(rows, axis=0, return_inverse=True)
    return np.asarray(number.ravel(), np.int64)


def _on_unit_sphere(coordinates: Coordinates) -> Coordinates:
    longitude, latitude = np.radians(coordinates).T
    return np.column_stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
    )
