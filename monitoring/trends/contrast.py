"""Contrasts as values: ancient woodland against matched other woodland, and what lies behind it."""

from __future__ import annotations

from dataclasses import dataclass

from monitoring.trends.matching import BalanceRow, Unmatched

NAN = float("nan")


@dataclass(frozen=True)
class Contrast:
    """Trend of the yearly difference, ancient minus matched other woodland, in one park or in all."""

    park: str
    """Park, or `all parks`."""
    n_years: int
    n_ancient: int
    """Ancient woodlands with a complete record and a partner."""
    n_other: int
    """Other woodlands that are partner of at least one of them."""
    slope: float
    """Least-squares slope of the yearly difference, target's unit per year; NaN when there is none."""
    slope_low: float
    slope_high: float
    """Interval of the rule's confidence, Student t with n_years - 2 degrees of freedom."""
    p: float
    """Two-sided exact permutation p over years; NaN when it cannot be computed."""
    method: str
    reason: str = ""
    """Why there is no p; empty where there is one."""
    n_pairs: int = 0
    """Pairs of an ancient woodland and a partner; a partner may serve several."""
    n_unmatched: int = 0
    """Ancient woodlands left out, for want of a complete record or of a partner."""
    effective_other: float = 0.0
    """Other woodlands, equally weighted, that would be worth as much as the partners with their weights."""
    balance_worst: float = NAN
    """Largest absolute standardised difference left after matching; NaN where no property is known."""
    sign_flip_p: float = NAN
    """Two-sided p over signs of the parks' slopes, for all parks only: are the parks of one mind? It takes
    parks to be independent, which a sensor that all share denies; a second opinion, never the claim."""
    era_slope_low: float = NAN
    """Smallest and largest slope with one era of sensors left out; NaN where none could be."""
    era_slope_high: float = NAN
    is_era_stable: bool = False
    """True when the slope keeps its sign whichever era is left out, and in a record of one era only."""
    autocorrelation: float = NAN
    """Of consecutive years around the line, less what a short record without memory shows, so zero is none;
    the permutation p supposes none. NaN where no two years follow each other or nothing scatters."""


@dataclass(frozen=True)
class ContrastYear:
    """What was compared in one year: means of the matched woodlands."""

    park: str
    year: int
    ancient: float
    other: float
    """Weighted as the partners are."""

    @property
    def difference(self) -> float:
        """Ancient minus other: what the slope runs through."""
        return self.ancient - self.other


@dataclass(frozen=True)
class EraSlope:
    """The slope of a contrast with one era left out."""

    park: str
    era: str
    """Era left out."""
    n_years: int
    """Years left."""
    slope: float
    """NaN where fewer than three years are left."""


@dataclass(frozen=True)
class Contrasts:
    """One contrast per park and the one of all parks, with what lies behind them."""

    contrasts: tuple[Contrast, ...]
    """Parks in order of their names, then `all parks`."""
    balance: tuple[BalanceRow, ...]
    years: tuple[ContrastYear, ...]
    era_slopes: tuple[EraSlope, ...]
    unmatched: tuple[Unmatched, ...]
    """Ancient woodlands the contrast of all parks leaves out, ascending, with the reason."""
