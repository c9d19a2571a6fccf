"""One trend in many series at once: the regional Kendall test, homogeneity, and memory from year to year.

Series are rows and share their columns, the years. What the years do to all of them (weather, sensors) makes
them anything but independent, so nothing here counts series as replicates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from monitoring.errors import TrendError
from monitoring.statistics.permutations import ROUNDING, share_of_pair_forms

#: Signs of pairs of years held at once, which bounds memory near 100 MB.
_SIGNS_AT_ONCE = 4_000_000
#: Fewest values that leave neighbours once a line is taken out.
MIN_VALUES_FOR_MEMORY = 4
#: First-order autocorrelations among which the observed one is looked up.
_MEMORIES = np.linspace(-0.95, 0.95, 191)


@dataclass(frozen=True)
class RegionalKendall:
    """The regional Kendall test."""

    n_series: int
    """Series with at least two values and a weight above zero."""
    s: float
    """Weighted sum of the S of the series: rises minus falls; NaN without any series."""
    variance: float
    """Of `s`, covariance between series included."""
    z: float
    """`s` over its standard deviation, no continuity correction; 0 where no two values differ."""
    p: float
    """Two-sided, normal; 1 where no two values differ."""


def regional_kendall(
    values: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> RegionalKendall:
    """Return the Kendall test of all rows of `values` (W, n) together, NaN where a series has no value.

    The variance is that of Dietz & Killeen (1981, JASA 76:169), ties by midranks, missing values as Hirsch &
    Slack (1984, Water Resour. Res. 20:727) treat them: a pair of years counts for the series that have both.
    It is exactly the variance of `s` when the years, with their gaps, are put in every order for all series
    at once. Everything follows from the summed signs (`summed_signs`), so the cost grows with W, not its
    square. The normal reference is rough for short records and correlated series: read it beside
    `shares_of_pair_sums(summed_signs(values, weights))`, which is exact. TrendError for a weight below zero
    or not finite.
    """
    weight = _checked(values, weights)
    n_series = int(((np.isfinite(values).sum(axis=1) >= 2) & (weight > 0)).sum())
    if n_series == 0:
        return RegionalKendall(0, *[float("nan")] * 4)
    pull = summed_signs(values, weight)
    s, variance = float(np.triu(pull, 1).sum()), variance_of_s(pull)
    z = s / np.sqrt(variance) if variance > 0 else 0.0
    return RegionalKendall(n_series, s, variance, float(z), float(2 * ndtr(-abs(z))))


def summed_signs(
    values: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return (n, n), antisymmetric: sums over series of weight x sign(y_j - y_i), 0 where either is missing.

    Its upper half sums to the regional S; reordering its rows and columns together gives the S of the
    reordered years.
    """
    weight, n = _checked(values, weights), values.shape[1]
    pairs = sum((weight[rows] @ signs for rows, signs in _signs(values)), np.zeros(n * (n - 1) // 2))
    pull = np.zeros((n, n))
    pull[np.triu_indices(n, 1)] = pairs
    return pull - pull.T


def variance_of_s(pull: NDArray[np.float64]) -> float:
    """Return the variance of the sum of `pull` over i < j when its years are put in every order.

    A third of (squares of the pairs + squares of the row sums). Written out for `pull` = sum of sign matrices
    this is the sum of the covariances of Dietz & Killeen, [K_gh + 4 sum R_g R_h - n (n + 1)^2] / 3, over all
    g and h, because a row sum of signs is twice the rank minus (n + 1).
    """
    return float((np.square(np.triu(pull, 1)).sum() + np.square(pull.sum(axis=1)).sum()) / 3)


def _checked(values: NDArray[np.float64], weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
    weight = np.ones(len(values)) if weights is None else np.asarray(weights, np.float64)
    bad = ~(np.isfinite(weight) & (weight >= 0))
    if bad.any():
        raise TrendError(f"weight {weight[bad][0]} of series {np.argmax(bad)}: must be finite, 0 or above")
    return weight


def _signs(values: NDArray[np.float64]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield blocks of series and their signs of y_j - y_i, (series, pairs), 0 where either is missing."""
    earlier, later = np.triu_indices(values.shape[1], 1)
    step = max(1, _SIGNS_AT_ONCE // max(1, len(earlier)))
    for start in range(0, len(values), step):
        rows = slice(start, start + step)
        yield rows, np.nan_to_num(np.sign(values[rows, later] - values[rows, earlier]))


@dataclass(frozen=True)
class Homogeneity:
    """Whether series share one trend."""

    n_series: int
    """Series with at least two values and a weight above zero."""
    statistic: float
    """Chi-square of van Belle & Hughes with n_series - 1 degrees of freedom; NaN below two series."""
    p: float
    """Share of the orders of years, the same for all series, with a statistic this large; NaN likewise."""


def homogeneity(
    values: NDArray[np.float64], weights: NDArray[np.float64] | None = None, seed: int = 0
) -> Homogeneity:
    """Return the homogeneity of trend between the rows of `values` (W, n), NaN where a series has no value.

    The statistic is sum w z^2 - (sum w z)^2 / sum w over the standardised S of each series (van Belle &
    Hughes 1984, Water Resour. Res. 20:127, who have w = 1); a series of equal values has z = 0. Its
    chi-square reference supposes independent series and fails where some of them share more than the others
    do; p comes from putting the years in every order (`share_of_pair_forms`), which keeps what series share.
    All orders are equally likely only without any trend: take a common one out first. Memory grows with the
    fourth power of n: meant for annual records.
    """
    weight = _checked(values, weights) * (np.isfinite(values).sum(axis=1) >= 2)
    n_series = int((weight > 0).sum())
    if n_series < 2:
        return Homogeneity(n_series, float("nan"), float("nan"))
    form = _homogeneity_form(values, weight)
    return Homogeneity(n_series, float(form.sum()), share_of_pair_forms(form, values.shape[1], seed))


def _homogeneity_form(values: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (pairs, pairs): the statistic is x' form x, where x says which pairs keep their order."""
    n = values.shape[1]
    squares, mean = np.zeros((n * (n - 1) // 2,) * 2), np.zeros(n * (n - 1) // 2)
    for rows, signs in _signs(values):
        scaled = signs / _sd_of_s(signs, n)[:, None]
        squares += (weight[rows, None] * scaled).T @ scaled
        mean += weight[rows] @ scaled
    form: NDArray[np.float64] = squares - np.outer(mean, mean) / weight.sum()
    return form


def _sd_of_s(signs: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return the standard deviation of each S, as `variance_of_s` has it; 1 where no two values differ."""
    earlier, later = np.triu_indices(n, 1)
    balance = np.eye(n)[later] - np.eye(n)[earlier]
    variance = (np.square(signs).sum(axis=1) + np.square(signs @ balance).sum(axis=1)) / 3
    return np.sqrt(np.where(variance > 0, variance, 1.0))


def pooled_memory(years: NDArray[np.int64], values: NDArray[np.float64]) -> float:
    """Return the first-order autocorrelation about their lines, pooled over the rows of `values` (G, n).

    Taking out a line makes neighbours look opposed (about -0.2 in nine independent values); the figure is the
    autocorrelation that would be expected to look as observed, so it is near 0 for independent values.
    Neighbours are calendar years that follow each other. A single series of nine tells little: the standard
    error is near 0.5. NaN where no series has four values, neighbours among them, and scatter.
    """
    known = np.isfinite(values)
    about = [_about_line(years[has], row[has]) for row, has in zip(values, known, strict=True)]
    parts = [part for part in about if part is not None]
    if not parts:
        return float("nan")
    lagged, scatter, expected = (np.array(column) for column in zip(*parts, strict=True))
    curve = scatter @ expected / scatter.sum()
    return float(np.interp(lagged.sum() / scatter.sum(), curve, _MEMORIES))


def _about_line(
    years: NDArray[np.int64], values: NDArray[np.float64]
) -> tuple[float, float, NDArray[np.float64]] | None:
    """Return sum of products of neighbours, sum of squares, and their expected ratio for every memory."""
    if len(years) < MIN_VALUES_FOR_MEMORY:
        return None
    calendar = tuple((years - years[0]).tolist())
    residual = _without_line(calendar) @ values
    scatter = float(residual @ residual)
    neighbours = _neighbours(calendar)
    if scatter <= ROUNDING**2 * float(values @ values) or not neighbours.any():
        return None
    return float(residual @ neighbours @ residual), scatter, _expected_ratios(calendar)


def _without_line(calendar: tuple[int, ...]) -> NDArray[np.float64]:
    line = np.vander(calendar, 2).astype(np.float64)
    return np.eye(len(calendar)) - line @ np.linalg.pinv(line)


def _neighbours(calendar: tuple[int, ...]) -> NDArray[np.float64]:
    apart = np.subtract.outer(calendar, calendar)
    return np.where(np.abs(apart) == 1, 0.5, 0.0)


@lru_cache(maxsize=256)
def _expected_ratios(calendar: tuple[int, ...]) -> NDArray[np.float64]:
    apart = np.abs(np.subtract.outer(calendar, calendar))
    without = _without_line(calendar)
    residual = without @ np.power(_MEMORIES[:, None, None], apart) @ without
    lagged = np.einsum("ij,kji->k", _neighbours(calendar), residual)
    ratios: NDArray[np.float64] = lagged / np.trace(residual, axis1=1, axis2=2)
    ratios.flags.writeable = False
    return ratios
