"""Eras: spans of years within which the sensors and their processing stayed what they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import TrendError

#: Ends of a span that is open: before the first satellite, and after any year we shall see.
OPEN_START, OPEN_END = 1, 9999


@dataclass(frozen=True)
class Era:
    """Calendar years, both ends included, seen with the same sensors and processing."""

    name: str
    first_year: int
    last_year: int
    what: str
    """What set it apart, for a reader."""

    def __post_init__(self) -> None:
        if self.first_year > self.last_year:
            raise TrendError(f"era {self.name}: its first year {self.first_year} is after {self.last_year}")


#: The eras of the two Sentinels. A change within a year counts from the New Year nearest to it.
ERAS = (
    Era("to 2017", OPEN_START, 2017, "Sentinel-1 scenes with borders of zeros; Sentinel-2B only from 2017"),
    Era("2018-2021", 2018, 2021, "two Sentinel-1 and two Sentinel-2, processing baselines below 04.00"),
    Era(
        "2022-2024",
        2022,
        2024,
        "Sentinel-1B lost on 2021-12-23, processing baseline 04.00 from 2022-01-25; "
        "radar terrain correction shifted by about 20 m in October 2024",
    ),
    Era(
        "from 2025",
        2025,
        OPEN_END,
        "Sentinel-2C in the place of Sentinel-2A from 2025-01-21, Sentinel-1C, the shifted radar all year",
    ),
)


def years_of(era: Era, years: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return those of the years that lie in the era, in their order; empty where none does."""
    return years[_inside(era, years)]


def without_each(
    years: NDArray[np.int64], eras: Sequence[Era] = ERAS
) -> Iterator[tuple[Era, NDArray[np.int64]]]:
    """Yield each era that has some of the years, with the years that are left without it, in their order.

    An era without any of the years is passed over: leaving it out changes nothing. Where one era has all the
    years, none is left, and the array is empty. Years that lie in no era are always kept.
    """
    for era in eras:
        inside = _inside(era, years)
        if inside.any():
            yield era, years[~inside]


def _inside(era: Era, years: NDArray[np.int64]) -> NDArray[np.bool_]:
    return (years >= era.first_year) & (years <= era.last_year)
