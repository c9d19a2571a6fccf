"""Histories from a table of anybody's: annual values per woodland, read without a warehouse."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flows.assessing.histories import Histories
from flows.own_table.columns import Columns, read_columns
from flows.own_table.rows import (
    INF,
    KNOWN,
    LAST_YEAR,
    Flags,
    Rows,
    refuse_incomplete,
    refuse_mixed,
    refuse_other_target,
    refuse_repeats,
    rows_of,
)
from flows.own_table.sites import sites_of
from monitoring.errors import SourceError
from monitoring.gates.seen import SeenYears
from monitoring.science import Science
from monitoring.seasons import Season
from monitoring.trends.histories import RichnessSeries
from monitoring.wording import counted

#: Ignored columns that are named before they are only counted.
_LISTED = 8


@dataclass(frozen=True)
class HistoriesReading:
    """The histories of a table, and what of it takes no part."""

    histories: Histories
    n_rows: int
    n_missing: int
    """Rows without a mean: years without an estimate, which stay missing."""
    n_thin: int
    """Years left out because too little of the woodland was estimated."""
    n_outside: int
    """Years left out because too little of the estimate lies inside the area of applicability."""
    n_later: int
    """Years after the season that is assessed."""
    ignored: tuple[str, ...]
    """Columns that mean nothing here."""

    @property
    def last_year(self) -> int:
        """The latest year with an estimate; there always is one."""
        return max(int(one.estimated[-1]) for one in self.histories.series if len(one.estimated))

    @property
    def latest_season(self) -> Season:
        """The final season of the last year; SeasonError before there were any seasons."""
        return Season(self.last_year, 4)

    def refuse_without(self, season: Season) -> None:
        """SourceError where no woodland has an estimate in a season: there is nothing new to judge."""
        if not any(season.year in one.estimated for one in self.histories.series):
            raise SourceError(f"no estimate in {season.year}: the last is of {self.last_year}")

    @property
    def remarks(self) -> tuple[str, ...]:
        """One line for each thing that was left out; none where nothing was."""
        counts = (
            (self.n_missing, "without an estimate: they stay missing"),
            (self.n_thin, "left out: too little of the woodland estimated"),
            (self.n_outside, "left out: outside the area of applicability"),
            (self.n_later, "left out: after the season assessed"),
        )
        lines = [f"{counted(count, 'woodland-year')} {words}" for count, words in counts if count]
        return (*lines, *self._ignored())

    def _ignored(self) -> tuple[str, ...]:
        if not self.ignored:
            return ()
        more = f" and {len(self.ignored) - _LISTED} more" if len(self.ignored) > _LISTED else ""
        listed = ", ".join(ascii(name)[1:-1] or "(no name)" for name in self.ignored[:_LISTED])
        return (f"columns ignored: {listed}{more}",)


def read_histories(path: Path, science: Science, up_to: Season | None = None) -> HistoriesReading:
    """Return the histories in a CSV or Parquet table: one row per woodland and year.

    Needed are a woodland, a year or a Q4 season, and a mean; an empty mean is a missing year. `KNOWN` names
    the other columns; a column of any other name is ignored and told. Years with too little coverage are left
    out, years outside the area of applicability take no part in tests, both by the science's bounds; what a
    row does not state is not held against it. Years after `up_to` are left out.

    SeasonError for a season that is not a calendar year; TrendError for a woodland given twice in a year, and
    for a table that mixes encoders, heads, sources, variants or targets; SourceError for all else that cannot
    be read or be true.
    """
    columns = read_columns(Path(path), KNOWN)
    refuse_incomplete(columns)
    rows = rows_of(columns)
    refuse_repeats(columns, rows)
    refuse_mixed(columns, np.isfinite(rows.mean))
    refuse_other_target(columns, science.estimation.target)
    parts = _parts(columns, rows, science, up_to)
    if not (parts.kept | parts.outside).any():
        raise SourceError(
            f"histories {path}: no year with an estimate among {counted(columns.n_rows, 'row')}"
        )
    sites = sites_of(columns, rows)
    histories = Histories(_series(columns, rows, parts), sites, _seen(columns, rows, parts))
    return HistoriesReading(
        histories=histories,
        n_rows=columns.n_rows,
        n_missing=int((~np.isfinite(rows.mean)).sum()),
        n_thin=int(parts.thin.sum()),
        n_outside=int(parts.outside.sum()),
        n_later=int(parts.later.sum()),
        ignored=columns.ignored,
    )


@dataclass(frozen=True)
class _Parts:
    """What each row with an estimate is used for, all (R,); a row without one is in none of them."""

    kept: Flags
    outside: Flags
    thin: Flags
    later: Flags


def _parts(columns: Columns, rows: Rows, science: Science, up_to: Season | None) -> _Parts:
    """A share that is not stated passes: there is nothing to hold against the row."""
    rule, has = science.estimation, np.isfinite(rows.mean)
    coverage = columns.numbers("coverage", 0, 1)
    applicable = columns.numbers("applicable_share", 0, 1)
    later = has & (rows.year > (up_to.year if up_to else LAST_YEAR))
    thin = has & ~later & (coverage < rule.min_coverage)
    outside = has & ~later & ~thin & (applicable < rule.min_applicable_share)
    return _Parts(has & ~later & ~thin & ~outside, outside, thin, later)


def _series(columns: Columns, rows: Rows, parts: _Parts) -> tuple[RichnessSeries, ...]:
    sd, sd_year = (columns.numbers(name, 0, INF) for name in ("sd", "sd_year"))
    kept = _by_woodland(rows, parts.kept)
    outside = _by_woodland(rows, parts.outside)
    return tuple(
        RichnessSeries(
            woodland_id=name,
            years=rows.year[inside],
            mean=rows.mean[inside],
            sd=sd[inside],
            outside=rows.year[beyond],
            sd_year=sd_year[inside] if "sd_year" in columns.cells else np.array([]),
        )
        for name, inside, beyond in zip(rows.names, kept, outside, strict=True)
    )


def _by_woodland(rows: Rows, chosen: Flags) -> list[NDArray[np.intp]]:
    """Return the chosen rows of each woodland, in time order."""
    at = np.flatnonzero(chosen)
    at = at[np.lexsort((rows.year[at], rows.woodland[at]))]
    return np.split(at, np.searchsorted(rows.woodland[at], np.arange(1, len(rows.names))))


def _seen(columns: Columns, rows: Rows, parts: _Parts) -> tuple[SeenYears, ...]:
    names = ("n_s2", "n_s1_ascending", "n_s1_descending", "leaf_on_share", "applicable_share")
    if not columns.cells.keys() & set(names):
        return ()
    highs = [1.0 if name.endswith("_share") else INF for name in names]
    values = [columns.numbers(name, 0, high) for name, high in zip(names, highs, strict=True)]
    return tuple(
        SeenYears(woodland, rows.year[at], *(each[at] for each in values))
        for woodland, at in zip(rows.names, _by_woodland(rows, parts.kept | parts.outside), strict=True)
        if len(at)
    )
