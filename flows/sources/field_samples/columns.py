"""Columns: which column of a sample table holds what, by the user's word or by its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from monitoring.errors import SampleError
from monitoring.targets import Target

#: Column names that are recognised, the preferred first: our own, then those of GlobalFungi and SPUN tables.
_KNOWN: Mapping[str, tuple[str, ...]] = {
    "id": ("sample_id", "id"),
    "longitude": ("longitude", "lon"),
    "latitude": ("latitude", "lat"),
    "year": ("year", "year_of_sampling"),
    "continent": ("continent",),
}
#: Names that a target's column may have whatever the target is, after its own.
_ANY_VALUE = ("value", "target")
#: Column names that a message lists before it only counts them.
_LISTED = 12


@dataclass(frozen=True)
class SampleColumns:
    """Which column of a table holds what; None: found by its name, or absent where it may be."""

    id: str | None = None
    longitude: str | None = None
    latitude: str | None = None
    year: str | None = None
    value: str | None = None
    """The target."""
    count: str | None = None
    """The observed count that an estimate was extrapolated from."""
    group: str | None = None
    """What folds keep together: site, plot, study. Never found by its name."""
    effort: Mapping[str, str] = field(default_factory=dict)
    """Column by the name of the effort."""


@dataclass(frozen=True)
class Needs:
    """What every row has to state beside id and target."""

    year: bool = True
    year_if_missing: int | None = None
    """The year taken where a row states none."""
    coordinates: bool = True


def find_columns(
    path: Path, header: Sequence[str], asked: SampleColumns, target: Target, needs: Needs
) -> dict[str, str]:
    """Return the column of each of id, value, longitude, latitude, year, count, continent, group and each
    `effort_key` that the table has; SampleError where a needed or asked one is absent, or one is there twice.
    """
    _refuse_unknown_effort(path, asked, target)
    found: dict[str, str] = {}
    for key, wanted, names in _wanted(asked, target):
        column = wanted if wanted is not None else _by_name(header, names)
        if wanted is not None and wanted not in header:
            raise SampleError(f"sample table {path}: no column {wanted!r}, it has {_listed(header)}")
        if column is None and key in _needed(needs):
            what = target.name if key == "value" else key
            raise SampleError(f"sample table {path}: no column for {what} (known: {' or '.join(names)})")
        if column is not None:
            found[key] = _only(path, header, column)
    return found


def effort_key(name: str) -> str:
    """Return what the column of an effort is called among the columns found."""
    return f"effort {name}"


def _wanted(asked: SampleColumns, target: Target) -> Iterator[tuple[str, str | None, tuple[str, ...]]]:
    """Yield (key, the column asked for, names it may have)."""
    yield "id", asked.id, _KNOWN["id"]
    yield "longitude", asked.longitude, _KNOWN["longitude"]
    yield "latitude", asked.latitude, _KNOWN["latitude"]
    yield "year", asked.year, _KNOWN["year"]
    yield "value", asked.value, (target.name, *target.columns, *_ANY_VALUE)
    yield "count", asked.count, target.count_columns
    yield "continent", None, _KNOWN["continent"]
    yield "group", asked.group, ()
    for effort in target.effort:
        yield effort_key(effort.name), asked.effort.get(effort.name), (effort.name, *effort.columns)


def _needed(needs: Needs) -> set[str]:
    needed = {"id", "value"}
    if needs.coordinates:
        needed |= {"longitude", "latitude"}
    if needs.year and needs.year_if_missing is None:
        needed |= {"year"}
    return needed


def _by_name(header: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the column that has the first of these names, letter case aside."""
    columns = {column.lower(): column for column in reversed(header)}
    return next((columns[name.lower()] for name in names if name.lower() in columns), None)


def _only(path: Path, header: Sequence[str], column: str) -> str:
    if (count := header.count(column)) > 1:
        raise SampleError(f"sample table {path}: {count} columns are called {column!r}")
    return column


def _refuse_unknown_effort(path: Path, asked: SampleColumns, target: Target) -> None:
    known = [effort.name for effort in target.effort]
    for name in asked.effort:
        if name not in known:
            listed = ", ".join(known) or "none"
            raise SampleError(
                f"sample table {path}: {target.name} knows no effort {name!r}, known are {listed}"
            )


def _listed(header: Sequence[str]) -> str:
    more = f" and {len(header) - _LISTED} more" if len(header) > _LISTED else ""
    return ", ".join(ascii(name)[1:-1] for name in header[:_LISTED]) + more
