"""Theil-Sen slopes with intervals from the exact distribution of S, for many short series at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from monitoring.statistics.mann_kendall import EXACT_UP_TO, exact_cdf

#: Fewest values that make a slope worth stating.
MIN_VALUES = 3
#: Pairwise slopes held at once: few enough to stay in a core's cache while they are sorted and picked from.
_SLOPES_AT_ONCE = 250_000
#: Room for rounding where a tail probability equals half the allowed error.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class TheilSen:
    """Lines through W series; all NaN below three values."""

    slope: NDArray[np.float64]
    """(W,) median of the pairwise slopes, units per year."""
    low: NDArray[np.float64]
    """(W,) lower end of the interval; NaN where no interval of that confidence exists."""
    high: NDArray[np.float64]
    """(W,) upper end."""
    intercept: NDArray[np.float64]
    """(W,) value of the line at year 0: median value - slope * median year (Conover 1980)."""


def theil_sen(
    years: NDArray[np.int64] | NDArray[np.float64], values: NDArray[np.float64], confidence: float = 0.95
) -> TheilSen:
    """Return the Theil-Sen line of every row of `values` (W, T) over `years` (T,), NaN left out.

    The interval joins two order statistics of the pairwise slopes (Sen 1968, JASA 63:1379): its coverage is
    at least `confidence`, by the exact distribution of S without ties. Below six values a 95 % interval is
    wide or does not exist: 5 values give the whole range of slopes, 4 none.
    """
    later, earlier = np.tril_indices(len(years), k=-1)
    rows = max(1, _SLOPES_AT_ONCE // max(1, len(later)))
    parts = [
        _lines(years, values[start : start + rows], later, earlier, confidence)
        for start in range(0, max(1, len(values)), rows)
    ]
    return TheilSen(*np.concatenate(parts, axis=1))


def _lines(
    years: NDArray[np.int64] | NDArray[np.float64],
    values: NDArray[np.float64],
    later: NDArray[np.intp],
    earlier: NDArray[np.intp],
    confidence: float,
) -> NDArray[np.float64]:
    """Return (4, W): slope, low, high, intercept."""
    slopes = np.sort((values[:, later] - values[:, earlier]) / (years[later] - years[earlier]), axis=1)
    n = np.isfinite(values).sum(axis=1)
    pairs = n * (n - 1) // 2
    rank = np.array([interval_rank(length, confidence) for length in range(values.shape[1] + 1)])[n]
    slope = _median_of_sorted(slopes, pairs)
    low = _pick(slopes, np.where(rank >= 0, rank, -1))
    high = _pick(slopes, np.where(rank >= 0, pairs - 1 - rank, -1))
    known_years = np.where(np.isfinite(values), years.astype(np.float64), np.nan)
    middle_year, middle = (_median_of_sorted(np.sort(part, axis=1), n) for part in (known_years, values))
    lines = np.stack([slope, low, high, middle - slope * middle_year])
    return np.where(n >= MIN_VALUES, lines, np.nan)


def interval_rank(n: int, confidence: float) -> int:
    """Return the 0-based rank, from either end of the sorted slopes, where the interval ends; -1 for none.

    With n = 9 and 95 % it is 8: P(S >= 20) = 0.022 leaves the 9th smallest and the 9th largest slope.
    """
    if n < MIN_VALUES:
        return -1
    error = (1 - confidence) / 2
    if n <= EXACT_UP_TO:
        return int(np.searchsorted(exact_cdf((1,) * n), error + _ROUNDING, side="right")) - 1
    sd_of_s = np.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    return int((n * (n - 1) / 2 - 1 + ndtri(error) * sd_of_s) // 2)


def _median_of_sorted(ordered: NDArray[np.float64], count: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the median of the first `count` values of each sorted row."""
    return (_pick(ordered, (count - 1) // 2) + _pick(ordered, np.where(count > 0, count // 2, -1))) / 2


def _pick(ordered: NDArray[np.float64], position: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return one value of each row; NaN where the position is negative."""
    if ordered.shape[1] == 0:
        return np.full(len(ordered), np.nan)
    found = np.take_along_axis(ordered, np.maximum(position, 0)[:, None], axis=1)[:, 0]
    return np.where(position >= 0, found, np.nan)
