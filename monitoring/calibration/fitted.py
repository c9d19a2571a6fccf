"""Fitted: the noise of real histories, as a world to simulate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma

from monitoring.calibration.worlds import World
from monitoring.errors import TrendError
from monitoring.statistics.memory import Memory, fit_memory, gls_lines
from monitoring.statistics.moderation import moderate
from monitoring.statistics.year_effects import departures, median_by_year
from monitoring.trends.controls import control_values, controls_among, is_held
from monitoring.trends.histories import RichnessSeries, on_common_years
from monitoring.trends.model import prediction_ratios
from monitoring.trends.sites import Site

Floats = NDArray[np.float64]

#: Histories of so many years, of so many woodlands with a control, tell their noise; fewer do not.
MIN_YEARS, MIN_WOODLANDS = 5, 20
#: Variance of the median of many normal values, in units of that of their mean.
MEDIAN_COST = np.pi / 2
#: Parks from which what a year does to all is told from what it does to each.
MANY_PARKS = 2
#: Parameters of a line.
_LINE = 2


def fitted_world(series: Sequence[RichnessSeries], sites: Mapping[str, Site]) -> World:
    """Return the world whose noise is that of histories; nothing declines in it.

    Own noise, its spread between woodlands (moments of the log variances, Smyth 2004) and its autocorrelation
    are those of what lines leave of the tested series, control taken off. What years do to all, to a park and
    to a class are variances of yearly medians about their lines, less the error of a median. The share that
    follows the stated prediction error is that of the memory fit. Declines that are there straighten out with
    the lines; breaks count as noise. Parks are simulated equally large. TrendError for too few histories.
    """
    known = [one for one in series if np.isfinite(one.mean).any() and one.woodland_id in sites]
    years, own = on_common_years(known)
    park = np.array([sites[one.woodland_id].park for one in known], dtype=object)
    is_other = np.array([not sites[one.woodland_id].is_ancient for one in known], bool)
    noise = _own_noise(known, sites, years, own)
    shared = _shared(years, own, park, is_other, noise.variance)
    common_year, park_year, class_year = (shared / (noise.variance + shared.sum())).tolist()
    levels = _levels(own)
    return World(
        n_woodlands=len(known),
        n_parks=len(set(park.tolist()) - {""}),
        n_years=len(years),
        share_other=float(is_other.mean()),
        mean_level=float(levels.mean()),
        sd_level=float(levels.std()),
        noise_fraction=float(np.sqrt(noise.variance) / levels.mean()),
        unequal=noise.spread,
        autocorrelation=noise.memory.phi,
        common_year=common_year,
        park_year=park_year,
        class_year=class_year,
        prediction_error=1 - noise.memory.share,
    )


@dataclass(frozen=True)
class _OwnNoise:
    variance: float
    """Typical, of a woodland's own noise."""
    spread: float
    """Standard deviation of the log of the noise between woodlands."""
    memory: Memory


def _own_noise(
    series: Sequence[RichnessSeries], sites: Mapping[str, Site], years: NDArray[np.int64], own: Floats
) -> _OwnNoise:
    """Return what lines leave of the tested series."""
    controls = controls_among(series, sites)
    tested = own - control_values(series, controls, years)
    rows = is_held(series, controls) & (np.isfinite(tested).sum(axis=1) >= MIN_YEARS)
    if rows.sum() < MIN_WOODLANDS:
        raise TrendError(
            f"{rows.sum()} woodlands with {MIN_YEARS} years and a control: to fit their noise at least "
            f"{MIN_WOODLANDS} are needed"
        )
    ratios = prediction_ratios(series, years, tested)[rows]
    memory = fit_memory(years, tested[rows], ratios)
    lines = gls_lines(years, tested[rows], memory, ratios)
    steady = moderate(lines.scatter, lines.degrees)
    if not (steady.prior_variance > 0 and _levels(own).mean() > 0):
        raise TrendError("the histories are exact lines, or of no positive level: no noise can be fitted")
    variance, spread = _typical(steady.prior_variance, steady.prior_degrees)
    return _OwnNoise(variance, spread, memory)


def _levels(own: Floats) -> Floats:
    known = np.isfinite(own)
    levels: Floats = np.where(known, own, 0.0).sum(axis=1) / known.sum(axis=1)
    return levels


def _typical(prior_variance: float, prior_degrees: float) -> tuple[float, float]:
    """Return the median variance of woodlands, and the standard deviation of the log of their noise.

    The prior is an inverse chi-square distribution of the variance; a world has a log-normal one of the noise
    with the same mean and variance of the log.
    """
    if np.isinf(prior_degrees):
        return prior_variance, 0.0
    half = prior_degrees / 2
    median = prior_variance * float(np.exp(np.log(half) - digamma(half)))
    return median, float(np.sqrt(polygamma(1, half)) / 2)


def _shared(
    years: NDArray[np.int64],
    own: Floats,
    park: NDArray[np.object_],
    is_other: NDArray[np.bool_],
    variance: float,
) -> Floats:
    """Return variances of what years do to all, to a park and to a class, in that order.

    Of one park all counts as the park's, for the two cannot be told apart.
    """
    away = departures(own)
    class_year = _class_year(years, away, is_other, variance)
    inside = [park == name for name in sorted(set(park.tolist()) - {""})]
    medians = np.array([_yearly(years, away[rows]) for rows in inside])
    error = MEDIAN_COST * variance * float(np.mean([1 / rows.sum() for rows in inside]))
    if len(inside) < MANY_PARKS:
        return np.array([0.0, max(0.0, _variance(medians[0]) - error), class_year])
    common = medians.mean(axis=0)
    between = float(np.sum([_variance(one - common) for one in medians])) / (len(inside) - 1)
    park_year = max(0.0, between - error)
    # The mean over parks holds its share of theirs, and half of what the two classes do.
    common_year = max(0.0, _variance(common) - between / len(inside) - class_year / 2)
    return np.array([common_year, park_year, class_year])


def _class_year(
    years: NDArray[np.int64], away: Floats, is_other: NDArray[np.bool_], variance: float
) -> float:
    """Return the variance of what a year does to one class; zero where there is one class only."""
    sizes = np.array([(~is_other).sum(), is_other.sum()])
    if not sizes.all():
        return 0.0
    gap = _yearly(years, away[~is_other]) - _yearly(years, away[is_other])
    return max(0.0, _variance(gap) - MEDIAN_COST * variance * float((1 / sizes).sum())) / 2


def _yearly(years: NDArray[np.int64], away: Floats) -> Floats:
    """Return the yearly median, (T,), about its line; zero in a year without values."""
    medians = median_by_year(away, 1)
    known = np.isfinite(medians)
    if known.sum() <= _LINE:
        return np.zeros(len(years))
    line = np.polynomial.Polynomial.fit(years[known], medians[known], 1)
    return np.where(known, medians - line(years), 0.0)


def _variance(about_line: Floats) -> float:
    """Return the variance of a year series about its line."""
    return float((about_line**2).sum() / max(1, len(about_line) - _LINE))
