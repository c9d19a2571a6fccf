"""Seasons: 12-month windows ending 31 Mar, 30 Jun, 30 Sep or 31 Dec."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from monitoring.errors import SeasonError

_SEASON_ID = re.compile(r"(\d{4})-Q([1-4])", re.ASCII)


@dataclass(frozen=True, order=True)
class Season:
    """A 12-month window named by the quarter it ends in; `2025-Q4` is the calendar year 2025."""

    year: int
    quarter: int

    def __post_init__(self) -> None:
        if not (2015 <= self.year <= 2100 and 1 <= self.quarter <= 4):
            raise SeasonError(f"season {self.year}-Q{self.quarter}: year must be 2015-2100, quarter 1-4")

    @classmethod
    def parse(cls, text: str) -> Season:
        """Return the season named `YYYY-Qn`; SeasonError for anything else."""
        match = _SEASON_ID.fullmatch(text.strip())
        if match is None:
            raise SeasonError(f"season {text!r}: expected YYYY-Q1 to YYYY-Q4, such as 2025-Q4")
        return cls(int(match[1]), int(match[2]))

    @property
    def id(self) -> str:
        """`YYYY-Qn`."""
        return f"{self.year}-Q{self.quarter}"

    @property
    def end(self) -> datetime:
        """First instant after the window (half-open), UTC."""
        month = 3 * self.quarter + 1
        return datetime(self.year + month // 13, (month - 1) % 12 + 1, 1, tzinfo=UTC)

    @property
    def start(self) -> datetime:
        """First instant of the window, UTC."""
        return self.end.replace(year=self.end.year - 1)

    @property
    def is_final(self) -> bool:
        """True for Q4, the only season that trend tests use; Q1-Q3 are provisional."""
        return self.quarter == 4

    def next(self) -> Season:
        """Return the season that ends three months later."""
        return Season(self.year + self.quarter // 4, self.quarter % 4 + 1)

    def overlaps(self, other: Season) -> bool:
        """True when the two windows share any instant."""
        return self.start < other.end and other.start < self.end

    def __str__(self) -> str:
        return self.id


def seasons_between(first: Season, last: Season) -> Iterator[Season]:
    """Yield every season from `first` to `last`, both included, in time order."""
    if last < first:
        raise SeasonError(f"seasons from {first} to {last}: the first is later than the last")
    season = first
    while season <= last:
        yield season
        season = season.next()


def refuse_overlap(seasons: Sequence[Season]) -> None:
    """Raise SeasonError unless the seasons are in order and no two windows share a day."""
    for earlier, later in itertools.pairwise(seasons):
        if later <= earlier or earlier.overlaps(later):
            raise SeasonError(
                f"seasons {earlier} and {later} overlap or are out of order: a trend needs windows apart"
            )


def latest_complete(now: datetime) -> Season:
    """Return the newest season whose window has ended at `now`."""
    quarter_index = now.year * 4 + (now.month - 1) // 3 - 1
    return Season(quarter_index // 4, quarter_index % 4 + 1)
