"""Polygons: what is mended, what is refused, how large a polygon is; pure functions of shapely geometry."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from shapely import MultiPolygon, Polygon

#: Latitudes between which the UTM zones are defined.
MIN_LATITUDE, MAX_LATITUDE = -80.0, 84.0
#: Below this a polygon is taken for a line or a point, hectares (1 m2).
MIN_AREA_HA = 1e-4

_M2_PER_HA = 10_000.0


@dataclass(frozen=True)
class Mended:
    """A usable polygon in degrees, and what was done to make it so."""

    polygon: Polygon | MultiPolygon
    area_ha: float
    repaired: str
    """What was mended; empty where nothing was."""


class UnusablePolygonError(Exception):
    """A geometry that no woodland can be made of; its text is the reason."""


def mend(geometry: Any, max_area_ha: float) -> Mended:
    """Return the polygon (WGS 84) valid and flat; UnusablePolygonError says why none can be had."""
    _refuse_unlike_polygon(geometry)
    flat = shapely.force_2d(geometry)
    _refuse_outside(flat)
    polygon, repaired = _made_valid(flat)
    area_ha = equal_area_ha(polygon)
    if not area_ha >= MIN_AREA_HA:
        raise UnusablePolygonError(f"area {area_ha * _M2_PER_HA:.2g} m2: at least 1 m2 is needed")
    if area_ha > max_area_ha:
        raise UnusablePolygonError(
            f"area {area_ha:.0f} ha: at most {max_area_ha:.0f} ha is taken for a woodland"
        )
    return Mended(polygon, area_ha, repaired)


def _refuse_unlike_polygon(geometry: Any) -> None:
    if geometry is None:
        raise UnusablePolygonError("no geometry")
    if geometry.is_empty:
        raise UnusablePolygonError("empty geometry")
    if not isinstance(geometry, Polygon | MultiPolygon):
        raise UnusablePolygonError(f"a {geometry.geom_type}: a polygon is needed")


def _refuse_outside(geometry: Any) -> None:
    coordinates = shapely.get_coordinates(geometry)
    if not np.isfinite(coordinates).all():
        raise UnusablePolygonError(
            "coordinates that are not finite, or outside the reference system's domain"
        )
    longitude, latitude = np.abs(coordinates[:, 0]).max(), coordinates[:, 1]
    if longitude > 180 or latitude.min() < MIN_LATITUDE or latitude.max() > MAX_LATITUDE:
        raise UnusablePolygonError(
            f"longitude to {longitude:.6g}, latitude {latitude.min():.6g} to {latitude.max():.6g}: outside"
            f" 180 degrees and {MIN_LATITUDE:g} to {MAX_LATITUDE:g}"
        )


def _made_valid(geometry: Polygon | MultiPolygon) -> tuple[Polygon | MultiPolygon, str]:
    if geometry.is_valid:
        return geometry, ""
    reason = shapely.is_valid_reason(geometry)
    # "structure" keeps shells as land and holes as holes; "linework" would turn a nested shell into a hole
    made = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
    parts = [part for part in shapely.get_parts(made) if isinstance(part, Polygon) and not part.is_empty]
    if not parts:
        raise UnusablePolygonError(f"invalid beyond repair: {reason}")
    return (parts[0] if len(parts) == 1 else MultiPolygon(parts)), f"made valid: {reason}"


def equal_area_ha(geometry: Any) -> float:
    """Return the area of a polygon in degrees, hectares, whatever reference system it came in.

    Measured on a Lambert azimuthal equal-area plane centred near the polygon.
    """
    return float(to_equal_area(geometry, geometry).area) / _M2_PER_HA


def to_equal_area(geometry: Any, centred_on: Any) -> Any:
    """Return a geometry in degrees as metres of an equal-area plane."""
    west, south, east, north = centred_on.bounds
    project = _plane(round((west + east) / 2 / 5) * 5, round((south + north) / 2 / 5) * 5).transform
    return shapely.transform(geometry, lambda xy: _columns(project(xy[:, 0], xy[:, 1])))


@lru_cache(maxsize=64)
def _plane(longitude: int, latitude: int) -> Transformer:
    """Return the projection about a point; a few serve a country, and making one costs 20 ms."""
    plane = f"+proj=laea +lat_0={latitude} +lon_0={longitude} +datum=WGS84 +units=m"
    return Transformer.from_crs("EPSG:4326", plane, always_xy=True)


def _columns(axes: tuple[NDArray[np.float64], ...]) -> NDArray[np.float64]:
    return np.column_stack(axes)


def outline_key(geometry: Any) -> bytes:
    """Return bytes that are equal for equal polygons, wherever their rings start (to 1e-7 degrees, 1 cm)."""
    rounded = shapely.transform(geometry, lambda xy: np.round(xy, 7) + 0.0)
    return bytes(shapely.to_wkb(shapely.normalize(rounded), byte_order=1))
