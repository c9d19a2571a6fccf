"""Rows: the cells of one row as a sample, or why they are none."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from flows.sources.field_samples.columns import Needs, effort_key
from flows.sources.field_samples.defects import REFUSED, Defect
from monitoring.samples import NO_YEAR, FieldSample
from monitoring.targets import Effort, Target

#: Years that a sample can be of: soil has been sequenced since the nineties.
FIRST_YEAR, LAST_YEAR = 1990, 2100
#: Longest id; GlobalFungi's have 11 characters.
MAX_ID = 200
_MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none"})
_COMMA_NUMBER = re.compile(r"[+-]?[\d.]*\d,\d[\d,]*")
_NEEDED, _READABLE, _BOUNDED = "a sample needs it", "a number that can be read", "possible values"


class UnusableRowError(Exception):
    """A row that cannot be used: its defect, and what it holds there."""

    def __init__(self, what: str, rule: str, value: object) -> None:
        super().__init__(what)
        self.defect, self.value = Defect(what, rule, REFUSED), str(value)


class CommaNumberError(Exception):
    """A number written with a comma: the whole table is suspect, not one row."""


@dataclass(frozen=True)
class StatedSample:
    """A sample and what its row states beside it."""

    row: int
    sample: FieldSample
    count: float
    """Observed count behind an estimate; NaN where not stated."""
    continent: str


def cell(text: str) -> str:
    """Return a cell without blanks around it, empty where it states nothing."""
    stripped = text.strip()
    return "" if stripped.lower() in _MISSING else stripped


def stated_sample(row: int, cells: Mapping[str, str], target: Target, needs: Needs) -> StatedSample:
    """Return the sample in the cells of one row; UnusableRowError where there is none."""
    longitude, latitude = _place(cells, needs)
    sample = FieldSample(
        id=_id(cells["id"]),
        longitude=longitude,
        latitude=latitude,
        year=_year(cells.get("year", ""), needs),
        value=_number(target.name, cells["value"], target.low, target.high),
        effort=tuple(_effort(each, cells.get(effort_key(each.name), "")) for each in target.effort),
        group=_group(cells),
    )
    count = cells.get("count", "")
    counted = _number("observed count", count, 0, math.inf) if count else math.nan
    return StatedSample(row, sample, counted, cells.get("continent", ""))


def _id(text: str) -> str:
    if not text:
        raise UnusableRowError("no id", _NEEDED, text)
    if not text.isprintable() or len(text) > MAX_ID:
        raise UnusableRowError("the id cannot be printed", f"at most {MAX_ID} printable characters", text)
    return text


def _place(cells: Mapping[str, str], needs: Needs) -> tuple[float, float]:
    stated = cells.get("longitude", ""), cells.get("latitude", "")
    if not needs.coordinates and not all(stated):
        return math.nan, math.nan
    place = _number("longitude", stated[0], -180, 180), _number("latitude", stated[1], -90, 90)
    if place == (0, 0):
        raise UnusableRowError("coordinates are 0, 0", "what databases write where they know none", stated)
    return place


def _year(text: str, needs: Needs) -> int:
    if not text and needs.year_if_missing is not None:
        return needs.year_if_missing
    if not text and not needs.year:
        return NO_YEAR
    year = _number("year", text, FIRST_YEAR, LAST_YEAR)
    if not year.is_integer():
        raise UnusableRowError("year is not a whole number", _READABLE, text)
    return int(year)


def _effort(effort: Effort, text: str) -> float:
    if not text:
        return math.nan
    value = _number(effort.name, text, -math.inf, math.inf)
    if value < 0 or (effort.scale == "log" and value == 0):
        above = "not above 0" if effort.scale == "log" else "below 0"
        raise UnusableRowError(f"{effort.name} is {above}", "nothing was sampled", text)
    return value


def _group(cells: Mapping[str, str]) -> str:
    text = cells.get("group", "")
    if "group" in cells and not text:
        raise UnusableRowError("no group", "folds by group need it", text)
    return text


def _number(what: str, text: str, low: float, high: float) -> float:
    if not text:
        raise UnusableRowError(f"no {what}", _NEEDED, text)
    if _COMMA_NUMBER.fullmatch(text):
        raise CommaNumberError(f"{what} {text!r}")
    try:
        # Python reads 1_000 as a thousand; no table means that.
        value = float(text.replace("_", "?"))
    except ValueError as error:
        raise UnusableRowError(f"{what} is not a number", _READABLE, text) from error
    if not math.isfinite(value):
        raise UnusableRowError(f"{what} is not finite", _READABLE, text)
    if not low <= value <= high:
        raise UnusableRowError(f"{what} is outside {low:g} to {high:g}", _BOUNDED, text)
    return value
