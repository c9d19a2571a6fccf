"""Ancient against other woodland in a report: the groups by year, and the test of their difference."""

from __future__ import annotations

from dataclasses import dataclass

from reports.judged import NAN, BalanceLine

#: The name under which the contrast of every park together is recorded: no park has it.
ALL_PARKS = "all parks"


@dataclass(frozen=True)
class GroupYear:
    """Ancient and other woodland of one park in one year; NaN where a group has no value."""

    year: int
    ancient: float
    ancient_sd: float
    other: float
    other_sd: float
    difference: float
    """Ancient minus other as the contrast used it: of matched woodlands where they were matched."""


@dataclass(frozen=True)
class ContrastLine:
    """Ancient against other woodland in one park, with years as the replicates."""

    park: str
    years: tuple[GroupYear, ...]
    n_years: int = 0
    n_ancient: int = 0
    n_other: int = 0
    slope: float = NAN
    """Slope of the yearly difference, target's unit per year, with its 95 % interval."""
    slope_low: float = NAN
    slope_high: float = NAN
    p: float = NAN
    method: str = ""
    reason: str = ""
    """Why it could not be tested; empty where it was."""
    n_pairs: int = 0
    """Matched pairs; 0 where nothing was matched, as in older versions."""
    n_unmatched: int = 0
    """Ancient woodlands left out."""
    balance: tuple[BalanceLine, ...] = ()
    sign_flip_p: float = NAN
    """Over signs of the parks' slopes, for all parks only."""
    era_slope_low: float = NAN
    """Smallest and largest slope with one era of the sensors left out."""
    era_slope_high: float = NAN
    is_era_stable: bool = True
    autocorrelation: float = NAN
    """Of the yearly differences; the p supposes none."""

    @property
    def is_whole(self) -> bool:
        """True for the contrast of all parks, which is no park's."""
        return self.park == ALL_PARKS
