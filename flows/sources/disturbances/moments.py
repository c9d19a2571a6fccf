"""Moments: what the many ways of writing when something happened mean as days."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.sources.boundaries.vectors import attribute_text
from monitoring.errors import SettingsError

Days = NDArray[np.datetime64]

#: Years an event may lie in: the first has Landsat 5 at work, the last is beyond any record to come.
FIRST_YEAR, LAST_YEAR = 1984, 2100
#: Encodings of a raster of dates; `days since YYYY-MM-DD` is the fifth.
ENCODINGS = ("year", "yyyymmdd", "yydoy", "radd")
#: Day 0 of the alert rasters of Global Forest Watch, RADD among them.
RADD_DAY_0 = np.datetime64("2014-12-31")
#: Leading digits of an alert: 2 low, 3 high, 4 the highest confidence (seen by several systems).
RADD_LOW, RADD_HIGHEST = 2, 4

_SINCE = re.compile(r"days since (\d{4}-\d{2}-\d{2})")
_NEVER = np.datetime64("NaT", "D")


def first_and_last(text: str) -> tuple[date, date] | None:
    """Return the days meant by `2021`, `202106`, `20210617`, `2021-06` or `2021-06-17`; None for any other.

    A time of day after the date is left out. `17/06/2021` is None: it may mean two days.
    """
    digits = text.split("T")[0].split(" ")[0].replace("-", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) in (4, 6, 8)):
        return None
    try:
        first = date.fromisoformat(f"{digits[:4]}-{digits[4:6] or '01'}-{digits[6:8] or '01'}")
    except ValueError:
        return None
    if not FIRST_YEAR <= first.year <= LAST_YEAR:
        return None
    return first, _last_day(first, len(digits))


def _last_day(first: date, digits: int) -> date:
    if digits == 8:
        return first
    if digits == 4:
        return date(first.year, 12, 31)
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return following - timedelta(days=1)


def spans(values: Iterable[Any]) -> list[tuple[date, date] | None]:
    """Return the days each attribute means; None where it is missing, unreadable or out of bounds."""
    texts = [attribute_text(value) for value in values]
    known = {text: first_and_last(text) for text in set(texts)}
    return [known[text] for text in texts]


def refuse_unknown_encoding(encoding: str) -> None:
    """Raise SettingsError for an encoding that is not known."""
    match = _SINCE.fullmatch(encoding)
    if encoding not in ENCODINGS and (match is None or first_and_last(match[1]) is None):
        raise SettingsError(
            f"disturbance encoding {encoding!r}: known are {', '.join(ENCODINGS)} and 'days since YYYY-MM-DD'"
        )


def decoded(codes: NDArray[np.float64], encoding: str) -> tuple[Days, NDArray[np.bool_]]:
    """Return (day, is certain), both like `codes` (n,): NaT where a code is 0, NaN or means no day in bounds.

    `year`: 2021 (1 January stands for it). `yyyymmdd`: 20210617. `yydoy`: 21168 is day 168 of 2021, as in the
    date band of RADD in Earth Engine. `radd`: the rasters of RADD and of the integrated alerts that Global
    Forest Watch hands out: a leading 2 (low confidence, not certain), 3 (high) or 4 (highest), then four
    digits: days since 31 December 2014; 21847 is 21 January 2020. `days since YYYY-MM-DD`: day 0 is no day.
    """
    whole = np.where(np.isfinite(codes) & (codes > 0) & (codes == np.floor(codes)) & (codes < 1e8), codes, 0)
    numbers = whole.astype(np.int64)
    certain = np.ones(len(numbers), bool)
    if encoding == "year":
        days = _days(numbers, np.ones_like(numbers), np.ones_like(numbers))
    elif encoding == "yyyymmdd":
        days = _days(numbers // 10_000, numbers // 100 % 100, numbers % 100)
    elif encoding == "yydoy":
        days = _days_of_year(2000 + numbers // 1000, numbers % 1000)
    elif encoding == "radd":
        days, certain = _radd(numbers)
    else:
        days = np.datetime64(encoding.removeprefix("days since ")) + numbers.astype("timedelta64[D]")
    year = days.astype("datetime64[Y]").astype(np.int64) + 1970
    is_day = (numbers > 0) & (year >= FIRST_YEAR) & (year <= LAST_YEAR)
    return np.where(is_day, days, _NEVER), certain


def _days(year: NDArray[np.int64], month: NDArray[np.int64], day: NDArray[np.int64]) -> Days:
    """Return (n,) days of the calendar; NaT for a 13th month or a 30th of February."""
    month_of = (np.clip(year, 1, 9999) - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (
        np.clip(month, 1, 12) - 1
    ).astype("timedelta64[M]")
    days = month_of.astype("datetime64[D]") + (np.clip(day, 1, 31) - 1).astype("timedelta64[D]")
    exists = (
        (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31) & (days.astype("datetime64[M]") == month_of)
    )
    return np.where(exists, days, _NEVER)


def _days_of_year(year: NDArray[np.int64], day: NDArray[np.int64]) -> Days:
    start = (np.clip(year, 1, 9999) - 1970).astype("datetime64[Y]")
    days = start.astype("datetime64[D]") + (day - 1).astype("timedelta64[D]")
    return np.where((day >= 1) & (days.astype("datetime64[Y]") == start), days, _NEVER)


def _radd(numbers: NDArray[np.int64]) -> tuple[Days, NDArray[np.bool_]]:
    confidence, day = numbers // 10_000, numbers % 10_000
    is_alert = (confidence >= RADD_LOW) & (confidence <= RADD_HIGHEST) & (day > 0)
    days = RADD_DAY_0 + day.astype("timedelta64[D]")
    return np.where(is_alert, days, _NEVER), confidence != RADD_LOW
