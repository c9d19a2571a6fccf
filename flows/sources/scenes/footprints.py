"""Footprints: the polygon in degrees that a scene's pixels fill, from untrusted outlines."""

from __future__ import annotations

import math
from typing import Any, TypeGuard

import shapely
from shapely.affinity import translate
from shapely.errors import GEOSException

Box = tuple[float, float, float, float]

#: Degrees of longitude that no scene spans: an outline that does has been drawn across the antimeridian.
HALF_TURN = 180.0
#: Numbers this large and larger mean nothing here.
LARGEST = 1e30


def is_number(value: Any) -> TypeGuard[int | float]:
    """True for a finite number that a float can hold; JSON admits whole numbers of any length."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST


def outline_of(geometry: Any) -> shapely.Geometry | None:
    """Return a GeoJSON geometry as a valid polygon with an area, cut at the antimeridian; None for others."""
    try:
        outline = shapely.geometry.shape(geometry)
        polygon = outline if outline.geom_type in ("Polygon", "MultiPolygon") else shapely.Polygon()
        return cut_at_antimeridian(polygon) if _is_usable(polygon) else None
    except (GEOSException, KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
        return None


def outline_of_positions(positions: list[tuple[float, float]]) -> shapely.Geometry | None:
    """Return the polygon through (longitude, latitude) positions; None where they make none."""
    if len(positions) < 4 or not all(math.isfinite(value) for pair in positions for value in pair):
        return None
    unwrapped = shapely.Polygon(_unwrapped(positions))
    return cut_at_antimeridian(unwrapped) if _is_usable(unwrapped) else None


def _is_usable(polygon: shapely.Geometry) -> bool:
    return bool(polygon.is_valid and polygon.area > 0 and all(map(math.isfinite, polygon.bounds)))


def _unwrapped(positions: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the positions with longitudes that run on past 180 where they jump over the antimeridian."""
    longitudes = [longitude for longitude, _ in positions]
    if max(longitudes) - min(longitudes) <= HALF_TURN:
        return positions
    return [(longitude % 360, latitude) for longitude, latitude in positions]


def cut_at_antimeridian(polygon: shapely.Geometry) -> shapely.Geometry:
    """Return the polygon within 180 degrees west to 180 east, in two parts where it reaches over the edge."""
    if polygon.geom_type == "Polygon" and polygon.bounds[2] - polygon.bounds[0] > HALF_TURN:
        redrawn = shapely.Polygon(_unwrapped([(x, y) for x, y, *_ in polygon.exterior.coords]))
        polygon = redrawn if _is_usable(redrawn) else polygon
    if polygon.bounds[0] >= -HALF_TURN and polygon.bounds[2] <= HALF_TURN:
        return polygon
    turns = (translate(polygon, xoff=turn) for turn in (-360, 0, 360))
    return shapely.union_all([turn.intersection(shapely.box(-180, -90, 180, 90)) for turn in turns])


def box_of(value: Any) -> Box | None:
    """Return (west, south, east, north) of a 2-D or 3-D bbox; None where it is not one."""
    if not isinstance(value, list | tuple) or len(value) not in (4, 6):
        return None
    if not all(is_number(v) for v in value):
        return None
    half = len(value) // 2
    west, south, east, north = (float(value[i]) for i in (0, 1, half, half + 1))
    return (west, south, east, north) if west < east and south < north else None
