"""Yearly: from extreme days to the weather of a woodland's years, and the years that stand out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.weather.daily import DayAxis
from monitoring.weather.extremes import ExtremeDays, Flags
from monitoring.weather.years import WeatherYears

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class YearlyDays:
    """Days of each kind by place and calendar year; arrays (C, Y)."""

    years: Counts
    """(Y,) calendar years that the day axis holds from 1 January to 31 December, ascending."""
    hot: Counts
    dry: Counts
    compound: Counts
    missing: Counts
    """Days without weather."""


@dataclass(frozen=True)
class Standing:
    """Which place of the weather stands for a woodland."""

    woodland_id: str
    row: int
    """Position among the places."""
    place: str
    """The place in words."""


def yearly_days(found: ExtremeDays, days: DayAxis) -> YearlyDays:
    """Return how many days of each kind every place had; all days of a year count, not a season of it."""
    years, starts = _whole_years(days)
    if not len(years):
        nothing = np.zeros((len(found.known), 0), np.int64)
        return YearlyDays(years, nothing, nothing, nothing, nothing)
    inside = slice(starts[0], starts[-1])
    kinds = (found.hot, found.dry, found.compound, ~found.known)
    sums = (
        np.add.reduceat(kind[:, inside], starts[:-1] - starts[0], axis=1, dtype=np.int64) for kind in kinds
    )
    return YearlyDays(years, *sums)


def _whole_years(days: DayAxis) -> tuple[Counts, Counts]:
    """Return the Y years wholly on the axis, and where each begins and the last ends (Y + 1)."""
    first, end = days[0], days[-1] + 1
    born = np.arange(first.astype("datetime64[Y]"), end.astype("datetime64[Y]") + 1).astype("datetime64[D]")
    inside = born[(born >= first) & (born <= end)]
    years = inside[:-1].astype("datetime64[Y]").astype(np.int64) + 1970
    return years, (inside - first).astype(np.int64)


def weather_of_years(
    yearly: YearlyDays, standing: Sequence[Standing], *, max_missing_days: int = 5
) -> tuple[WeatherYears, ...]:
    """Return the weather years of each woodland; years with more missing days are left out of them."""
    fit = yearly.missing <= max_missing_days
    return tuple(_of_one(yearly, each, fit[each.row]) for each in standing)


def _of_one(yearly: YearlyDays, standing: Standing, fit: Flags) -> WeatherYears:
    hot, dry, compound = (kind[standing.row, fit] for kind in (yearly.hot, yearly.dry, yearly.compound))
    return WeatherYears(standing.woodland_id, yearly.years[fit], hot, dry, compound, standing.place)


def extreme_years(weather: WeatherYears, *, min_days: int = 1) -> Counts:
    """Return the years with at least so many compound days."""
    return weather.years[weather.compound_days >= min_days]


def extreme_among(years: Counts, weather: WeatherYears, *, min_days: int = 1) -> Flags | None:
    """Return (T,) which of these years were extreme; None where the weather of one of them is not known.

    A year of unknown weather may not pass for a normal one: the course of a decline is then unknown too.
    """
    if not np.isin(years, weather.years).all():
        return None
    return np.isin(years, extreme_years(weather, min_days=min_days))
