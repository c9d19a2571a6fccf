"""Reading weather: from a table to the hot, dry and compound days of every woodland and year."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flows.progress import counting
from flows.sources.weather.table import Places, WeatherTable
from flows.sources.weather.units import believable
from monitoring.errors import WeatherError
from monitoring.science import WeatherRule
from monitoring.weather.daily import Array, DayAxis
from monitoring.weather.demand import demand
from monitoring.weather.extremes import extreme_days
from monitoring.weather.yearly import Standing, YearlyDays, weather_of_years, yearly_days
from monitoring.weather.years import WeatherYears

Rows = NDArray[np.int64]
#: Longitude and latitude in degrees, WGS 84.
Point = tuple[float, float]

_EARTH_KM = 6371.0
#: Values of one quantity that are held at once, 8 bytes each; about fifteen such arrays live together.
_VALUES_AT_ONCE = 3_000_000
#: Extensions of files that are read; a folder is taken for a Zarr store.
CSV, NETCDF = (".csv",), (".nc", ".nc4", ".cdf")


@dataclass(frozen=True)
class WeatherReading:
    """What a weather table says of some woodlands."""

    years: tuple[WeatherYears, ...]
    """In the order of the woodlands asked for."""
    first_day: str
    last_day: str
    assumed: tuple[str, ...]
    """What stood in for columns that the table lacks."""


def weather_years(path: Path, points: Mapping[str, Point], rule: WeatherRule) -> tuple[WeatherYears, ...]:
    """Return the weather years of each woodland, by the cell or station nearest to it; see `read_weather`."""
    return read_weather(path, points, rule).years


def read_weather(path: Path, points: Mapping[str, Point], rule: WeatherRule) -> WeatherReading:
    """Return what a daily table says of each woodland (id -> longitude, latitude).

    Only the places nearest to a woodland are read, some at a time. WeatherError for a table that cannot be
    read or believed, and for a woodland farther from any place than the rule allows.
    """
    with open_table(path, rule.max_gap_days) as table:
        if not points:
            return _reading(table.days, (), ())
        standing, rows = _nearest(table, points, rule.max_distance_km)
        yearly, assumed = _yearly(table, rows, rule)
        years = weather_of_years(yearly, standing, max_missing_days=rule.max_missing_days)
        return _reading(table.days, years, assumed)


def _reading(days: DayAxis, years: tuple[WeatherYears, ...], assumed: tuple[str, ...]) -> WeatherReading:
    return WeatherReading(years, str(days[0]), str(days[-1]), assumed)


@contextmanager
def open_table(path: Path, max_gap_days: int) -> Iterator[WeatherTable]:
    """Open a table by its extension for the length of the `with`: CSV, NetCDF, or a Zarr folder."""
    if not path.exists():
        raise WeatherError(f"weather table {path}: not there")
    if path.suffix.lower() in CSV:
        from flows.sources.weather.csv_table import open_csv

        yield open_csv(path, max_gap_days)
    elif path.is_dir() or path.suffix.lower() in NETCDF:
        from flows.sources.weather.grid_table import open_grid

        with open_grid(path, max_gap_days) as table:
            yield table
    else:
        known = ", ".join((*CSV, *NETCDF))
        raise WeatherError(
            f"weather table {path}: extension {path.suffix or 'none'!r}, known are {known} and Zarr folders"
        )


def _nearest(
    table: WeatherTable, points: Mapping[str, Point], max_distance_km: float
) -> tuple[list[Standing], Rows]:
    """Return which place stands for each woodland, and the places that stand for any, ascending."""
    asked = np.array(list(points.values()), np.float64)
    chosen, distance_km = nearest_places(table.places, asked)
    far = np.flatnonzero(~(distance_km <= max_distance_km))
    if len(far):
        name = list(points)[far[0]]
        raise WeatherError(
            f"{table.where}: woodland {name} is {distance_km[far[0]]:.1f} km from the nearest place with "
            f"weather, at most {max_distance_km:g} km ({len(far)} of {len(points)} woodlands)"
        )
    rows, row = np.unique(chosen, return_inverse=True)
    words = [
        f"{table.places.words(place)}, {km:.1f} km" for place, km in zip(chosen, distance_km, strict=True)
    ]
    return [Standing(*each) for each in zip(points, row.ravel().tolist(), words, strict=True)], rows


def nearest_places(places: Places, asked: Array) -> tuple[Rows, Array]:
    """Return the place nearest to each of n points (n, 2) of longitude and latitude, and how far, km."""
    from scipy.spatial import KDTree

    tree = KDTree(_on_sphere(places.longitude, places.latitude))
    chord, row = tree.query(_on_sphere(asked[:, 0], asked[:, 1]))
    return row, 2 * _EARTH_KM * np.arcsin(np.minimum(chord / 2, 1))


def _on_sphere(longitude: Array, latitude: Array) -> Array:
    east, north = np.radians(longitude), np.radians(latitude)
    return np.column_stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)])


def _yearly(table: WeatherTable, rows: Rows, rule: WeatherRule) -> tuple[YearlyDays, tuple[str, ...]]:
    """Return the days of each kind at every place of `rows`, and what was assumed; some places at a time."""
    step = max(1, _VALUES_AT_ONCE // len(table.days))
    progress = counting("read weather")
    parts: list[YearlyDays] = []
    assumed: tuple[str, ...] = ()
    for start in range(0, len(rows), step):
        weather = believable(table.where, table.read(rows[start : start + step]))
        asked = demand(weather)
        found = extreme_days(
            weather.tmax_c,
            weather.precip_mm,
            asked.et0_mm,
            share=rule.extreme_share,
            min_run_days=rule.min_run_days,
        )
        parts.append(yearly_days(found, table.days))
        assumed = asked.assumed
        progress(min(start + step, len(rows)), len(rows))
    return _joined(parts), assumed


def _joined(parts: Sequence[YearlyDays]) -> YearlyDays:
    kinds = ("hot", "dry", "compound", "missing")
    return YearlyDays(
        parts[0].years, *(np.concatenate([getattr(part, kind) for part in parts]) for kind in kinds)
    )
