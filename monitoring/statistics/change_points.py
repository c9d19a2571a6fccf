"""One abrupt fall in a short series: when, how large, how surprising, and whether a line would do as well."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.statistics.permutations import ROUNDING, orders, share_at_least

#: Fewest values for two levels and a line to be compared (three parameters and one spare).
MIN_VALUES = 4
#: Longest series whose every order counts towards the p of a fall: 65,536 sets. 64 bits would hold 20!.
EVERY_ORDER_UP_TO = 16


@dataclass(frozen=True)
class Fall:
    """The largest fall between two levels of one series; nine annual values support at most one."""

    year: int
    """First year at the new level."""
    change: float
    """Mean after minus mean before, taxa; positive when the series has no fall at all."""
    step_variance: float
    """Residual variance of two levels, n - 3 degrees of freedom (the year of the fall is fitted too)."""
    line_variance: float
    """Residual variance of the least-squares line, n - 2 degrees of freedom."""
    explained: float
    """Share of the series' variance that the two levels explain, 0-1."""


@dataclass(frozen=True)
class Falls:
    """The largest fall of each of K series, by arrays (K,); see `Fall`."""

    year: NDArray[np.int64]
    change: NDArray[np.float64]
    step_variance: NDArray[np.float64]
    line_variance: NDArray[np.float64]
    explained: NDArray[np.float64]


def strongest_fall(years: NDArray[np.int64], values: NDArray[np.float64]) -> Fall:
    """Return the fall that explains most of a series of at least four finite values, years ascending.

    ValueError for fewer. Two levels split where the drop, weighted by sqrt(k (n - k) / n), is largest: the
    least-squares split among the falling ones.
    """
    falls = strongest_falls(years, values[None, :])
    return Fall(
        year=int(falls.year[0]),
        change=float(falls.change[0]),
        step_variance=float(falls.step_variance[0]),
        line_variance=float(falls.line_variance[0]),
        explained=float(falls.explained[0]),
    )


def strongest_falls(years: NDArray[np.int64], values: NDArray[np.float64]) -> Falls:
    """Return `strongest_fall` of every row of `values` (K, n), all finite, in the same years (n,)."""
    n = len(years)
    if n < MIN_VALUES:
        raise ValueError(f"series of {n} values: a fall needs at least {MIN_VALUES}")
    split = _weighted_falls(values).argmax(axis=1) + 1
    is_after = np.arange(n) >= split[:, None]
    before = np.where(is_after, 0.0, values).sum(axis=1) / split
    after = np.where(is_after, values, 0.0).sum(axis=1) / (n - split)
    within = _squares(values - np.where(is_after, after[:, None], before[:, None]))
    total = _squares(values - values.mean(axis=1, keepdims=True))
    return Falls(
        year=years[split],
        change=after - before,
        step_variance=within / (n - 3),
        line_variance=_line_residuals(years, values) / (n - 2),
        explained=np.where(total > 0, 1 - within / np.where(total > 0, total, 1.0), 0.0),
    )


def fall_p(values: NDArray[np.float64], seed: int = 0) -> float:
    """Return the one-sided p of a fall this strong at any year, by reordering the years.

    All orders count up to 16 values, seeded shuffles beyond. A clean fall after 2, 3 or 4 of 9 years can
    reach 0.028, 0.012 and 0.008; one after the first or before the last year cannot be shown.
    """
    observed = float(_weighted_falls(values[None, :]).max())
    scale = float(np.linalg.norm(values - values.mean()))
    if len(values) <= EVERY_ORDER_UP_TO:
        return _share_of_orders(values, observed - ROUNDING * scale)
    strongest = _weighted_falls(values[orders(len(values), seed)]).max(axis=1)
    return share_at_least(strongest, observed, scale)


def _share_of_orders(values: NDArray[np.float64], threshold: float) -> float:
    """Return the share of all n! orders with a fall of at least `threshold`, without listing them.

    An order fills the set of years "before" one by one, and a fall depends on that set alone; so the orders
    that stay below the threshold are the paths from the empty to the full set through weak sets only, counted
    set by set: n 2^n steps instead of n n!.
    """
    n = len(values)
    sizes = np.bitwise_count(np.arange(1 << n)).astype(np.int64)
    inner = (sizes > 0) & (sizes < n)
    weight = np.sqrt(n / np.where(inner, sizes * (n - sizes), 1))
    is_strong = inner & (_sums_over_sets(values - values.mean()) * weight >= threshold)
    paths = np.zeros(1 << n, np.int64)
    paths[0] = 1
    for size in range(1, n + 1):
        sets = np.flatnonzero((sizes == size) & ~is_strong)
        for year in range(n):
            holding = sets[(sets >> year) & 1 == 1]
            paths[holding] += paths[holding ^ (1 << year)]
    return (math.factorial(n) - int(paths[-1])) / math.factorial(n)


def _sums_over_sets(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum over every set of years, (2^n,), bit i of the position telling whether year i is in."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums, sums + value])
    return sums


def _weighted_falls(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return, for each row (K, n) and split 1..n-1, (mean before - mean after) * sqrt(k (n - k) / n)."""
    n = values.shape[1]
    k = np.arange(1, n)
    # The cumulative sum of departures from the mean carries both means at once.
    departures = np.cumsum(values - values.mean(axis=1, keepdims=True), axis=1)[:, :-1]
    weighted: NDArray[np.float64] = departures * np.sqrt(n / (k * (n - k)))
    return weighted


def _line_residuals(years: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    t, y = years - years.mean(), values - values.mean(axis=1, keepdims=True)
    return _squares(y - np.outer(y @ t / (t @ t), t))


def _squares(departures: NDArray[np.float64]) -> NDArray[np.float64]:
    squares: NDArray[np.float64] = (departures**2).sum(axis=1)
    return squares
