"""Weather in CSV: one row per place and day, columns named with their units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from flows.sources.weather.table import Places, day_axis
from flows.sources.weather.units import (
    HIGHEST_ELEVATION_M,
    LOWEST_ELEVATION_M,
    NEEDED,
    QUANTITIES,
)
from monitoring.errors import WeatherError
from monitoring.weather.daily import Array, DailyWeather, DayAxis

Rows = NDArray[np.int64]

DATE, LATITUDE, LONGITUDE, CELL, ELEVATION = "date", "latitude", "longitude", "cell", "elevation_m"
#: Bytes parsed at once.
_BLOCK_BYTES = 8 * 1024**2


@dataclass(frozen=True)
class CsvTable:
    """A CSV table whose rows have been seen once: its places, its days, where each row belongs."""

    path: Path
    where: str
    columns: tuple[str, ...]
    """Quantities it has."""
    places: Places
    elevation_m: Array | None
    days: DayAxis
    key: tuple[str, ...]
    """Columns that tell one place from another."""
    numbers: dict[tuple[Any, ...], int]
    """Row of `places` by the key's values."""

    def read(self, rows: Rows) -> DailyWeather:
        """Return the weather of some places, as the table states it."""
        to_row = np.full(len(self.places.latitude), -1)
        to_row[rows] = np.arange(len(rows))
        shape = len(rows), len(self.days)
        values = {name: np.full(shape, np.nan) for name in self.columns}
        for batch in batches(self.path, self.where, (DATE, *self.key, *self.columns)):
            row = to_row[_places_of(batch, self.key, self.numbers)]
            day = (_days_of(self.where, batch) - self.days[0]).astype(np.int64)
            wanted = row >= 0
            for name in self.columns:
                values[name][row[wanted], day[wanted]] = _numbers(batch, name)[wanted]
        elevation_m = None if self.elevation_m is None else self.elevation_m[rows]
        return DailyWeather(self.days, self.places.latitude[rows], **values, elevation_m=elevation_m)


def open_csv(path: Path, max_gap_days: int) -> CsvTable:
    """Return the table of a CSV file after one pass over its places and days.

    WeatherError for a missing column, a place or day that is none, a place in two spots or elevations, a day
    twice or out of order within a place, and days missing in a row beyond the bound.
    """
    where = f"weather table {path}"
    header = _header(path, where)
    columns = tuple(quantity.name for quantity in QUANTITIES if quantity.name in header)
    _refuse_lacking(where, header, (DATE, LATITUDE, LONGITUDE, *NEEDED))
    fixed = tuple(name for name in (LATITUDE, LONGITUDE, ELEVATION) if name in header)
    key = (CELL,) if CELL in header else (LATITUDE, LONGITUDE)
    numbers: dict[tuple[Any, ...], int] = {}
    spots: list[tuple[float, ...]] = []
    present, last = np.empty(0, "datetime64[D]"), np.empty(0, "datetime64[D]")
    for batch in batches(path, where, tuple(dict.fromkeys((DATE, *key, *fixed)))):
        row = _new_places(where, batch, key, fixed, numbers, spots)
        days = _days_of(where, batch)
        last = _refuse_disorder(where, row, days, last, len(spots))
        present = np.union1d(present, days)
    axis = day_axis(where, present, max_gap_days)
    latitude, longitude, *elevation = np.array(spots, np.float64).reshape(-1, len(fixed)).T
    _refuse_nowhere(where, latitude, longitude, elevation)
    names = tuple(str(each[0]) for each in numbers) if key == (CELL,) else ()
    places = Places(latitude, (longitude + 180) % 360 - 180, names)
    return CsvTable(path, where, columns, places, elevation[0] if elevation else None, axis, key, numbers)


@contextmanager
def _one_line(where: str) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        cause = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise WeatherError(f"{where}: {cause}") from error


def _header(path: Path, where: str) -> list[str]:
    with _one_line(where), path.open(encoding="utf-8-sig") as file:
        names = [name.strip().strip('"') for name in file.readline(65_536).rstrip("\r\n").split(",")]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise WeatherError(f"{where}: {names.count(twice[0])} columns are called {twice[0]!r}")
    return names


def _refuse_lacking(where: str, header: Sequence[str], needed: Sequence[str]) -> None:
    lacking = [name for name in needed if name not in header]
    if lacking:
        raise WeatherError(f"{where}: no column {lacking[0]!r}; needed are {', '.join(needed)}")


def batches(path: Path, where: str, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield some columns of the file, part by part: dates, text for the cell, numbers for the rest."""
    kinds = {name: pa.float64() for name in names} | {DATE: pa.date32(), CELL: pa.string()}
    convert = pacsv.ConvertOptions(column_types=kinds, include_columns=list(names))
    with _one_line(where):
        reading = pacsv.ReadOptions(block_size=_BLOCK_BYTES, column_names=_header(path, where), skip_rows=1)
        with pacsv.open_csv(path, read_options=reading, convert_options=convert) as reader:
            yield from reader


def _days_of(where: str, batch: pa.RecordBatch) -> DayAxis:
    column = batch.column(DATE)
    if column.null_count:
        raise WeatherError(f"{where}: a row without a date")
    days: DayAxis = column.to_numpy(zero_copy_only=False).astype("datetime64[D]")
    return days


def _numbers(batch: pa.RecordBatch, name: str) -> Array:
    values: Array = pc.fill_null(batch.column(name), np.nan).to_numpy(zero_copy_only=False)
    return np.where(np.isinf(values), np.nan, values)


def _distinct(batch: pa.RecordBatch, key: tuple[str, ...]) -> tuple[list[tuple[Any, ...]], Rows, Rows]:
    """Return the distinct keys of a batch, a row in which each stands, and the key that each row has."""
    coded = [pc.dictionary_encode(batch.column(name), null_encoding="encode") for name in key]
    codes = np.stack([each.indices.to_numpy() for each in coded], axis=1)
    _, first, member = np.unique(codes, axis=0, return_index=True, return_inverse=True)
    keys = list(zip(*(batch.column(name).take(pa.array(first)).to_pylist() for name in key), strict=True))
    return keys, first, member.ravel()


def _places_of(batch: pa.RecordBatch, key: tuple[str, ...], numbers: dict[tuple[Any, ...], int]) -> Rows:
    keys, _, member = _distinct(batch, key)
    return np.array([numbers[each] for each in keys], np.int64)[member]


def _new_places(
    where: str,
    batch: pa.RecordBatch,
    key: tuple[str, ...],
    fixed: tuple[str, ...],
    numbers: dict[tuple[Any, ...], int],
    spots: list[tuple[float, ...]],
) -> Rows:
    """Return the place of each row; places not met before are added to `numbers` and `spots`."""
    keys, first, member = _distinct(batch, key)
    stated = np.stack([_numbers(batch, name) for name in fixed], axis=1)
    for each, row in zip(keys, first.tolist(), strict=True):
        if None in each:
            raise WeatherError(f"{where}: a row without {key[each.index(None)]}")
        if numbers.setdefault(each, len(spots)) == len(spots):
            spots.append(tuple(stated[row].tolist()))
    rows = np.array([numbers[each] for each in keys], np.int64)[member]
    moved = np.flatnonzero((np.array(spots)[rows] != stated).any(axis=1))
    if len(moved) and np.isfinite(stated[moved[0]]).all():
        column = fixed[int(np.argmax(np.array(spots)[rows[moved[0]]] != stated[moved[0]]))]
        name = ", ".join(map(str, keys[member[moved[0]]]))
        raise WeatherError(f"{where}: place {name} has more than one {column}")
    return rows


def _refuse_disorder(where: str, row: Rows, days: DayAxis, last: DayAxis, n: int) -> DayAxis:
    """Return the last day of each of n places so far; WeatherError where days do not ascend in a place."""
    last = np.concatenate([last, np.full(n - len(last), np.datetime64("NaT"))])
    order = np.argsort(row, kind="stable")
    row, days = row[order], days[order]
    starts = np.concatenate([[True], row[1:] != row[:-1]])
    before = np.where(starts, last[row], np.concatenate([days[:1], days[:-1]]))
    wrong = np.flatnonzero(days <= before)
    if len(wrong):
        trouble = "twice" if days[wrong[0]] == before[wrong[0]] else "out of order"
        raise WeatherError(f"{where}: {days[wrong[0]]} is there {trouble} at one place; days must ascend")
    last[row] = days
    return last


def _refuse_nowhere(where: str, latitude: Array, longitude: Array, elevation: Sequence[Array]) -> None:
    bounds = [(LATITUDE, latitude, -90.0, 90.0), (LONGITUDE, longitude, -180.0, 360.0)]
    bounds += [(ELEVATION, each, LOWEST_ELEVATION_M, HIGHEST_ELEVATION_M) for each in elevation]
    for name, values, low, high in bounds:
        wrong = values[~((values >= low) & (values <= high))]
        if len(wrong):
            raise WeatherError(f"{where}: {name} {wrong[0]:g}: must be from {low:g} to {high:g}")
