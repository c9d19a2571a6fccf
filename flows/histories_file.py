"""Histories from a table of anybody's: annual values per woodland, read without a warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flows.assessing.histories import Histories
from flows.histories_columns import Codes, Columns, Floats, read_columns
from monitoring.errors import SeasonError, SourceError, TrendError
from monitoring.gates.seen import SeenYears
from monitoring.science import Science
from monitoring.seasons import Season
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.sites import Site
from monitoring.woodlands import Status
from monitoring.wording import counted

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
#: What a class may be; those of the inventory are ancient, and name the standing as well.
_STANDINGS = {status.value: status for status in Status if status.is_ancient}
#: The park of every woodland of a table that names none: they are compared with each other.
WHOLE_TABLE = "the table"
CLASSES = ("other", "ancient", *_STANDINGS)
#: Other words for the first two.
_CLASS_WORDS = {
    "false": "other",
    "no": "other",
    "0": "other",
    "true": "ancient",
    "yes": "ancient",
    "1": "ancient",
}
FIRST_YEAR, LAST_YEAR = 1900, 2100
#: Bounds of what no woodland exceeds, metres and hectares.
_ELEVATIONS, _AREAS = (-500.0, 9000.0), (0.0, 1e7)
_INF = float("inf")
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
    _refuse_incomplete(columns)
    rows = _rows(columns)
    _refuse_repeats(columns, rows)
    _refuse_mixed(columns, np.isfinite(rows.mean))
    _refuse_other_target(columns, science.estimation.target)
    parts = _parts(columns, rows, science, up_to)
    if not (parts.kept | parts.outside).any():
        raise SourceError(
            f"histories {path}: no year with an estimate among {counted(columns.n_rows, 'row')}"
        )
    sites = _sites(columns, rows)
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
class _Rows:
    """What every row states, in the order of the file."""

    names: tuple[str, ...]
    """Woodlands, sorted."""
    woodland: Codes
    """(R,) position among the names."""
    year: Years
    mean: Floats


@dataclass(frozen=True)
class _Parts:
    """What each row with an estimate is used for, all (R,); a row without one is in none of them."""

    kept: Flags
    outside: Flags
    thin: Flags
    later: Flags


def _refuse_incomplete(columns: Columns) -> None:
    for needed in ("woodland", "mean"):
        if needed not in columns.cells:
            raise SourceError(f"histories {columns.path}: no column {' or '.join(KNOWN[needed])}")
    if "year" not in columns.cells and "season" not in columns.cells:
        raise SourceError(f"histories {columns.path}: no column year or season")
    if not columns.n_rows:
        raise SourceError(f"histories {columns.path}: no rows")


def _rows(columns: Columns) -> _Rows:
    codes, names = columns.words("woodland")
    if (codes < 0).any():
        raise columns.refusal(_first(codes < 0), "no woodland")
    order = np.argsort(np.array(names, object))
    place = np.empty(len(names), np.int64)
    place[order] = np.arange(len(names))
    ordered = tuple(names[number] for number in order)
    return _Rows(ordered, place[codes], _years(columns), columns.numbers("mean", -_INF, _INF))


def _first(flags: Flags) -> int:
    return int(np.argmax(flags))


def _years(columns: Columns) -> Years:
    stated, of_season = _calendar_years(columns), _season_years(columns)
    years = np.where(np.isnan(of_season), stated, of_season)
    if np.isnan(years).any():
        raise columns.refusal(_first(np.isnan(years)), "no year")
    both = np.isfinite(stated) & np.isfinite(of_season) & (stated != of_season)
    if both.any():
        row = _first(both)
        raise columns.refusal(row, f"year {stated[row]:.0f} beside season {of_season[row]:.0f}-Q4")
    return years.astype(np.int64)


def _calendar_years(columns: Columns) -> Floats:
    years = columns.numbers("year", FIRST_YEAR, LAST_YEAR)
    broken = np.isfinite(years) & (years != np.floor(years))
    if broken.any():
        row = _first(broken)
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
        raise SeasonError(str(columns.refusal(_first(rows), str(error)))) from error
    if not season.is_final:
        why = "its window overlaps those of Q4 seasons, the only ones a trend uses"
        raise SeasonError(str(columns.refusal(_first(rows), f"season {season.id}: {why}")))
    return season.year


def _refuse_repeats(columns: Columns, rows: _Rows) -> None:
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


def _refuse_mixed(columns: Columns, has_estimate: Flags) -> None:
    """Estimates of two encoders are not comparable, neither within a woodland nor between it and others."""
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


def _refuse_other_target(columns: Columns, target: str) -> None:
    codes, texts = columns.words("target")
    for code, text in enumerate(texts):
        if text != target:
            raise columns.refusal(_first(codes == code), f"target {text!r}: the science says {target!r}")


def _word(texts: Sequence[str], code: int) -> str:
    return repr(texts[code]) if code >= 0 else "not stated"


def _parts(columns: Columns, rows: _Rows, science: Science, up_to: Season | None) -> _Parts:
    """A share that is not stated passes: there is nothing to hold against the row."""
    rule, has = science.estimation, np.isfinite(rows.mean)
    coverage = columns.numbers("coverage", 0, 1)
    applicable = columns.numbers("applicable_share", 0, 1)
    later = has & (rows.year > (up_to.year if up_to else LAST_YEAR))
    thin = has & ~later & (coverage < rule.min_coverage)
    outside = has & ~later & ~thin & (applicable < rule.min_applicable_share)
    return _Parts(has & ~later & ~thin & ~outside, outside, thin, later)


def _series(columns: Columns, rows: _Rows, parts: _Parts) -> tuple[RichnessSeries, ...]:
    sd, sd_year = (columns.numbers(name, 0, _INF) for name in ("sd", "sd_year"))
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


def _by_woodland(rows: _Rows, chosen: Flags) -> list[NDArray[np.intp]]:
    """Return the chosen rows of each woodland, in time order."""
    at = np.flatnonzero(chosen)
    at = at[np.lexsort((rows.year[at], rows.woodland[at]))]
    return np.split(at, np.searchsorted(rows.woodland[at], np.arange(1, len(rows.names))))


def _seen(columns: Columns, rows: _Rows, parts: _Parts) -> tuple[SeenYears, ...]:
    names = ("n_s2", "n_s1_ascending", "n_s1_descending", "leaf_on_share", "applicable_share")
    if not columns.cells.keys() & set(names):
        return ()
    highs = [1.0 if name.endswith("_share") else _INF for name in names]
    values = [columns.numbers(name, 0, high) for name, high in zip(names, highs, strict=True)]
    return tuple(
        SeenYears(woodland, rows.year[at], *(each[at] for each in values))
        for woodland, at in zip(rows.names, _by_woodland(rows, parts.kept | parts.outside), strict=True)
        if len(at)
    )


def _sites(columns: Columns, rows: _Rows) -> dict[str, Site]:
    park, leaf_type, block = (_texts(columns, rows, name) for name in ("park", "leaf_type", "block"))
    elevation = _figures(columns, rows, "elevation_m", _ELEVATIONS)
    area = _figures(columns, rows, "area_ha", _AREAS)
    classes = _classes(columns, rows)
    if "park" not in columns.cells:
        park = [WHOLE_TABLE] * len(rows.names)
    return {
        name: Site(
            woodland_id=name,
            park=park[w],
            is_ancient=classes[w] != "other",
            status=_STANDINGS.get(classes[w], Status.OTHER),
            leaf_type=leaf_type[w],
            elevation_m=elevation[w],
            area_ha=area[w],
            block=block[w],
        )
        for w, name in enumerate(rows.names)
    }


def _texts(columns: Columns, rows: _Rows, name: str) -> list[str]:
    codes, texts = columns.words(name)
    stated = [*texts, ""]
    place = _one_per_woodland(columns, rows, name, codes, codes >= 0, np.array(stated, object))
    return [stated[codes[row]] if row >= 0 else "" for row in place.tolist()]


def _figures(columns: Columns, rows: _Rows, name: str, bounds: tuple[float, float]) -> list[float]:
    values = columns.numbers(name, *bounds)
    place = _one_per_woodland(columns, rows, name, values, np.isfinite(values))
    return [float(value) for value in np.where(place >= 0, values[place], np.nan)]


def _one_per_woodland(
    columns: Columns,
    rows: _Rows,
    name: str,
    values: Floats | Codes,
    stated: Flags,
    shown: NDArray[np.object_] | None = None,
) -> NDArray[np.int64]:
    """Return the first row of each woodland that states a value, -1 for none; TrendError where two differ."""
    at = np.flatnonzero(stated)
    members, first = np.unique(rows.woodland[at], return_index=True)
    place = np.full(len(rows.names), -1, np.int64)
    place[members] = at[first]
    differing = at[values[at] != values[place[rows.woodland[at]]]]
    if differing.size:
        other = int(differing[0])
        one = int(place[rows.woodland[other]])
        words = [str(shown[values[row]] if shown is not None else values[row]) for row in (one, other)]
        raise SourceError(
            f"histories {columns.path}: woodland {rows.names[rows.woodland[other]]}: {name} {words[0]!r} on "
            f"{columns.where(one)} and {words[1]!r} on {columns.where(other)}; it lies in one place"
        )
    return place


def _classes(columns: Columns, rows: _Rows) -> list[str]:
    """Return the class of each woodland; all are other woodland where the table states no class."""
    codes, texts = columns.words("class")
    meaning = [_class_of(columns, text, codes == code) for code, text in enumerate(texts)]
    if not meaning:
        return ["other"] * len(rows.names)
    of_row = np.array([*meaning, -1])[codes]
    place = _one_per_woodland(columns, rows, "class", of_row, of_row >= 0, np.array(CLASSES, object))
    if (place < 0).any():
        name = rows.names[_first(place < 0)]
        raise SourceError(f"histories {columns.path}: woodland {name}: no class, where others have one")
    return [CLASSES[kind] for kind in of_row[place]]


def _class_of(columns: Columns, text: str, rows: Flags) -> int:
    word = _CLASS_WORDS.get(text.lower(), text).lower()
    for kind, name in enumerate(CLASSES):
        if word == name.lower():
            return kind
    known = f"{', '.join(CLASSES)}, true and false"
    raise columns.refusal(_first(rows), f"class {text[:40]!r}: known are {known}")
