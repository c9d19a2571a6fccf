"""Zones: one UTM zone of a Zarr store, its axes checked before a pixel of it is believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr

from flows.sources.published.chunks import axis_of
from flows.sources.published.grids import SOUTHERN_EPSG, OtherGridError, PublishedGrid, grid_of_centres

#: Names of the axes (north-south, east-west): the layout of groups utm01.., and that of groups 01N...
AXES = (("y", "x"), ("northing", "easting"))
#: CF names of units of time, and numpy's.
CF_UNITS = {"days": "D", "hours": "h", "minutes": "m", "seconds": "s", "nanoseconds": "ns"}


@dataclass(frozen=True)
class Zone:
    """One UTM zone of a store."""

    group: Any
    """Its zarr group."""
    where: str
    grid: PublishedGrid
    axes: tuple[str, str]
    years: tuple[int, ...]

    def array(self, name: str, dtype: type, ndim: int) -> zarr.Array[Any]:
        """Return one of its arrays; ValueError unless its kind and size are what the layout says."""
        array = self.group[name]
        if not isinstance(array, zarr.Array) or array.dtype != dtype or array.ndim != ndim:
            raise ValueError(f"{self.where}: {name} is no {np.dtype(dtype)} array of {ndim} axes")
        row, column = (axis_of(array, axis) for axis in self.axes)
        found = array.shape[0], array.shape[row], array.shape[column]
        needed = len(self.years), self.grid.height, self.grid.width
        if found != needed:
            raise ValueError(f"{self.where}: {name} is {found} of time, rows, columns; its axes are {needed}")
        return array


def group_names(epsg: int) -> tuple[str, ...]:
    """Return the names a UTM zone may have in a store: `utm30`, `30N`."""
    hemisphere, zone = divmod(epsg, 100)
    return f"utm{zone:02d}", f"{zone:02d}{'N' if hemisphere == 326 else 'S'}"


def read_zone(group: Any, where: str, epsg: int) -> Zone:
    """Return the zone in a group; ValueError unless its pixels are those of the UTM grid `epsg`."""
    axes = next((pair for pair in AXES if pair[0] in group), None)
    if axes is None:
        raise ValueError(f"{where}: neither y and x nor northing and easting are there")
    y, x = (np.asarray(group[name][:], np.float64) for name in axes)
    found = _epsg(group.attrs, where)
    if epsg not in (found, found + SOUTHERN_EPSG):
        raise ValueError(f"{where}: its coordinates are EPSG:{found}, needed is EPSG:{epsg}")
    try:
        grid = grid_of_centres(x, y, _transform(group.attrs, where), found)
    except OtherGridError as error:
        raise ValueError(f"{where}: {error}") from error
    return Zone(group, where, grid, axes, _years(group["time"], where))


def _epsg(attributes: Mapping[str, Any], where: str) -> int:
    code = str(attributes.get("proj:code", ""))
    name, _, number = code.partition(":")
    if name != "EPSG" or not number.isdigit():
        raise ValueError(f"{where}: proj:code is {code!r}, needed is EPSG and a number")
    return int(number)


def _transform(attributes: Mapping[str, Any], where: str) -> Sequence[float]:
    stated = attributes.get("spatial:transform")
    if not isinstance(stated, list | tuple) or len(stated) < 6:
        raise ValueError(f"{where}: spatial:transform is {stated!r}, needed are six numbers")
    return stated


def _years(time: Any, where: str) -> tuple[int, ...]:
    """Return the calendar year of each step: stored as such, or as a CF time since some moment."""
    values = np.asarray(time[:])
    unit, _, since = str(time.attrs.get("units", "")).partition(" since ")
    if since and unit not in CF_UNITS:
        raise ValueError(f"{where}: time is in {unit!r}, known are {', '.join(CF_UNITS)}")
    if since:
        values = np.datetime64(since[:10]) + values.astype(f"m8[{CF_UNITS[unit]}]")
    if values.dtype.kind == "M":
        values = values.astype("datetime64[Y]").astype(np.int64) + 1970
    return tuple(int(year) for year in values)
