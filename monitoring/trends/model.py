"""The tested line: generalised least squares with the family's memory, each scatter steadied by the others.

Covariance of a woodland's years = scatter * (share * AR(1) + (1 - share) * diag(prediction variance / its
mean)): memory and share come from the whole family, the scatter from the woodland, moderated (Smyth 2004).
The stated prediction variance weighs the years of a woodland against each other; how large the noise is says
what the values scatter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtr

from monitoring.statistics.mann_kendall import MannKendall
from monitoring.statistics.memory import fit_memory, gls_lines, variance_ratios
from monitoring.statistics.moderation import moderate
from monitoring.trends.histories import RichnessSeries, placed_on

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TestedLines:
    """The tested lines of W series; NaN where there are too few values."""

    __test__ = False

    slope: Floats
    error: Floats
    """Standard error of the slope; zero for an exact line."""
    degrees: Floats
    memory: Floats
    """(W,) autocorrelation of the family each series was tested in."""
    scatter_sd: Floats
    """(W,) standard deviation of the yearly noise, moderated."""


def tested_lines(
    years: NDArray[np.int64], tested: Floats, ratios: Floats, is_held: NDArray[np.bool_]
) -> TestedLines:
    """Return the lines of W series (W, T), NaN left out, with their standard errors.

    ratios (W, T) weigh the years (`prediction_ratios`); is_held (W,) tells which series have a control. Those
    that have none keep the weather they share, and do not share what they scatter with the others.
    """
    slope, error, degrees, memory, scatter = (np.full(len(tested), np.nan) for _ in range(5))
    for rows in (np.flatnonzero(is_held), np.flatnonzero(~is_held)):
        if len(rows):
            shared = fit_memory(years, tested[rows], ratios[rows])
            lines = gls_lines(years, tested[rows], shared, ratios[rows])
            steady = moderate(lines.scatter, lines.degrees)
            slope[rows], degrees[rows], memory[rows] = lines.slope, steady.degrees, shared.phi
            error[rows], scatter[rows] = np.sqrt(steady.variance * lines.factor), np.sqrt(steady.variance)
    return TestedLines(slope, error, degrees, memory, scatter)


def prediction_ratios(series: Sequence[RichnessSeries], years: NDArray[np.int64], tested: Floats) -> Floats:
    """Return how each year's prediction variance compares with its series' mean, (W, T); 1 where unknown."""
    variances = np.full(tested.shape, np.nan)
    known = [(row, one) for row, one in enumerate(series) if len(one.sd_year) == len(one.years)]
    sds = placed_on(years, [(one.years, one.sd_year) for _, one in known])
    variances[[row for row, _ in known]] = sds**2
    return variance_ratios(variances, tested)


def p_of_decline(lines: TestedLines, bound: Floats, exact: MannKendall) -> Floats:
    """Return the one-sided p of slopes against `bound`, (W,); NaN without a slope.

    A line without any scatter has no t; the exact Mann-Kendall p stands in for it.
    """
    has_error = lines.error > 0
    t = (lines.slope - bound) / np.where(has_error, lines.error, 1.0)
    p = np.where(np.isinf(lines.degrees), ndtr(t), stdtr(lines.degrees, t))
    found: Floats = np.where(np.isfinite(lines.slope), np.where(has_error, p, exact.p_decline), np.nan)
    return found


def normal_errors(lines: TestedLines) -> Floats:
    """Return errors of a normal distribution as wide as Student's with few degrees of freedom is, (W,)."""
    spare = np.maximum(lines.degrees, 3.0) - 2
    widened: Floats = lines.error * np.sqrt(1 + 2 / spare)
    return widened
