"""Trends: exact Mann-Kendall and Theil-Sen for short annual series, and their family of tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class RichnessSeries:
    """The annual history of one woodland: final seasons only, windows that do not overlap."""

    woodland_id: str
    years: NDArray[np.int64]
    """(n,) calendar years, ascending; years without an estimate are absent."""
    mean: NDArray[np.float64]
    """(n,) expected taxa per standard sample."""
    sd: NDArray[np.float64]
    """(n,) standard deviation of `mean`."""


@dataclass(frozen=True)
class Trend:
    """Slope with interval, exact p, and how it was tested, for one woodland up to one season."""

    woodland_id: str
    n: int
    """Number of annual values."""
    first_year: int
    last_year: int
    s: int
    """Mann-Kendall S of the tested (control-differenced) series."""
    slope: float
    """Theil-Sen slope of the woodland's own series, taxa per year; NaN below three values."""
    slope_low: float
    slope_high: float
    relative_slope: float
    """Theil-Sen slope of the series minus its park control: what the test looks at, taxa per year."""
    p: float
    """Exact one-sided p of a decline in the tested series; NaN when not tested."""
    q: float
    """Benjamini-Hochberg adjusted p over the declared family; NaN when not in the family."""
    decline_fraction: float
    """Fitted loss over the record as a share of the fitted first value; negative for a gain."""
    minimum_detectable_slope: float
    """Decline per year this series would show with 80 % power, taxa per year."""
    method: str
    """Names test, control and family, such as `exact-mk, park-year control median, BH over 64 woodlands`."""
    reason: str = ""
    """Why no test was made; empty where one was."""
