"""Tests of a series of years: its line, its p over orders of the years, its memory, and signs of slopes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from monitoring.statistics.permutations import ROUNDING, orders, share_at_least

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NAN = float("nan")
#: Two parameters and one spare.
MIN_YEARS_FOR_A_LINE = 3
#: Fewest slopes whose signs say anything.
MIN_SLOPES = 2
#: Parks up to which every pattern of signs is tried (2^20 of them), and the patterns drawn beyond.
EVERY_SIGN_UP_TO = 20
SIGN_PATTERNS = 99_999
#: Yearly differences whose orders are tried at a time.
SERIES_AT_A_TIME = 16


def least_squares(years: Integers, values: Floats, confidence: float) -> tuple[float, float]:
    """Return slope and half width of its interval, Student t with n - 2 degrees of freedom; n from three."""
    t, freedom = years - years.mean(), len(years) - 2
    slope = float(t @ values / (t @ t))
    residual = values - values.mean() - slope * t
    error = np.sqrt(residual @ residual / freedom / (t @ t))
    return slope, float(stats.t.isf((1 - confidence) / 2, freedom) * error)


def permutation_p(years: Integers, values: Floats, seed: int = 0) -> float:
    """Return the two-sided p of the least-squares slope over orders of the years."""
    return float(permutation_ps(years, values[None, :], seed)[0])


def permutation_ps(years: Integers, values: Floats, seed: int = 0) -> Floats:
    """Return (R,): the two-sided p of the slope over orders of the years, for (R, T) values."""
    t = years - years.mean()
    y = values - values.mean(axis=1, keepdims=True)
    ordered = np.ascontiguousarray(t[orders(len(years), seed)])
    scales = np.sqrt((y * y).sum(axis=1) * (t @ t))
    p = np.empty(len(y))
    for start in range(0, len(y), SERIES_AT_A_TIME):
        products = np.abs(y[start : start + SERIES_AT_A_TIME] @ ordered.T)
        for row, of_one in enumerate(products, start):
            p[row] = share_at_least(of_one, abs(float(y[row] @ t)), float(scales[row]))
    return p


def autocorrelation(years: Integers, values: Floats) -> float:
    """Return the correlation of consecutive years around their line, corrected for the length of the record.

    Residuals of a short line are negatively correlated where nothing is remembered. For independent normal
    noise the expectation is trace(M A) / (n - 2), M the residual maker and A half the adjacency of years that
    follow each other, exactly (a ratio of quadratic forms independent of its denominator); it is subtracted.
    """
    design = np.stack([np.ones(len(years)), years - years.mean()], axis=1)
    maker = np.eye(len(years)) - design @ np.linalg.pinv(design)
    adjacent = (np.abs(years[:, None] - years[None, :]) == 1) / 2
    residual = maker @ values
    squares = float(residual @ residual)
    centred = values - values.mean()
    if not adjacent.any() or squares <= ROUNDING**2 * max(float(centred @ centred), float(values @ values)):
        return NAN
    return float(residual @ adjacent @ residual / squares - np.trace(maker @ adjacent) / (len(years) - 2))


def sign_flip_p(slopes: Floats, seed: int = 0) -> float:
    """Return the two-sided p of the parks' mean slope over signs: every pattern up to twenty parks.

    Slopes that are NaN are left out; one park has no p. It supposes parks independent and symmetric around
    zero when nothing goes on, so the p of k parks is never below 2 / 2^k. Beyond twenty parks 99,999 seeded
    patterns beside the observed one are tried.
    """
    known = slopes[np.isfinite(slopes)]
    if len(known) < MIN_SLOPES:
        return NAN
    sums = _every_sum(known) if len(known) <= EVERY_SIGN_UP_TO else _drawn_sums(known, seed)
    return share_at_least(np.abs(sums), abs(float(known.sum())), float(np.abs(known).sum()))


def _every_sum(values: Floats) -> Floats:
    """Return the 2^k sums of the values under every pattern of signs."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _drawn_sums(values: Floats, seed: int) -> Floats:
    signs = np.random.default_rng(seed).integers(0, 2, (SIGN_PATTERNS, len(values)), np.int8) * 2 - 1
    return np.concatenate([[values.sum()], signs @ values])
