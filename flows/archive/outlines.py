"""Woodland outlines: irregular blobs scattered over a park without touching, but for one pair."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon
from shapely.affinity import translate

from flows.archive.parks import Park

MEDIAN_HA, LOG_SPREAD = 2.0, 0.62
SMALLEST_HA, LARGEST_HA = 0.45, 7.5
#: Clear ground between two woods, and between a wood and the park's edge.
GAP_M, MARGIN_M = 30.0, 60.0
#: Share of woods that are in two or three pieces, and that have a clearing.
MULTIPART, CLEARING = 0.10, 0.06
#: How far the second wood of the overlapping pair reaches into the first, as a share of their radii.
OVERLAP_REACH = 0.75


def scatter_woods(park: Park, count: int, *, overlap: bool, rng: np.random.Generator) -> tuple[Polygon, ...]:
    """Return `count` polygons or multipolygons in metres of the park's zone, largest placed first.

    With `overlap`, the last one overlaps the third; no other two come nearer than `GAP_M`.
    """
    shapes = sorted((_shape(rng) for _ in range(count)), key=lambda shape: -shape.area)
    placed: list[Polygon] = []
    for shape in shapes[: count - overlap]:
        placed.append(_place(park, shape, placed, rng))
    if overlap:
        placed.append(_place_over(park, shapes[-6], placed, rng))
    return tuple(shapely.set_precision(shape, 0.1) for shape in placed)


def _shape(rng: np.random.Generator) -> Polygon:
    area_ha = float(np.clip(MEDIAN_HA * np.exp(rng.normal(0.0, LOG_SPREAD)), SMALLEST_HA, LARGEST_HA))
    draw = rng.uniform()
    if draw < MULTIPART and area_ha > 1.0:
        return _in_pieces(area_ha, rng)
    blob = _blob(area_ha, rng)
    return _with_clearing(blob, rng) if draw > 1.0 - CLEARING and area_ha > 2.0 else blob


def _blob(area_ha: float, rng: np.random.Generator) -> Polygon:
    """A closed outline about the origin: a circle bent by five random harmonics, of exactly that area."""
    angle = np.linspace(0.0, 2.0 * np.pi, 48, endpoint=False)
    harmonics = np.arange(1, 6)
    size = rng.normal(0.0, 0.16, 5) / np.sqrt(harmonics)
    phase = rng.uniform(0.0, 2.0 * np.pi, 5)
    radius = np.exp((size * np.cos(np.outer(angle, harmonics) + phase)).sum(axis=1))
    stretch = np.exp(rng.normal(0.0, 0.22))
    corners = np.column_stack([radius * np.cos(angle) * stretch, radius * np.sin(angle) / stretch])
    return _scaled(corners, area_ha)


def _scaled(corners: NDArray[np.float64], area_ha: float) -> Polygon:
    unit = Polygon(corners)
    centred = corners - np.asarray(unit.centroid.coords[0])
    return Polygon(centred * np.sqrt(area_ha * 10_000.0 / unit.area))


def _in_pieces(area_ha: float, rng: np.random.Generator) -> MultiPolygon:
    shares = rng.dirichlet(np.full(int(rng.integers(2, 4)), 6.0))
    pieces: list[Polygon] = []
    east = 0.0
    for share in shares:
        blob = _blob(float(area_ha * share), rng)
        west, _, right, _ = blob.bounds
        pieces.append(translate(blob, east - west, rng.uniform(-30.0, 30.0)))
        east += right - west + rng.uniform(12.0, 35.0)
    return MultiPolygon(pieces)


def _with_clearing(blob: Polygon, rng: np.random.Generator) -> Polygon:
    clearing = translate(_blob(blob.area / 10_000.0 * 0.06, rng), *blob.representative_point().coords[0])
    return blob.difference(clearing.buffer(0.0)) if blob.contains(clearing) else blob


def _place(park: Park, shape: Polygon, placed: Sequence[Polygon], rng: np.random.Generator) -> Polygon:
    while True:
        candidate = translate(shape, *_random_point(park, rng))
        if _fits(park, candidate, placed):
            return candidate


def _place_over(park: Park, shape: Polygon, placed: Sequence[Polygon], rng: np.random.Generator) -> Polygon:
    first, others = placed[2], [*placed[:2], *placed[3:]]
    reach = OVERLAP_REACH * (np.sqrt(first.area / np.pi) + np.sqrt(shape.area / np.pi))
    while True:
        angle = rng.uniform(0.0, 2.0 * np.pi)
        x, y = first.centroid.coords[0]
        candidate = translate(shape, x + reach * np.cos(angle), y + reach * np.sin(angle))
        if (
            _fits(park, candidate, others)
            and 0.05 < candidate.intersection(first).area / candidate.area < 0.5
        ):
            return candidate


def _random_point(park: Park, rng: np.random.Generator) -> tuple[float, float]:
    west, south, east, north = park.bounds_m
    return float(rng.uniform(west, east)), float(rng.uniform(south, north))


def _fits(park: Park, candidate: Polygon, placed: Sequence[Polygon]) -> bool:
    ground = shapely.box(*park.bounds_m).buffer(-MARGIN_M)
    return bool(ground.contains(candidate)) and all(candidate.distance(wood) >= GAP_M for wood in placed)
