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


def random_folds(n: int, seed: int, n_folds: int = 5) -> Folds:
    """Return folds of equal size that ignore place: the flattering split, shown beside the spatial one."""
    fold = np.random.default_rng(seed).permutation(n) % n_folds
    return Folds(fold.astype(np.int64), n_folds, n, "random")


def linked_groups(coordinates: Coordinates, distance_m: float) -> Groups:
    """Return (n,) group numbers: connected components of samples at most `distance_m` apart.

    coordinates (n, 2) longitude, latitude in degrees; great-circle distance. Exact, and memory grows with
    n, however many samples lie that near to one another.
    """
    places, position = distinct_places(coordinates)
    reach = 2 * np.sin(min(distance_m / (2 * EARTH_RADIUS_M), np.pi / 2))
    return _components(on_unit_sphere(places), reach)[position]


def _components(points: Coordinates, reach: float) -> Groups:
    """Return (n,) connected components of points (n, 3) at most `reach` apart.

    Points of one cell are all that near, so only cells have to be linked, not pairs of points.
    """
    cells, cell = cell_numbers(points, reach / np.sqrt(points.shape[1]))
    links = np.array(list(_links(points, cells, cell, reach)), np.int64).reshape(-1, 2)
    graph = sparse.coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), (len(cells),) * 2)
    _, component = connected_components(graph, directed=False)
    return np.asarray(component[cell], np.int64)


def _links(points: Coordinates, cells: Coordinates, cell: Groups, reach: float) -> Iterator[tuple[int, int]]:
    """Yield pairs of cells that hold two points at most `reach` apart."""
    members = np.split(np.argsort(cell, kind="stable"), np.cumsum(np.bincount(cell))[:-1])
    # A diagonal of one cell is `reach`: no point reaches beyond the second neighbour.
    near = cKDTree(cells).query_pairs(2, p=np.inf, output_type="ndarray")
    near = near[np.argsort(near[:, 0], kind="stable")]
    firsts, starts = np.unique(near[:, 0], return_index=True)
    ends = starts + np.bincount(near[:, 0])[firsts]
    for first, start, end in zip(firsts, starts, ends, strict=True):
        seconds = near[start:end, 1]
        around = np.concatenate([members[second] for second in seconds])
        tree = cKDTree(points[members[first]])
        apart, _ = tree.query(points[around], distance_upper_bound=np.nextafter(reach, np.inf))
        yield from ((int(first), int(second)) for second in np.unique(cell[around[np.isfinite(apart)]]))


def cell_numbers(points: Coordinates, edge: float) -> tuple[Coordinates, Groups]:
    """Return the occupied cells (m, d), as whole numbers of edges, and the cell (n,) of each point (n, d)."""
    cells, cell = np.unique(np.floor(points / edge), axis=0, return_inverse=True)
    return cells, np.asarray(cell.ravel(), np.int64)


def block_groups(coordinates: Coordinates, size_m: float) -> Groups:
    """Return (n,) group numbers: squares of `size_m` on the sinusoidal (equal-area) plane."""
    longitude, latitude = np.radians(coordinates).T
    plane = EARTH_RADIUS_M * np.column_stack([longitude * np.cos(latitude), latitude])
    return cell_numbers(plane, size_m)[1]


def deal(groups: Groups, n_folds: int, method: str) -> Folds:
    """Return folds made by giving whole groups, largest first, to the fold that is smallest so far."""
    sizes = np.bincount(groups)
    filled = np.zeros(n_folds, np.int64)
    fold_of_group = np.zeros(len(sizes), np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        fold_of_group[group] = np.argmin(filled)
        filled[fold_of_group[group]] += sizes[group]
    return Folds(fold_of_group[groups], n_folds, len(sizes), method, _caution(sizes, filled))


def _caution(group_sizes: Groups, fold_sizes: Groups) -> str:
    """Return what keeps the folds from being equal, or an empty string."""
    n_folds, n = len(fold_sizes), group_sizes.sum()
    for name, share in (("group", group_sizes.max() / n), ("fold", fold_sizes.max() / n)):
        if share > TOLERATED_IMBALANCE / n_folds:
            return (
                f"the largest {name} holds {share:.0%} of the samples, more than one fold of {n_folds} should"
            )
    return ""


def largest_share(folds: Folds) -> float:
    """Return the share of the samples in the largest fold: 1 / n_folds at best."""
    return float(np.bincount(folds.fold).max() / len(folds.fold))


def refuse_coordinates(coordinates: Coordinates, name: str = "coordinates") -> None:
    """Raise ModelError where these are not (n, 2) finite longitude, latitude in degrees."""
    if coordinates.ndim != 2 or coordinates.shape[1] != 2 or not np.isfinite(coordinates).all():
        raise ModelError(f"{name}: expected finite (n, 2) longitude, latitude; got {coordinates.shape}")
    if np.any(np.abs(coordinates) > [180.0, 90.0]):
        raise ModelError(f"{name}: expected degrees (longitude, latitude); a value is beyond 180, 90")


def distinct_places(coordinates: Coordinates) -> tuple[Coordinates, Groups]:
    """Return the places (m, 2) among coordinates (n, 2), and the number (n,) of each sample's place.

    A pole is one place whatever its longitude, and the antimeridian is one line.
    """
    longitude, latitude = coordinates.T
    longitude = np.where(longitude == 180.0, -180.0, longitude)
    longitude = np.where(np.abs(latitude) == 90.0, 0.0, longitude)
    places, place = np.unique(np.column_stack([longitude, latitude]), axis=0, return_inverse=True)
    return places, np.asarray(place.ravel(), np.int64)


def on_unit_sphere(coordinates: Coordinates) -> Coordinates:
    """Return longitude, latitude (n, 2) as points (n, 3), whose straight distances order as great circles."""
    longitude, latitude = np.radians(coordinates).T
    return np.column_stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
    )
