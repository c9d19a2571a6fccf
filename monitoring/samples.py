"""Field samples: what was found in one place, what a head is fitted to."""

from __future__ import annotations

from dataclasses import dataclass

#: Year of a sample that states none.
NO_YEAR = -1


@dataclass(frozen=True)
class FieldSample:
    """One sample of one target."""

    id: str
    longitude: float
    """Degrees, WGS 84; NaN, like the latitude, only where the reader was told that places are not needed."""
    latitude: float
    year: int
    """Calendar year of sampling; `NO_YEAR` only where the reader was told that years are not needed."""
    value: float
    """The target, own unit, as observed or estimated by the source."""
    effort: tuple[float, ...] = ()
    """Sampling effort in the order of the target's; NaN where the source does not say."""
    group: str = ""
    """What folds keep together, by the user's word; empty where no column was named for it."""
