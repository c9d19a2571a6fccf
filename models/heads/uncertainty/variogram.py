"""Variogram: how alike the errors of two places are, by the distance between them.

What is fitted is the correlogram, 1 - variogram / sill, its sill taken from the very pairs of each distance
(the non-ergodic correlogram of Isaaks and Srivastava 1988): close pairs come from crowded places, whose
errors may be larger or smaller than elsewhere. Pairs are weighted so that a crowded square kilometre counts
as one place (cell declustering, Journel 1983).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.heads.candidates.contract import Array, Groups
from models.heads.folds import EARTH_RADIUS_M, block_groups
from monitoring.spatial_error import FULLY_CORRELATED, Correlation

#: Edges of the classes of distance, metres: each twice the one before, up to twice the longest woodland.
CLASS_EDGES_M = np.concatenate([[0.0], 25.0 * 2.0 ** np.arange(12)])
#: Only pairs this near can tell what differs from cell to cell; without them no nugget is believed.
NEAR_M = 1_000.0
#: Edge of the squares that count as one crowded place.
CROWD_M = 1_000.0
#: Effective pairs below which a class says nothing, and classes below which nothing is fitted.
LEAST_PAIRS = 20.0
LEAST_CLASSES = 2
#: Ranges tried, metres: from the nearest class that can be told apart to the size of the Earth, 1 % apart.
LONGEST_RANGE_M = 1e7
RANGE_STEP = 1.01
#: Places of one year that are paired with each other; of more, whole crowded squares are left out by lot.
MOST_PLACES = 6_000
LOT_SEED = 0
#: Rows of the matrix of pairs worked on at a time.
CHUNK = 128


@dataclass(frozen=True)
class PlaceErrors:
    """The mean held-out error of U places in one year each."""

    error: Array
    """(U,) on the scale of the residuals."""
    label: Array
    """(U,) variance of the label error in it."""
    coordinates: Array
    """(U, 2) longitude, latitude in degrees."""
    year: Groups
    """(U,) errors are compared within a year only."""

    def at(self, chosen: NDArray[np.bool_]) -> PlaceErrors:
        """Return some of them."""
        return PlaceErrors(*(each[chosen] for each in vars(self).values()))


@dataclass(frozen=True)
class Correlogram:
    """The correlation of errors in C classes of distance."""

    distance_m: Array
    """(C,) mean distance of the pairs."""
    rho: Array
    """(C,) NaN where no variance is left beside the label error."""
    n_pairs: Array
    """(C,) effective number of pairs by their weights (Kish), at most the crowded squares they lie in."""


def fit_correlation(places: PlaceErrors) -> tuple[Correlation, str]:
    """Return how errors of places correlate, label error apart, and what it rests on in words.

    The cautious answer is errors that are alike everywhere; it is given where too few pairs are near enough.
    Ranges below the distance of the nearest pairs are not believed either.
    """
    seen = told(correlogram(places))
    n_pairs = f"{seen.n_pairs.sum():.0f} effective pairs of places within {CLASS_EDGES_M[-1] / 1000:.0f} km"
    if len(seen.rho) < LEAST_CLASSES:
        return (
            FULLY_CORRELATED,
            f"correlation: {n_pairs} cannot tell it, errors are taken for fully correlated",
        )
    near = bool(seen.distance_m[0] <= NEAR_M)
    caution = "" if near else f", none within {NEAR_M / 1000:.0f} km, so no part is taken for independent"
    return fit_exponential(seen, with_nugget=near), f"correlation: {n_pairs}{caution}"


def told(seen: Correlogram) -> Correlogram:
    """Return the classes that have enough pairs to say something, the nearest first."""
    enough = (seen.n_pairs >= LEAST_PAIRS) & np.isfinite(seen.rho)
    return Correlogram(seen.distance_m[enough], seen.rho[enough], seen.n_pairs[enough])


def fit_exponential(seen: Correlogram, with_nugget: bool) -> Correlation:
    """Return the (1 - nugget) exp(-d / range) nearest to a correlogram, least squares by effective pairs.

    The nugget is taken one standard error below its estimate: too small a one costs a trend its power, too
    large a one makes the mean of a large woodland look certain.
    """
    steps = np.log(LONGEST_RANGE_M / seen.distance_m[0]) / np.log(RANGE_STEP)
    ranges = seen.distance_m[0] * RANGE_STEP ** np.arange(steps)
    decay = np.exp(-seen.distance_m / ranges[:, None])
    weight = seen.n_pairs
    precision = decay**2 @ weight  # the variance of a correlation near 0 is 1 / pairs
    alike = np.clip((decay @ (weight * seen.rho)) / precision, 0.0, 1.0)
    alike = alike if with_nugget else np.ones(len(ranges))
    best = int(np.argmin((seen.rho - alike[:, None] * decay) ** 2 @ weight))
    cautious = min(alike[best] + precision[best] ** -0.5, 1.0)
    return Correlation(nugget=float(1 - cautious), range_m=float(ranges[best]))


def correlogram(places: PlaceErrors) -> Correlogram:
    """Return the correlation of the errors in each class of distance, from pairs of one year."""
    sums = np.zeros((5, len(CLASS_EDGES_M) - 1))
    blocks = np.zeros(sums.shape[1])
    for year in np.unique(places.year):
        found, touched = _sums(_thinned(places.at(places.year == year)))
        sums, blocks = sums + found, blocks + touched
    weight, squared, distance, product, variance = sums
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = np.where(variance > 0, product / variance, np.nan)
        n_pairs = np.where(weight > 0, weight**2 / squared, 0.0)
        return Correlogram(distance / weight, rho, np.minimum(n_pairs, blocks))


def _thinned(places: PlaceErrors) -> PlaceErrors:
    """Return at most `MOST_PLACES` places: whole crowded squares, so that near pairs are kept."""
    crowd = block_groups(places.coordinates, CROWD_M)
    size = np.bincount(crowd)
    order = np.random.default_rng(LOT_SEED).permutation(len(size))
    kept = np.zeros(len(size), bool)
    kept[order] = np.cumsum(size[order]) <= MOST_PLACES
    return places.at(kept[crowd])


def _sums(places: PlaceErrors) -> tuple[Array, Array]:
    """Return (5, C) weighted sums over pairs (1, weight, distance, product, variance) and (C,) squares met.

    The variance of a pair is the mean of its squared errors less the label error in them.
    """
    n_classes = len(CLASS_EDGES_M) - 1
    crowd = block_groups(places.coordinates, CROWD_M)
    weight = 1.0 / np.bincount(crowd)[crowd]
    variance = places.error**2 - places.label
    sums, met = np.zeros((5, n_classes)), np.zeros((n_classes, int(crowd.max(initial=-1)) + 1), bool)
    for i, j, kind, distance in _pairs(places.coordinates):
        w = weight[i] * weight[j]
        product, half = places.error[i] * places.error[j], (variance[i] + variance[j]) / 2
        for row, each in enumerate((w, w * w, w * distance, w * product, w * half)):
            sums[row] += np.bincount(kind, each, n_classes)
        met[kind, crowd[i]] = True
        met[kind, crowd[j]] = True
    return sums, met.sum(axis=1).astype(np.float64)


def _pairs(coordinates: Array) -> Iterator[tuple[Groups, Groups, Groups, Array]]:
    """Yield (first, second, class of distance, great-circle distance in metres) of all pairs near enough."""
    longitude, latitude = np.radians(coordinates).T
    equator = np.cos(latitude)
    points = np.column_stack([equator * np.cos(longitude), equator * np.sin(longitude), np.sin(latitude)])
    for start in range(0, len(points), CHUNK):
        chord_squared = np.maximum(2 - 2 * points[start : start + CHUNK] @ points[start:].T, 0.0)
        distance = 2 * EARTH_RADIUS_M * np.arcsin(np.minimum(np.sqrt(chord_squared) / 2, 1.0))
        i, j = np.nonzero(np.triu(distance < CLASS_EDGES_M[-1], 1))
        near = distance[i, j]
        yield i + start, j + start, np.searchsorted(CLASS_EDGES_M, near, "right") - 1, near
