"""Where things are: a plane for a map, and the British grid reference a person on foot can use."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

#: Mean radius of the Earth, metres (IUGG 1980).
EARTH_RADIUS_M = 6_371_008.8

#: Letters of the 500 km and 100 km squares of the British National Grid (no I).
_LETTERS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Plane:
    """An equirectangular plane about one point: right to 1 % within 50 km of it at British latitudes."""

    longitude: float
    latitude: float

    def to_metres(self, degrees: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return metres east and north of the centre for (N, 2) longitudes and latitudes."""
        east = np.cos(np.radians(self.latitude))
        return np.radians(degrees - (self.longitude, self.latitude)) * EARTH_RADIUS_M * (east, 1.0)

    def to_degrees(self, metres: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return longitudes and latitudes for (N, 2) metres of this plane."""
        east = np.cos(np.radians(self.latitude))
        centre = np.array((self.longitude, self.latitude))
        return centre + np.degrees(metres / (EARTH_RADIUS_M * np.array((east, 1.0))))

    def project(self, geometry: shapely.Geometry) -> shapely.Geometry:
        """Return the geometry in metres of this plane."""
        return shapely.transform(geometry, self.to_metres)


def plane_about(geometries: list[shapely.Geometry]) -> Plane:
    """Return the plane about the middle of all the geometries' bounds."""
    west, south, east, north = shapely.total_bounds(geometries)
    return Plane((west + east) / 2, (south + north) / 2)


@functools.cache
def _to_national_grid() -> Transformer:
    return Transformer.from_crs(4326, 27700, always_xy=True)


def grid_reference(longitude: float, latitude: float) -> str:
    """Return a British grid reference to 100 m, such as `SU 153 847`; empty off that grid."""
    if not (-9.0 <= longitude <= 2.1 and 49.7 <= latitude <= 61.0):
        return ""
    easting, northing = _to_national_grid().transform(longitude, latitude)
    if not (0 <= easting < 700_000 and 0 <= northing < 1_300_000):
        return ""
    square = _square(int(easting // 100_000), int(northing // 100_000))
    return f"{square} {int(easting % 100_000 // 100):03d} {int(northing % 100_000 // 100):03d}"


def _square(column: int, row: int) -> str:
    first = (19 - row) - (19 - row) % 5 + (column + 10) // 5
    second = (19 - row) * 5 % 25 + column % 5
    return _LETTERS[first] + _LETTERS[second]


def degrees_text(longitude: float, latitude: float) -> str:
    """Return `51.7012° N, 1.3400° W`."""
    north, east = ("N" if latitude >= 0 else "S"), ("E" if longitude >= 0 else "W")
    return f"{abs(latitude):.4f}° {north}, {abs(longitude):.4f}° {east}"


def round_length(length_m: float) -> float:
    """Return the largest 1, 2 or 5 times a power of ten that is not longer than `length_m`."""
    power = 10.0 ** math.floor(math.log10(length_m))
    return max(step * power for step in (1, 2, 5) if step * power <= length_m * (1 + 1e-12))
