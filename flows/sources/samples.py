"""Field samples: a CSV or Parquet table in, samples out, and every row that was refused with its reason."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from monitoring.errors import SampleError
from monitoring.samples import FieldSample

#: Largest table that is read; GlobalFungi's sample table is under 0.1 GB.
MAX_FILE_BYTES = 512 * 1024**2
#: Most taxa in one sample that are believed (the largest reported is 579).
MAX_RICHNESS = 10_000.0
#: Years that a sequenced soil sample can be of.
FIRST_YEAR, LAST_YEAR = 1990, 2100

#: Column names that are recognised, the preferred first: our own, then those of GlobalFungi and SPUN tables.
_KNOWN_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("sample_id", "id"),
    "longitude": ("longitude", "lon"),
    "latitude": ("latitude", "lat"),
    "year": ("year", "year_of_sampling"),
    "richness": ("richness", "rarefied"),
    "reads": ("reads",),
}
_NEEDED = ("id", "longitude", "latitude", "richness")
_MISSING = frozenset({"", "na", "nan", "null", "none"})


@dataclass(frozen=True)
class SampleColumns:
    """Which column of a table holds what; None: found by its name, or absent (year and reads only)."""

    id: str | None = None
    longitude: str | None = None
    latitude: str | None = None
    year: str | None = None
    richness: str | None = None
    reads: str | None = None


@dataclass(frozen=True)
class RefusedSample:
    """A row that no sample was made of."""

    row: int
    """Position in the table, from 1, the header not counted."""
    sample_id: str
    reason: str
    """One of a few texts, so that rows can be counted by it."""
    value: str
    """What the row holds there."""


@dataclass(frozen=True)
class SampleReading:
    """What a table of field samples gave."""

    samples: tuple[FieldSample, ...]
    """In the table's order."""
    refused: tuple[RefusedSample, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Number of refused rows by reason."""
        return dict(Counter(refused.reason for refused in self.refused).most_common())


class _UnusableRowError(Exception):
    """A row that cannot be used: reason and value."""

    def __init__(self, reason: str, value: object) -> None:
        super().__init__(reason)
        self.reason, self.value = reason, str(value)


def read_samples(
    path: Path, columns: SampleColumns | None = None, *, year_if_missing: int | None = None
) -> SampleReading:
    """Return the field samples of a CSV or Parquet table.

    year_if_missing: the year to take where a row states none; without it such a row is refused. A row without
    coordinates, target or id, or with one out of range, is refused. SampleError when nothing can be used.
    """
    path = Path(path)
    header, rows = _table(path)
    found = _columns(header, columns or SampleColumns(), path, year_if_missing)
    reading = _judged(rows, found, year_if_missing)
    if not reading.samples:
        listed = ", ".join(f"{count} rows: {reason}" for reason, count in reading.counts.items())
        raise SampleError(f"sample table {path}: no usable sample ({listed or 'it is empty'})")
    return reading


def _table(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    readers = {".csv": _csv_table, ".parquet": _parquet_table}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        known = " and ".join(readers)
        raise SampleError(f"sample table {path}: extension {path.suffix or 'none'!r}, known are {known}")
    try:
        if (size := path.stat().st_size) > MAX_FILE_BYTES:
            raise SampleError(f"sample table {path}: {size} bytes, at most {MAX_FILE_BYTES} are read")
        return reader(path)
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        cause = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise SampleError(f"sample table {path}: {cause}") from error


def _csv_table(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, strict=True)
        rows = list(reader)
        return list(reader.fieldnames or ()), rows


def _parquet_table(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    footer = pq.ParquetFile(path).metadata
    if (
        size := sum(footer.row_group(i).total_byte_size for i in range(footer.num_row_groups))
    ) > MAX_FILE_BYTES:
        raise SampleError(f"sample table {path}: {size} bytes unpacked, at most {MAX_FILE_BYTES} are read")
    table = pq.read_table(path)
    return table.column_names, table.to_pylist()


def _columns(
    header: Sequence[str], asked: SampleColumns, path: Path, year_if_missing: int | None
) -> dict[str, str]:
    by_name = {column.lower(): column for column in reversed(header)}
    found: dict[str, str] = {}
    for field in fields(SampleColumns):
        column = getattr(asked, field.name)
        known = (by_name[name] for name in _KNOWN_COLUMNS[field.name] if name in by_name)
        if column is not None and column not in header:
            raise SampleError(f"sample table {path}: no column {column!r}, it has {', '.join(header)}")
        if chosen := column or next(known, None):
            found[field.name] = chosen
    needed = _NEEDED if year_if_missing is not None else (*_NEEDED, "year")
    absent = next((key for key in needed if key not in found), None)
    if absent:
        names = " or ".join(_KNOWN_COLUMNS[absent])
        raise SampleError(f"sample table {path}: no column for {absent} (known: {names})")
    return found


def _judged(
    rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str], year_if_missing: int | None
) -> SampleReading:
    samples: dict[str, FieldSample] = {}
    refused: list[RefusedSample] = []
    for number, row in enumerate(rows, 1):
        cells = {key: _cell(row.get(column)) for key, column in columns.items()}
        try:
            sample = _sample(cells, year_if_missing)
            if sample.id in samples:
                raise _UnusableRowError("the id was used by an earlier row", sample.id)
            samples[sample.id] = sample
        except _UnusableRowError as error:
            refused.append(RefusedSample(number, cells["id"], error.reason, error.value))
    return SampleReading(tuple(samples.values()), tuple(refused))


def _cell(value: Any) -> str:
    """Return a cell as text, empty where it states nothing."""
    text = "" if value is None else str(value).strip()
    return "" if text.lower() in _MISSING else text


def _sample(cells: Mapping[str, str], year_if_missing: int | None) -> FieldSample:
    if not cells["id"]:
        raise _UnusableRowError("no id", "")
    return FieldSample(
        id=cells["id"],
        longitude=_number("longitude", cells["longitude"], -180, 180),
        latitude=_number("latitude", cells["latitude"], -90, 90),
        year=_year(cells.get("year", ""), year_if_missing),
        richness=_number("richness", cells["richness"], 0, MAX_RICHNESS),
        reads=_number("reads", cells["reads"], 0, math.inf) if cells.get("reads") else math.nan,
    )


def _number(what: str, text: str, low: float, high: float) -> float:
    if not text:
        raise _UnusableRowError(f"no {what}", text)
    try:
        value = float(text)
    except ValueError as error:
        raise _UnusableRowError(f"{what} is not a number", text) from error
    if not math.isfinite(value):
        raise _UnusableRowError(f"{what} is not finite", text)
    if not low <= value <= high:
        raise _UnusableRowError(f"{what} is outside {low:g} to {high:g}", text)
    return value


def _year(text: str, year_if_missing: int | None) -> int:
    if not text and year_if_missing is not None:
        return year_if_missing
    year = _number("year", text, FIRST_YEAR, LAST_YEAR)
    if not year.is_integer():
        raise _UnusableRowError("year is not a whole number", text)
    return int(year)
