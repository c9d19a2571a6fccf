"""Weather on a grid: NetCDF or Zarr with the names of ERA5-Land, daily or hourly, read where it is needed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from flows.sources.weather.hourly import HOUR, HOURS, by_day, totals, whole_days
from flows.sources.weather.table import Places, day_axis
from flows.sources.weather.units import BY_NAME, NEEDED, QUANTITIES, conversion, named
from monitoring.errors import WeatherError
from monitoring.weather.daily import Array, DailyWeather, DayAxis

Rows = NDArray[np.int64]

#: What xarray, netCDF4, zarr and their codecs raise for content they cannot read.
_DAMAGE = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, OverflowError)
#: Values of one variable held at once, 8 bytes each.
_VALUES_AT_ONCE = 8_000_000
#: Largest grid: the whole land at 0.1 degrees has 6.5 million cells.
_MAX_CELLS = 10_000_000
#: What each axis may be called.
_AXES: Mapping[str, tuple[str, ...]] = {
    "time": ("time", "valid_time", "date"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon"),
}
#: Hourly temperature, and the two parts of the wind.
_T2M, _U10, _V10 = (
    ("t2m", "temperature_2m"),
    ("u10", "u_component_of_wind_10m"),
    ("v10", "v_component_of_wind_10m"),
)
#: Height of the ground: in metres, or as geopotential in m2 s-2.
_ELEVATION, _GEOPOTENTIAL = ("elevation_m", "elevation", "orog"), ("z", "geopotential")
_GRAVITY = 9.80665
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class GridTable:
    """An open grid of weather."""

    where: str
    source: Any
    """xarray.Dataset, nothing of it loaded, with axes time, latitude, longitude."""
    names: Mapping[str, str]
    """Variable by what it holds: a quantity, `t2m`, `u10`, `v10`."""
    days: DayAxis
    positions: Rows
    """(D,) position of each day on the time axis, of its first hour where hourly; -1 for a missing day."""
    hourly: bool
    places: Places
    cells: Rows
    """(C, 2) position in latitude and longitude of every cell that has weather."""
    elevation_m: Array | None

    def read(self, rows: Rows) -> DailyWeather:
        """Return the weather of some cells, in the units computed in, not yet judged."""
        with _one_line(self.where):
            cells = self.cells[rows]
            parts = [self._days(part, cells) for part in self._spans(cells)]
            values = {name: np.concatenate([part[name] for part in parts]).T for name in parts[0]}
        elevation_m = None if self.elevation_m is None else self.elevation_m[rows]
        return DailyWeather(self.days, self.places.latitude[rows], **values, elevation_m=elevation_m)

    def _spans(self, cells: Rows) -> Iterator[slice]:
        """Yield parts of the days that fit in memory, given the box of cells that is read for them."""
        box = int(np.prod(np.ptp(cells, axis=0) + 1)) * (HOURS if self.hourly else 1)
        step = max(1, _VALUES_AT_ONCE // box)
        yield from (slice(start, start + step) for start in range(0, len(self.days), step))

    def _days(self, part: slice, cells: Rows) -> dict[str, Array]:
        return self._from_hours(part, cells) if self.hourly else self._daily(part, cells)

    def _daily(self, part: slice, cells: Rows) -> dict[str, Array]:
        """Return (days, cells) by quantity."""
        positions = self.positions[part]
        known = positions >= 0
        first, last = int(positions[known].min(initial=0)), int(positions[known].max(initial=0))
        found = {}
        for name, variable in self.names.items():
            values = self._load(variable, slice(first, last + 1), cells)
            found[name] = np.full((len(positions), len(cells)), np.nan)
            found[name][known] = self._converted(name, values[positions[known] - first])
        return _with_wind(found)

    def _from_hours(self, part: slice, cells: Rows) -> dict[str, Array]:
        """Return (days, cells) by quantity, from the hours of the days."""
        first, n = int(self.positions[part.start]), HOURS * len(self.positions[part])
        hours = slice(first, first + n)
        t2m_c = by_day(self._converted("t2m", self._load(self.names["t2m"], hours, cells)))
        found = {"tmax_c": t2m_c.max(axis=1), "tmin_c": t2m_c.min(axis=1)}
        for name in {"precip_mm", "rs_mj"} & set(self.names):
            running = self._load(self.names[name], slice(first + 1, first + n + 1), cells)
            running = np.pad(running, ((0, n - len(running)), (0, 0)), constant_values=np.nan)
            where = f"{self.where}: variable {self.names[name]!r}"
            found[name] = totals(where, self._converted(name, running))
        others = {"dewpoint_c", "wind10_ms", "u10", "v10"} & set(self.names)
        hourly = {name: self._converted(name, self._load(self.names[name], hours, cells)) for name in others}
        return found | {name: by_day(values).mean(axis=1) for name, values in _with_wind(hourly).items()}

    def _converted(self, name: str, values: Array) -> Array:
        quantity = BY_NAME[{"t2m": "tmax_c", "u10": "wind10_ms", "v10": "wind10_ms"}.get(name, name)]
        variable = self.names[name]
        meant = quantity.known.get(variable.lower(), quantity.unit if name == quantity.name else "")
        stated = str(self.source[variable].attrs.get("units", "")) or meant
        where = f"{self.where}: variable {variable!r}"
        factor, offset = conversion(where, quantity, stated or ("K" if name == "t2m" else "m s-1"))
        return values * factor + offset

    def _load(self, variable: str, times: slice, cells: Rows) -> Array:
        """Return (times, cells) of a variable: the box around the cells is read, the cells are kept."""
        (south, west), (north, east) = cells.min(axis=0), cells.max(axis=0)
        box = {"latitude": slice(south, north + 1), "longitude": slice(west, east + 1)}
        values = self.source[variable].isel(time=times, **box).transpose("time", "latitude", "longitude")
        loaded: Array = values.values[:, cells[:, 0] - south, cells[:, 1] - west].astype(np.float64)
        return np.where(np.isfinite(loaded), loaded, np.nan)


def _with_wind(found: dict[str, Array]) -> dict[str, Array]:
    """Return the values with the two parts of the wind joined, unless its speed is there."""
    east, north = found.pop("u10", None), found.pop("v10", None)
    if east is not None and north is not None and "wind10_ms" not in found:
        found["wind10_ms"] = np.hypot(east, north)
    return found


@contextmanager
def open_grid(path: Path, max_gap_days: int) -> Iterator[GridTable]:
    """Open a NetCDF file or a Zarr folder for the length of the `with`.

    WeatherError for a file that cannot be read, lacks a quantity or an axis, has other axes too, a calendar
    that is not the common one, times out of order or between daily and hourly, or too long a gap.
    """
    where = f"weather table {path}"
    with _one_line(where):
        source = _opened(path, where)
    try:
        with _one_line(where):
            table = _table(where, _plain_axes(where, source), max_gap_days)
        yield table
    finally:
        source.close()


@contextmanager
def _one_line(where: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise WeatherError(
            f"{where}: {' '.join(str(error).split())[:200] or type(error).__name__}"
        ) from error


def _opened(path: Path, where: str) -> xr.Dataset:
    if path.is_dir():
        _refuse_pickles(path, where)
        return xr.open_dataset(path, engine="zarr", chunks=None, consolidated=False)
    return xr.open_dataset(path, engine="netcdf4", chunks=None)


def _refuse_pickles(path: Path, where: str) -> None:
    """Refuse a store with a codec that would run what it reads."""
    for file in (each for name in (".zmetadata", ".zarray", "zarr.json") for each in path.rglob(name)):
        if "pickle" in json.dumps(json.loads(file.read_text("utf-8"))).lower():
            raise WeatherError(f"{where}: {file.name} names a pickle codec; nothing is unpickled here")


def _plain_axes(where: str, source: xr.Dataset) -> xr.Dataset:
    """Return the dataset with its axes called time, latitude and longitude, and axes of length 1 gone."""
    renamed = {}
    for axis, names in _AXES.items():
        found = [name for name in names if name in source.sizes]
        if not found or found[0] not in source.variables:
            raise WeatherError(f"{where}: no axis {' or '.join(names)}; it has {_listed(source.sizes)}")
        renamed[found[0]] = axis
    kept = source.rename({old: new for old, new in renamed.items() if old != new})
    single = [name for name, size in kept.sizes.items() if size == 1 and name not in _AXES]
    return kept.squeeze(single, drop=True)


def _listed(names: Any) -> str:
    return ", ".join(sorted(map(str, names)))[:100] or "nothing"


def _table(where: str, source: xr.Dataset, max_gap_days: int) -> GridTable:
    times = _times(where, source)
    hourly = len(times) > 1 and np.median(np.diff(times)) <= HOUR
    names = _names(where, source, hourly=bool(hourly))
    if hourly:
        first, days = whole_days(where, times)
        positions = first + HOURS * np.arange(len(days))
    else:
        days, positions = _daily_axis(where, times, max_gap_days)
    latitude, longitude = _degrees(where, source)
    cells = _with_weather(source[names["t2m" if hourly else "tmax_c"]])
    if not len(cells):
        raise WeatherError(f"{where}: no cell has a temperature")
    places = Places(latitude[cells[:, 0]], longitude[cells[:, 1]])
    elevation_m = _elevation(source)
    heights = None if elevation_m is None else elevation_m[cells[:, 0], cells[:, 1]]
    return GridTable(where, source, names, days, positions, bool(hourly), places, cells, heights)


def _times(where: str, source: xr.Dataset) -> DayAxis:
    """Return the time axis; WeatherError for another calendar and for times that do not ascend."""
    times: DayAxis = source["time"].values
    if times.dtype.kind != "M":
        raise WeatherError(f"{where}: its time axis is not of the common calendar")
    wrong = np.flatnonzero(~(np.diff(times) > np.timedelta64(0)))
    if len(wrong):
        trouble = "twice" if times[wrong[0] + 1] == times[wrong[0]] else "out of order"
        raise WeatherError(f"{where}: {str(times[wrong[0] + 1])[:16]} is there {trouble}; times must ascend")
    return times


def _daily_axis(where: str, times: DayAxis, max_gap_days: int) -> tuple[DayAxis, Rows]:
    present = times.astype("datetime64[D]")
    if (np.diff(present) < _DAY).any():
        raise WeatherError(f"{where}: several times on one day, but not every hour; give daily values")
    days = day_axis(where, present, max_gap_days)
    positions = np.full(len(days), -1)
    positions[(present - days[0]).astype(np.int64)] = np.arange(len(present))
    return days, positions


def _names(where: str, source: xr.Dataset, *, hourly: bool) -> dict[str, str]:
    """Return the variable of each quantity; WeatherError where one that is needed is not there."""
    variables = [str(name) for name in source.data_vars]
    found = {quantity.name: named(where, quantity, variables) for quantity in QUANTITIES}
    for short, known in (("t2m", _T2M), ("u10", _U10), ("v10", _V10)):
        found[short] = next((name for name in variables if name.lower() in known), None)
    needed = ("t2m", "precip_mm") if hourly else NEEDED
    lacking = [name for name in needed if found[name] is None]
    if lacking:
        what = f"{'hourly' if hourly else 'daily'} variable for {lacking[0]}"
        raise WeatherError(f"{where}: no {what}; it has {_listed(variables)}")
    unused = {"tmax_c", "tmin_c"} if hourly else {"t2m"}
    if found["u10"] is None or found["v10"] is None:
        unused |= {"u10", "v10"}
    kept = {key: name for key, name in found.items() if name is not None and key not in unused}
    for name in kept.values():
        _refuse_other_axes(where, source[name])
    return kept


def _refuse_other_axes(where: str, variable: xr.DataArray) -> None:
    if set(variable.dims) != set(_AXES):
        raise WeatherError(
            f"{where}: variable {str(variable.name)!r} has axes {_listed(variable.dims)}, needed are "
            f"{_listed(_AXES)}"
        )


def _degrees(where: str, source: xr.Dataset) -> tuple[Array, Array]:
    latitude, longitude = (source[axis].values.astype(np.float64) for axis in ("latitude", "longitude"))
    for name, values, low, high in (("latitude", latitude, -90, 90), ("longitude", longitude, -180, 360)):
        wrong = values[~((values >= low) & (values <= high))]
        if len(wrong):
            raise WeatherError(f"{where}: {name} {wrong[0]:g}: must be from {low} to {high}")
    if len(latitude) * len(longitude) > _MAX_CELLS:
        raise WeatherError(f"{where}: {len(latitude) * len(longitude)} cells, at most {_MAX_CELLS} are read")
    return latitude, (longitude + 180) % 360 - 180


def _with_weather(temperature: xr.DataArray) -> Rows:
    """Return (C, 2) the cells with a temperature at the first, middle or last time: land, not sea."""
    known = np.zeros((temperature.sizes["latitude"], temperature.sizes["longitude"]), bool)
    for time in {0, temperature.sizes["time"] // 2, temperature.sizes["time"] - 1}:
        known |= np.isfinite(temperature.isel(time=time).transpose("latitude", "longitude").values)
    return np.argwhere(known)


def _elevation(source: xr.Dataset) -> Array | None:
    """Return (latitude, longitude) the height of the ground, m; None where the file does not have it."""
    for names, factor in ((_ELEVATION, 1.0), (_GEOPOTENTIAL, 1 / _GRAVITY)):
        for name in (each for each in names if each in source.data_vars):
            height = source[name].isel(time=0) if "time" in source[name].dims else source[name]
            if set(height.dims) == {"latitude", "longitude"}:
                values: Array = height.transpose("latitude", "longitude").values.astype(np.float64)
                return np.nan_to_num(values, nan=0.0) * factor
    return None
