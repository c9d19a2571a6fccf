"""What a short series could have shown: the smallest decline it would detect."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import brentq

#: The usual meaning of "would have been noticed": 4 in 5, at two-sided 5 % (2.5 % on the side of declines).
POWER, ERROR = 0.80, 0.025
#: Two parameters of a line.
_LINE = 2


@lru_cache(maxsize=256)
def detectable_noncentrality(degrees_of_freedom: int, power: float = POWER, error: float = ERROR) -> float:
    """Return slope / standard error at which a one-sided t test rejects with the given power.

    Solved from the noncentral t distribution: 3.27 at 7 degrees of freedom, where the normal limit says 2.80.
    """
    critical = stats.t.isf(error, degrees_of_freedom)
    missing = lambda shift: stats.nct.sf(critical, degrees_of_freedom, shift) - power  # noqa: E731
    return float(brentq(missing, 0.0, 40.0))


def minimum_detectable_slope(
    years: NDArray[np.int64], values: NDArray[np.float64], power: float = POWER, error: float = ERROR
) -> NDArray[np.float64]:
    """Return the decline per year that each row of `values` (W, T) would show, a positive number.

    NaN below three values. It speaks of one least-squares test by itself: after the adjustment for a family
    of woodlands the decline has to be larger. Scatter is the residual of a line, years taken as independent.
    """
    n = np.isfinite(values).sum(axis=1)
    shift = np.array(
        [detectable_noncentrality(max(1, k - _LINE), power, error) for k in range(len(years) + 1)]
    )
    scatter, spread = _scatter_about_line(years, values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(n > _LINE, shift[n] * scatter / np.sqrt(spread), np.nan)


def _scatter_about_line(
    years: NDArray[np.int64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the residual standard deviation of the least-squares line and sum((t - mean t)^2), both (W,)."""
    known = np.isfinite(values)
    n = np.maximum(known.sum(axis=1, keepdims=True), 1)
    t = np.where(known, years - np.where(known, years, 0).sum(axis=1, keepdims=True) / n, 0.0)
    y = np.where(known, values - np.where(known, values, 0).sum(axis=1, keepdims=True) / n, 0.0)
    spread = (t * t).sum(axis=1)
    slope = (t * y).sum(axis=1) / np.where(spread > 0, spread, 1.0)
    residual = ((y - slope[:, None] * t) ** 2).sum(axis=1)
    return np.sqrt(residual / np.maximum(n[:, 0] - _LINE, 1)), spread
