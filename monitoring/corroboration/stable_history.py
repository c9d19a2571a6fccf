"""Stable history: from which acquisition on a dense series follows one seasonal model to its end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

Floats = NDArray[np.float64]
Days = NDArray[np.datetime64]

#: Error at which an unstable start is cut off.
LEVEL = 0.05
#: Directions of the regressors weaker than this share of the strongest count as not seen yet.
_RANK_TOLERANCE = 1e-10
#: Recursive residuals smaller than this share of the values are rounding.
_ROUNDING = 1e-7


def seasonal_regressors(days: Days, harmonics: int, trend: bool = False) -> Floats:
    """Return (n, 1 + trend + 2 harmonics): a constant, years since the first day, cosines, then sines.

    The year's clock runs from 0 on 1 January to 1 on 31 December, leap years included.
    """
    turn = 2 * np.pi * np.outer(year_fraction(days), np.arange(1, harmonics + 1))
    constant = np.ones((len(days), 1))
    line = years_since_first(days)[:, None] if trend else np.empty((len(days), 0))
    return np.column_stack([constant, line, np.cos(turn), np.sin(turn)])


def year_fraction(days: Days) -> Floats:
    """Return (n,) 0 on 1 January to 1 on 31 December."""
    whole = days.astype("datetime64[D]")
    start = whole.astype("datetime64[Y]")
    end = (start + 1).astype("datetime64[D]") - 1
    first = start.astype("datetime64[D]")
    return np.asarray((whole - first).astype(np.float64) / (end - first).astype(np.float64))


def years_since_first(days: Days) -> Floats:
    """Return (n,) years of 365.25 days since the first day."""
    whole = days.astype("datetime64[D]")
    return np.asarray((whole - whole[:1]).astype(np.float64) / 365.25)


def recursive_residuals(design: Floats, values: Floats) -> Floats:
    """Return (n - k,) standardised errors of predicting each value from all before it, from the (k+1)th on.

    design (n, k), values (n,) finite. Brown, Durbin & Evans (1975) JRSS B 37:149. Columns that repeat each
    other are allowed and count towards k. Empty where n is at most k.
    """
    k = design.shape[1]
    if len(values) <= k:
        return np.array([])
    gram = np.cumsum(design[:, :, None] * design[:, None, :], axis=0)[k - 1 : -1]
    moment = np.cumsum(design * values[:, None], axis=0)[k - 1 : -1]
    inverse = np.linalg.pinv(gram, rcond=_RANK_TOLERANCE, hermitian=True)
    seen_next = design[k:]
    predicted = np.einsum("ni,nij,nj->n", seen_next, inverse, moment)
    variance = 1 + np.einsum("ni,nij,nj->n", seen_next, inverse, seen_next)
    residuals: Floats = (values[k:] - predicted) / np.sqrt(variance)
    return residuals


def cusum(design: Floats, values: Floats) -> Floats:
    """Return (n - k + 1,) the summed recursive residuals from 0 on, in standard deviations x sqrt(n - k).

    All zero where the model fits without error; `[0]` where there is nothing to sum.
    """
    residuals = recursive_residuals(design, values)
    spread = residuals.std(ddof=1) if len(residuals) > 1 else 0.0
    if spread <= _ROUNDING * np.abs(values).max(initial=0.0):
        return np.zeros(len(residuals) + 1)
    summed = np.concatenate([[0.0], np.cumsum(residuals)])
    return np.asarray(summed / (spread * np.sqrt(len(residuals))))


def critical_value(level: float = LEVEL) -> float:
    """Return the height at the start of the line, rising threefold to the end, that a stable process crosses
    with probability `level`: 0.9479 at 5 %.

    The crossing probability of a Brownian motion as Brown, Durbin & Evans (1975) and Zeileis et al. (2002)
    use it.
    """

    def excess(height: float) -> float:
        tail = 1 - ndtr(3 * height) + np.exp(-4 * height**2) * (ndtr(height) + ndtr(5 * height) - 1)
        return float(2 * (tail - np.exp(-16 * height**2) * (1 - ndtr(height))) - level)

    return float(brentq(excess, 0.3, 5.0, xtol=1e-14))


def stable_start(design: Floats, values: Floats, level: float = LEVEL) -> int:
    """Return the position (from 0, gaps counted) of the first value of the stable history.

    design (n, k); values (n,), NaN a gap, in order of time. The sums run backwards from the end and the
    history begins where they first leave the boundary (Pesaran & Timmermann 2002; Verbesselt et al. 2012,
    Remote Sensing of Environment 123:98). 0 where they never do, and where there are too few values to tell.
    """
    known = np.flatnonzero(np.isfinite(values))
    process = cusum(design[known][::-1], values[known][::-1])
    boundary = critical_value(level) * (1 + 2 * np.linspace(0, 1, len(process)))
    crossed = np.flatnonzero(np.abs(process[1:]) > boundary[1:])
    return int(known[len(process) - 1 - crossed[0]]) if len(crossed) else 0
