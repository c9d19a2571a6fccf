"""Course: does a decline outlast the years of extreme weather, or is it those years?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.alerts.alert import Course
from monitoring.statistics.mann_kendall import mann_kendall
from monitoring.statistics.theil_sen import theil_sen
from monitoring.weather.daily import Array
from monitoring.weather.extremes import Flags

#: Makes a median absolute departure an estimate of the standard deviation, where the noise is normal.
MAD_TO_SD = 1.4826
#: Share of the level that counts as on the line, where a series without noise has no departures of its own.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Courses:
    """The course of W series; NaN where there is nothing to say it from."""

    course: NDArray[np.object_]
    """(W,) a `Course` where there is a decline to speak of; None where there is none."""
    slope: Array
    """(W,) Theil-Sen slope without the extreme years, units per year; NaN below three of the others."""
    p: Array
    """(W,) two-sided Mann-Kendall p without the extreme years."""
    departure: Array
    """(W,) mean of the extreme years minus the line of the others; NaN without an extreme year."""
    mad: Array
    """(W,) median absolute departure of the other years from their line, as a standard deviation; 0 where
    they lie on it."""

    @property
    def declines(self) -> Flags:
        """(W,) where there is a course to state."""
        return np.array([course is not None for course in self.course], bool)


def courses(
    years: NDArray[np.int64],
    values: Array,
    extreme: Flags,
    *,
    p_sustained: float = 0.10,
    dip_mads: float = 2.0,
) -> Courses:
    """Return the course of every row of `values` (W, T) over `years` (T,); NaN is no value.

    `extreme`: (T,) or (W, T), the years of extreme weather. The line and its test are refitted without them.
    Sustained: it still falls, two-sided p below `p_sustained`. Else a dip: the extreme years lie on average
    more than `dip_mads` median absolute departures below that line. Else uncertain: with all years it falls
    significantly. Else there is no decline, and None instead of a course.
    """
    apart = np.broadcast_to(extreme, values.shape)
    others = np.where(apart, np.nan, values)
    line, p = theil_sen(years, others), mann_kendall(others).p_two_sided
    residuals = values - (line.slope[:, None] * years + line.intercept[:, None])
    departure = _row_mean(np.where(apart, residuals, np.nan))
    mad = MAD_TO_SD * _row_median(np.abs(np.where(apart, np.nan, residuals)))
    falls_always = (theil_sen(years, values).slope < 0) & (mann_kendall(values).p_two_sided < p_sustained)
    dips = departure < -dip_mads * mad - _ROUNDING * _row_median(np.abs(values))
    verdicts = [(line.slope < 0) & (p < p_sustained), dips, falls_always]
    return Courses(_chosen(verdicts), line.slope, p, departure, mad)


def _chosen(verdicts: list[Flags]) -> NDArray[np.object_]:
    """Return the course of the first verdict that holds, None where none does."""
    names = (Course.SUSTAINED, Course.DIP, Course.UNCERTAIN)
    found: NDArray[np.object_] = np.full(len(verdicts[0]), None, np.object_)
    for holds, course in reversed(list(zip(verdicts, names, strict=True))):
        found[holds] = course
    return found


def _row_mean(values: Array) -> Array:
    known = np.isfinite(values)
    n = known.sum(axis=1)
    return np.where(n > 0, np.where(known, values, 0).sum(axis=1) / np.maximum(n, 1), np.nan)


def _row_median(values: Array) -> Array:
    found = np.full(len(values), np.nan)
    some = np.isfinite(values).any(axis=1)
    found[some] = np.nanmedian(values[some], axis=1)
    return found
