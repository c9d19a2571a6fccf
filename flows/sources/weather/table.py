"""A weather table: places and days, and a way to read some places at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import WeatherError
from monitoring.weather.daily import Array, DailyWeather, DayAxis

#: Longest record: a century and a half, as the longest reanalyses.
MAX_DAYS = 60_000


@dataclass(frozen=True)
class Places:
    """C cells or stations."""

    latitude: Array
    """(C,) degrees, WGS 84."""
    longitude: Array
    """(C,) degrees from -180 to 180."""
    names: tuple[str, ...] = ()
    """Ids, where the table has some; else empty."""

    def words(self, row: int) -> str:
        """Return what a person may call a place."""
        north, east = self.latitude[row], self.longitude[row]
        at = f"{abs(north):.3f} {'NS'[int(north < 0)]} {abs(east):.3f} {'EW'[int(east < 0)]}"
        return f"{self.names[row]} at {at}" if self.names else at


class WeatherTable(Protocol):
    """An open table of daily weather."""

    @property
    def where(self) -> str:
        """The table, for messages."""

    @property
    def places(self) -> Places:
        """Places with weather."""

    @property
    def days(self) -> DayAxis:
        """(D,) every day from the first to the last."""

    def read(self, rows: NDArray[np.int64]) -> DailyWeather:
        """Return the weather of some places, in the units computed in, not yet judged."""


def day_axis(where: str, present: DayAxis, max_gap_days: int) -> DayAxis:
    """Return every day from the first to the last of the days present, which ascend and are distinct.

    WeatherError for none, for an unbelievable span, or for a gap of more days than `max_gap_days`.
    """
    if not len(present):
        raise WeatherError(f"{where}: no day")
    days = int((present[-1] - present[0]).astype(np.int64)) + 1
    if days > MAX_DAYS:
        raise WeatherError(f"{where}: {days} days from {present[0]} to {present[-1]}, at most {MAX_DAYS}")
    gaps = np.diff(present).astype(np.int64) - 1
    if len(gaps) and gaps.max() > max_gap_days:
        after = present[int(gaps.argmax())]
        raise WeatherError(f"{where}: {gaps.max()} days missing after {after}, at most {max_gap_days}")
    return np.arange(present[0], present[-1] + 1)
