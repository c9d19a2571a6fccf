"""Rows of a table of histories: whose and of which year each is, and what no table may hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flows.own_table.columns import Codes, Columns, Floats
from monitoring.errors import SeasonError, SourceError, TrendError
from monitoring.seasons import Season

Years = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: Names of columns, the preferred first; the second are those of the warehouse.
KNOWN = {
    "woodland": ("woodland", "woodland_id"),
    "season": ("season",),
    "year": ("year",),
    "mean": ("mean",),
    "sd": ("sd",),
    "sd_year": ("sd_year",),
    "park": ("park",),
    "class": ("class", "status"),
    "leaf_type": ("leaf_type",),
    "elevation_m": ("elevation_m",),
    "area_ha": ("area_ha",),
    "block": ("block", "block_id"),
    "coverage": ("coverage",),
    "applicable_share": ("applicable_share",),
    "n_s2": ("n_s2",),
    "n_s1_ascending": ("n_s1_ascending",),
    "n_s1_descending": ("n_s1_descending",),
    "leaf_on_share": ("leaf_on_share",),
    "encoder": ("encoder",),
    "head": ("head", "model"),
    "source": ("source",),
    "variant": ("variant",),
    "target": ("target",),
}
#: What one table may hold only one of: the rows of two are not comparable.
ONE_OF = ("encoder", "head", "source", "variant", "target")
FIRST_YEAR, LAST_YEAR = 1900, 2100
INF = float("inf")


@dataclass(frozen=True)
class Rows:
    """What every row states, in the order of the file."""

    names: tuple[str, ...]
    """Woodlands, sorted."""
    woodland: Codes
    """(R,) position among the names."""
    year: Years
    mean: Floats


def refuse_incomplete(columns: Columns) -> None:
    """Raise SourceError for a table without rows, or without a column that none can do without."""
    for needed in ("woodland", "mean"):
        if needed not in columns.cells:
            raise SourceError(f"histories {columns.path}: no column {' or '.join(KNOWN[needed])}")
    if "year" not in columns.cells and "season" not in columns.cells:
        raise SourceError(f"histories {columns.path}: no column year or season")
    if not columns.n_rows:
        raise SourceError(f"histories {columns.path}: no rows")


def rows_of(columns: Columns) -> Rows:
    """Return whose and of which year each row is; SourceError or SeasonError for a row that does not say."""
    codes, names = columns.words("woodland")
    if (codes < 0).any():
        raise columns.refusal(first_row(codes < 0), "no woodland")
    order = np.argsort(np.array(names, object))
    place = np.empty(len(names), np.int64)
    place[order] = np.arange(len(names))
    ordered = tuple(names[number] for number in order)
    return Rows(ordered, place[codes], _years(columns), columns.numbers("mean", -INF, INF))


def first_row(flags: Flags) -> int:
    """Return the first row that is flagged; there is one."""
    return int(np.argmax(flags))


def _years(columns: Columns) -> Years:
    stated, of_season = _calendar_years(columns), _season_years(columns)
    years = np.where(np.isnan(of_season), stated, of_season)
    if np.isnan(years).any():
        raise columns.refusal(first_row(np.isnan(years)), "no year")
    both = np.isfinite(stated) & np.isfinite(of_season) & (stated != of_season)
    if both.any():
        row = first_row(both)
        raise columns.refusal(row, f"year {stated[row]:.0f} beside season {of_season[row]:.0f}-Q4")
    return years.astype(np.int64)


def _calendar_years(columns: Columns) -> Floats:
    years = columns.numbers("year", FIRST_YEAR, LAST_YEAR)
    broken = np.isfinite(years) & (years != np.floor(years))
    if broken.any():
        row = first_row(broken)
        raise columns.refusal(row, f"year {years[row]:g}: must be a whole number")
    return years


def _season_years(columns: Columns) -> Floats:
    """Return the calendar year of each row's season; NaN where it states none."""
    codes, texts = columns.words("season")
    years = np.full(len(texts) + 1, np.nan)
    for code, text in enumerate(texts):
        years[code] = _year_of(columns, text, codes == code)
    return years[codes]


def _year_of(columns: Columns, text: str, rows: Flags) -> int:
    try:
        season = Season.parse(text)
    except SeasonError as error:
        raise SeasonError(str(columns.refusal(first_row(rows), str(error)))) from error
    if not season.is_final:
        why = "its window overlaps those of Q4 seasons, the only ones a trend uses"
        raise SeasonError(str(columns.refusal(first_row(rows), f"season {season.id}: {why}")))
    return season.year


def refuse_repeats(columns: Columns, rows: Rows) -> None:
    """Raise TrendError for a woodland given twice in a year."""
    order = np.lexsort((rows.year, rows.woodland))
    woodland, year = rows.woodland[order], rows.year[order]
    again = np.flatnonzero((woodland[1:] == woodland[:-1]) & (year[1:] == year[:-1]))
    if again.size:
        place = int(again[0])
        name, when = rows.names[woodland[place]], year[place]
        raise TrendError(
            f"histories {columns.path}: woodland {name}: {when} is given on {_two(columns, order, place)}"
        )


def _two(columns: Columns, order: NDArray[np.intp], place: int) -> str:
    first, second = sorted(order[place : place + 2].tolist())
    return f"{columns.where(first)} and {columns.where(second)}"


def refuse_mixed(columns: Columns, has_estimate: Flags) -> None:
    """Raise TrendError where rows with an estimate are of two encoders, or of two of any of `ONE_OF`.

    Such estimates are not comparable, neither within a woodland nor between it and others.
    """
    rows = np.flatnonzero(has_estimate)
    for name in ONE_OF:
        codes, texts = columns.words(name)
        differing = np.flatnonzero(codes[rows] != codes[rows[0]]) if rows.size else rows
        if differing.size:
            one, other = int(rows[0]), int(rows[differing[0]])
            raise TrendError(
                f"histories {columns.path}: {name} {_word(texts, codes[one])} on {columns.where(one)} and "
                f"{_word(texts, codes[other])} on {columns.where(other)}: a series never mixes them"
            )


def refuse_other_target(columns: Columns, target: str) -> None:
    """Raise SourceError for a row of another target than the science says."""
    codes, texts = columns.words("target")
    for code, text in enumerate(texts):
        if text != target:
            raise columns.refusal(first_row(codes == code), f"target {text!r}: the science says {target!r}")


def _word(texts: Sequence[str], code: int) -> str:
    return repr(texts[code]) if code >= 0 else "not stated"
