"""Minicube grids: a square of cells around a point, as the published package cubo 2026.10.1 lays it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from monitoring.errors import SettingsError
from monitoring.grid import utm_epsg

#: Metres in the units an edge may be given in; `px` are cells.
UNITS_M = {"m": 1.0, "km": 1_000.0, "kilo": 1_000.0}
#: Cells a side that are still made; 11 bands of them in a year of scenes are several gigabytes.
MAX_EDGE_CELLS = 4_096
#: UTM is defined between these latitudes.
LATITUDES = (-80.0, 84.0)


@dataclass(frozen=True)
class MiniGrid:
    """A square of cells around a point, in the point's plain six-degree UTM zone (32V is not widened)."""

    epsg: int
    resolution_m: float
    centre: tuple[float, float]
    """Easting and northing of the point itself, metres."""
    bounds: tuple[int, int, int, int]
    """West, south, east, north edges, metres."""

    @property
    def size(self) -> int:
        """Cells a side."""
        west, _, east, _ = self.bounds
        return round((east - west) / self.resolution_m)

    @cached_property
    def x(self) -> NDArray[np.float64]:
        """(size,) eastings of the cells' WEST edges, metres."""
        return np.asarray(self.bounds[0] + np.arange(self.size) * self.resolution_m, np.float64)

    @cached_property
    def y(self) -> NDArray[np.float64]:
        """(size,) northings of the cells' NORTH edges, from north to south, metres."""
        return np.asarray(self.bounds[3] - np.arange(self.size) * self.resolution_m, np.float64)

    @property
    def cell_centres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Eastings and northings of all cell centres, (size * size,) each, row by row from the north."""
        half = self.resolution_m / 2
        northing, easting = np.meshgrid(self.y - half, self.x + half, indexing="ij")
        return easting.ravel(), northing.ravel()

    @property
    def distance_m(self) -> NDArray[np.float64]:
        """(size, size) metres from each cell's centre to the point."""
        easting, northing = self.cell_centres
        distance = np.hypot(easting - self.centre[0], northing - self.centre[1])
        return distance.reshape(self.size, self.size)

    @property
    def ring(self) -> NDArray[np.float64]:
        """(5, 2) longitude and latitude of the corners: SW, SE, NE, NW and SW again."""
        west, south, east, north = self.bounds
        to_degrees = Transformer.from_crs(self.epsg, 4326, always_xy=True).transform
        corners = to_degrees([west, east, east, west, west], [south, south, north, north, south])
        return np.column_stack(corners)

    @property
    def bbox(self) -> tuple[float, float, float, float]:
        """West, south, east, north of the ring, degrees."""
        west, south, east, north = shapely.Polygon(self.ring).bounds
        return (west, south, east, north)


def minigrid(
    latitude: float, longitude: float, edge: float, resolution_m: float, units: str = "px"
) -> MiniGrid:
    """Return the grid of `edge` (in `units`: px, m, km) around a point.

    The point is rounded to the nearest multiple of the resolution (half to even); an edge in cells is halved
    and rounded to whole metres, one in other units is divided by the resolution first and not rounded.
    With an odd number of cells the edges need not lie on the cells of the scenes. SettingsError names a
    value out of bounds.
    """
    cells = _edge_cells(edge, resolution_m, units)
    _check(latitude, longitude, cells, resolution_m)
    epsg = utm_epsg(longitude, latitude)
    easting, northing = Transformer.from_crs(4326, epsg, always_xy=True).transform(longitude, latitude)
    x, y = (round(at / resolution_m) * resolution_m for at in (easting, northing))
    half = round(cells * resolution_m / 2)
    bounds = (round(x - half), round(y - half), round(x + half), round(y + half))
    return MiniGrid(epsg, resolution_m, (easting, northing), bounds)


def _edge_cells(edge: float, resolution_m: float, units: str) -> float:
    if not (math.isfinite(resolution_m) and resolution_m > 0):
        raise SettingsError(f"resolution {resolution_m}: metres above 0 are needed")
    if units == "px":
        return edge
    if units not in UNITS_M:
        raise SettingsError(f"units {units!r}: one of px, {', '.join(UNITS_M)} is needed")
    return edge * UNITS_M[units] / resolution_m


def _check(latitude: float, longitude: float, cells: float, resolution_m: float) -> None:
    south, north = LATITUDES
    if not south <= latitude <= north:
        raise SettingsError(f"latitude {latitude}: UTM needs {south:g} to {north:g} degrees")
    if not -180 <= longitude <= 180:
        raise SettingsError(f"longitude {longitude}: -180 to 180 degrees are needed")
    if not 1 <= cells <= MAX_EDGE_CELLS:
        raise SettingsError(f"edge of {cells:g} cells of {resolution_m:g} m: 1 to {MAX_EDGE_CELLS} are made")
