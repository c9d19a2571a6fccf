"""Formulas of the trend literature that the service has no use for, to reproduce what others printed."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from monitoring.statistics.regional import summed_signs, variance_of_s

Floats = NDArray[np.float64]


def s_and_variance(values: Floats) -> tuple[float, float]:
    """Return S of one series and its variance, corrected for ties (Kendall 1975)."""
    signs = summed_signs(values[None, :])
    return float(np.triu(signs, 1).sum()), variance_of_s(signs)


def z_with_continuity(s: float, variance: float) -> float:
    """Return the normal deviate of S, one taken off its size: S moves in steps of two."""
    return float(np.sign(s) * (abs(s) - 1) / np.sqrt(variance)) if s else 0.0


def two_sided(z: float) -> float:
    """Return the normal two-sided p."""
    return float(2 * stats.norm.sf(abs(z)))


def tau_a(values: Floats) -> float:
    """Return S over the number of pairs: EnvStats and pymannkendall print it."""
    s, n = s_and_variance(values)[0], np.isfinite(values).sum()
    return float(s / (n * (n - 1) / 2))


def tau_b(values: Floats) -> float:
    """Return S over the geometric mean of unequal pairs: cran/trend and R's cor.test print it."""
    return float(stats.kendalltau(np.arange(len(values)), values).statistic)


def by_season(values: Floats, period: int) -> Floats:
    """Return (period, years), the last year filled up with NaN."""
    padded = np.full(-(-len(values) // period) * period, np.nan)
    padded[: len(values)] = values
    return padded.reshape(-1, period).T


def seasonal_kendall(seasons: Floats) -> tuple[float, float]:
    """Return S and variance summed over seasons taken as independent (Hirsch, Slack & Smith 1982)."""
    each = np.array([s_and_variance(season) for season in seasons])
    return float(each[:, 0].sum()), float(each[:, 1].sum())


def seasonal_slope(seasons: Floats) -> float:
    """Return the median of the slopes between years of the same season, per year."""
    earlier, later = np.triu_indices(seasons.shape[1], 1)
    slopes = (seasons[:, later] - seasons[:, earlier]) / (later - earlier)
    return float(np.nanmedian(slopes))


def gilbert_interval(times: Floats, values: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """Return the ends of the slope by Gilbert (1987), 16.5: interpolated between two ordered slopes."""
    pairs = list(itertools.combinations(range(len(times)), 2))
    slopes = np.sort([(values[j] - values[i]) / (times[j] - times[i]) for i, j in pairs])
    width = stats.norm.isf((1 - confidence) / 2) * np.sqrt(s_and_variance(values)[1])
    places = (len(slopes) - width) / 2 - 1, (len(slopes) + width) / 2
    low, high = np.interp(places, np.arange(len(slopes)), slopes)
    return float(low), float(high)


def pettitt(values: Floats) -> tuple[float, int, float]:
    """Return (max |U|, values before the change, approximate two-sided p) of Pettitt (1979)."""
    n = len(values)
    ranks = stats.rankdata(values)
    u = 2 * np.cumsum(ranks)[:-1] - np.arange(1, n) * (n + 1)
    strongest = float(np.abs(u).max())
    p = min(1.0, 2 * np.exp(-6 * strongest**2 / (n**3 + n**2)))
    return strongest, int(np.argmax(np.abs(u))) + 1, float(p)


def pettitt_p_by_shuffles(values: Floats, shuffles: int, seed: int) -> float:
    """Return the two-sided p of Pettitt's statistic by reordering, the observed order among them."""
    n, rng = len(values), np.random.default_rng(seed)
    ranks = rng.permuted(np.tile(stats.rankdata(values), (shuffles, 1)), axis=1)
    u = np.abs(2 * np.cumsum(ranks, axis=1)[:, :-1] - np.arange(1, n) * (n + 1)).max(axis=1)
    return float((1 + np.sum(u >= pettitt(values)[0])) / (1 + shuffles))


def bic_of_levels(squares: float, n: int, breaks: int) -> float:
    """Return the BIC of a series of levels, as strucchange counts: a mean per level, breaks, one variance."""
    likelihood = n * (np.log(squares / n) + 1 + np.log(2 * np.pi))
    return float(likelihood + np.log(n) * 2 * (breaks + 1))
