"""Contrasts: ancient against other woodland of a park, with years as the replicates."""

from __future__ import annotations

from dataclasses import dataclass


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
