"""Contrasts: ancient against other woodland of a park, with years as the replicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from monitoring.science import TrendTest
from monitoring.statistics.permutations import describe_orders, orders, share_at_least
from monitoring.trends.histories import RichnessSeries, on_common_years

#: Fewest woodlands of a class: the mean of one is that woodland.
MIN_WOODLANDS = 2
#: A year counts when at least this share of either class has it.
MIN_SHARE_OF_WOODLANDS = 0.5
#: Two parameters and one spare.
MIN_YEARS_FOR_A_LINE = 3


@dataclass(frozen=True)
class Contrast:
    """Trend of the yearly difference, ancient minus other woodland, in one park."""

    park: str
    n_years: int
    n_ancient: int
    n_other: int
    slope: float
    """Least-squares slope of the yearly difference, taxa per year; NaN when it cannot be computed."""
    slope_low: float
    slope_high: float
    """95 % interval, Student t with n_years - 2 degrees of freedom."""
    p: float
    """Two-sided exact permutation p over years; NaN when it cannot be computed."""
    method: str
    reason: str = ""


def contrast(
    park: str,
    ancient: Sequence[RichnessSeries],
    other: Sequence[RichnessSeries],
    rule: TrendTest,
    seed: int = 0,
) -> Contrast:
    """Return the trend of mean(ancient) - mean(other) over the years of one park.

    Years are the replicates: woods of a park share weather and sensors, so a test over woods would find
    differences that are not there. Years count that at least half of the woodlands of either class have;
    woodlands count that have every such year, so that none joins or leaves within the record. The p compares
    the slope with its value under every order of the years (seeded shuffles beyond nine), which supposes
    years without memory. With fewer than `rule.min_years` years the slope stands without a p.
    """
    years, panels = _balanced(ancient, other)
    n_ancient, n_other = (len(panel) for panel in panels)
    reason = _why_not(len(years), n_ancient, n_other, rule)
    if len(years) < MIN_YEARS_FOR_A_LINE or min(n_ancient, n_other) < MIN_WOODLANDS:
        return _without_slope(park, len(years), n_ancient, n_other, reason)
    difference = panels[0].mean(axis=0) - panels[1].mean(axis=0)
    slope, half_width = _least_squares(years, difference, rule.confidence)
    return Contrast(
        park=park,
        n_years=len(years),
        n_ancient=n_ancient,
        n_other=n_other,
        slope=slope,
        slope_low=slope - half_width,
        slope_high=slope + half_width,
        p=float("nan") if reason else permutation_p(years, difference, seed),
        method=f"yearly mean difference, least squares, two-sided over {describe_orders(len(years), seed)}",
        reason=reason,
    )


def _without_slope(park: str, n_years: int, n_ancient: int, n_other: int, reason: str) -> Contrast:
    nan = float("nan")
    return Contrast(park, n_years, n_ancient, n_other, nan, nan, nan, nan, "none", reason)


def _why_not(n_years: int, n_ancient: int, n_other: int, rule: TrendTest) -> str:
    for count, kind in ((n_ancient, "ancient"), (n_other, "other")):
        if count < MIN_WOODLANDS:
            return f"{count} {kind} woodlands with a complete record, {MIN_WOODLANDS} needed"
    return "" if n_years >= rule.min_years else f"{n_years} common years, {rule.min_years} needed"


def _balanced(
    ancient: Sequence[RichnessSeries], other: Sequence[RichnessSeries]
) -> tuple[NDArray[np.int64], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return the years most woodlands have, and (W, T) values of the woodlands that have all of them."""
    years, values = on_common_years([*ancient, *other])
    classes = values[: len(ancient)], values[len(ancient) :]
    usual = np.ones(len(years), bool)
    for panel in classes:
        if len(panel):
            usual &= np.isfinite(panel).mean(axis=0) >= MIN_SHARE_OF_WOODLANDS
    kept = [panel[:, usual] for panel in classes]
    complete = [panel[np.isfinite(panel).all(axis=1)] for panel in kept]
    return years[usual], (complete[0], complete[1])


def _least_squares(
    years: NDArray[np.int64], values: NDArray[np.float64], confidence: float
) -> tuple[float, float]:
    """Return slope and half width of its interval, Student t with n - 2 degrees of freedom."""
    t, freedom = years - years.mean(), len(years) - 2
    slope = float(t @ values / (t @ t))
    residual = values - values.mean() - slope * t
    error = np.sqrt(residual @ residual / freedom / (t @ t))
    return slope, float(stats.t.isf((1 - confidence) / 2, freedom) * error)


def permutation_p(years: NDArray[np.int64], values: NDArray[np.float64], seed: int = 0) -> float:
    """Return the two-sided p of the least-squares slope over orders of the years."""
    t, y = years - years.mean(), values - values.mean()
    products = np.abs(y[orders(len(years), seed)] @ t)
    return share_at_least(products, abs(float(y @ t)), scale=float(np.sqrt((y @ y) * (t @ t))))
