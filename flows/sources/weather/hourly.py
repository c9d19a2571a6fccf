"""Hourly weather made daily, with the one trap of ERA5-Land met: its sums run on from 00 UTC.

In ERA5-Land (unlike ERA5) rain and radiation of an hour are what fell since 00 UTC, and the value stamped
00 UTC is the whole of the day before (ECMWF, "Conversion table for accumulated variables"). So a day's total
is one value, the next day's first; adding the hours up would count the morning's rain many times over.
"""

from __future__ import annotations

import numpy as np

from monitoring.errors import WeatherError
from monitoring.weather.daily import Array, DayAxis

HOURS = 24
HOUR = np.timedelta64(1, "h")
#: Share of the largest total by which packing in 16 bits may let a running sum fall.
_PACKING = 1e-3


def whole_days(where: str, times: DayAxis) -> tuple[int, DayAxis]:
    """Return the position of the first midnight and every day that has its 24 hours.

    WeatherError where an hour is missing or there twice, or no day is whole.
    """
    wrong = np.flatnonzero(np.diff(times) != HOUR)
    if len(wrong):
        raise WeatherError(
            f"{where}: {times[wrong[0] + 1]} follows {times[wrong[0]]}, not an hour later; give daily values"
        )
    midnights = np.flatnonzero(times == times.astype("datetime64[D]"))
    if not len(midnights) or len(times) - midnights[0] < HOURS:
        raise WeatherError(f"{where}: no whole UTC day among its {len(times)} hours")
    first = int(midnights[0])
    start = times[first].astype("datetime64[D]")
    return first, start + np.arange((len(times) - first) // HOURS)


def by_day(hourly: Array) -> Array:
    """Return (D, 24, C) from hours (24 D, C)."""
    return hourly.reshape(-1, HOURS, hourly.shape[1])


def totals(where: str, running: Array) -> Array:
    """Return each day's total (D, C) from running sums (24 D, C) stamped 01 UTC to 00 UTC of the next day.

    WeatherError where a sum falls within a day: it is not a running one, as in ERA5 or in tables already
    taken apart.
    """
    days = by_day(running)
    room = _PACKING * np.nanmax(np.abs(running), initial=0)
    if (np.diff(days, axis=1) < -room).any():
        raise WeatherError(
            f"{where}: falls within a day, so it is not the sum since 00 UTC that ERA5-Land has; "
            "give daily totals"
        )
    return days[:, -1]
