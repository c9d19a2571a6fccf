"""The contrast of all parks once more, by a mixed model of statsmodels: a cross-check, never the claim."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from monitoring.science import MatchRule, TrendTest
from monitoring.statistics.permutations import ROUNDING
from monitoring.trends.compared import compare, records_of
from monitoring.trends.contrasts import MIN_WOODLANDS
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.matching import ALL_PARKS
from monitoring.trends.sites import Site
from monitoring.trends.year_tests import MIN_YEARS_FOR_A_LINE, least_squares

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NAN = float("nan")
#: Slopes of two methods agree when they differ by less than this share of a standard error.
AGREEMENT = 0.01
#: A variance between years below this share of the variance within them lies on its boundary, zero.
BOUNDARY = 1e-6
#: Woodlands a mixed model is fitted to at most; beyond, that many are drawn by the seed.
MIXED_MODEL_WOODLANDS = 2_000


@dataclass(frozen=True)
class MixedModelCheck:
    """The contrast of all parks once more, by a mixed model: a cross-check, never the claim."""

    n_woodlands: int
    """Matched ancient woodlands the model was fitted to."""
    n_years: int
    slope: float
    """Class-by-year slope, target's unit per year; NaN where the model could not be fitted."""
    slope_se: float
    p: float
    """Two-sided, normal approximation: too small for few years, so that it is shown beside, not instead."""
    year_sd: float
    """Standard deviation between years of what ancient and other woodland do not share."""
    residual_sd: float
    least_squares_slope: float
    """Slope over years of the same woodlands: what the model should find in a complete panel."""
    least_squares_se: float
    warnings: tuple[str, ...]
    """What the fit complained of, and where it disagrees, one line each; empty where nothing."""


def mixed_model_check(
    series: Sequence[RichnessSeries],
    sites: Sequence[Site],
    rule: TrendTest,
    matching: MatchRule,
    seed: int = 0,
    max_woodlands: int = MIXED_MODEL_WOODLANDS,
) -> MixedModelCheck:
    """Return the class-by-year slope of statsmodels' MixedLM over the matched woodlands of all parks.

    Model: ancient minus mean of partners, less its own mean = slope x year + class-by-year effect + noise,
    with a random intercept per calendar year as the class-by-year effect; without it standard errors are
    false. Crossed effects of woodland and year are out of MixedLM's reach, and the complete panel makes them
    unneeded: taking off each woodland's mean is its fixed intercept. By REML slope and standard error are
    then those of least squares over years, unless a variance lies on its boundary.

    At most `max_woodlands` woodlands are used, drawn by the seed. What the fit warns of is text in the
    result: nothing is printed, and a fit that fails gives NaN with the reason.
    """
    compared = compare(ALL_PARKS, records_of(series, sites), matching)
    differences = compared.ancient - compared.partners
    if len(differences) > max_woodlands:
        chosen = np.random.default_rng(seed).choice(len(differences), max_woodlands, replace=False)
        differences = differences[np.sort(chosen)]
    woods, years = differences.shape
    if woods < MIN_WOODLANDS or years < MIN_YEARS_FOR_A_LINE:
        return _not_fitted(woods, years, (NAN, NAN), (f"{woods} matched woodlands, {years} years: too few",))
    line = _line_with_error(compared.years, differences.mean(axis=0), rule)
    away = differences - differences.mean(axis=1, keepdims=True)
    unit, scale = float(away.std()), float(np.abs(differences).max())
    if unit <= ROUNDING * scale:
        return _not_fitted(woods, years, line, ("the differences do not vary: nothing to fit",))
    fitted, said = _fit_mixed(compared.years, away / unit)
    return (
        _checked(fitted, said, unit, (woods, years), line)
        if fitted
        else _not_fitted(woods, years, line, said)
    )


def _line_with_error(years: Integers, values: Floats, rule: TrendTest) -> tuple[float, float]:
    slope, half_width = least_squares(years, values, rule.confidence)
    return slope, half_width / float(stats.t.isf((1 - rule.confidence) / 2, len(years) - 2))


@dataclass(frozen=True)
class _Fitted:
    """Figures of a fitted mixed model, in units of the values it was fitted to."""

    slope: float
    error: float
    year_variance: float
    residual_variance: float
    has_converged: bool


def _fit_mixed(years: Integers, away: Floats) -> tuple[_Fitted | None, tuple[str, ...]]:
    """Return the fit, None where it failed, and what it complained of.

    Powell's search needs no gradient. With a variance near zero the default search does not converge, and
    L-BFGS reports success with a wrong slope.
    """
    from statsmodels.regression.mixed_linear_model import MixedLM

    t = np.tile(years - years.mean(), len(away))
    design, groups = np.stack([np.ones(len(t)), t], axis=1), np.tile(years, len(away))
    fitted, failed = None, ""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            fitted = _figures(MixedLM(away.ravel(), design, groups).fit(reml=True, method="powell"))
        except (np.linalg.LinAlgError, ValueError) as error:
            failed = f"the fit failed: {error}"
    said = [" ".join(str(one.message).split()) for one in heard]
    return fitted, tuple(dict.fromkeys(text for text in (*said, failed) if text))


def _figures(result: Any) -> _Fitted:
    return _Fitted(
        slope=float(result.fe_params[1]),
        error=float(result.bse_fe[1]),
        year_variance=max(float(result.cov_re[0, 0]), 0.0),
        residual_variance=max(float(result.scale), 0.0),
        has_converged=bool(result.converged),
    )


def _checked(
    fitted: _Fitted, said: tuple[str, ...], unit: float, shape: tuple[int, int], line: tuple[float, float]
) -> MixedModelCheck:
    """Return the check in the target's unit, with what disagrees added to what was said."""
    z = abs(fitted.slope) / fitted.error if fitted.error > 0 else NAN
    return MixedModelCheck(
        n_woodlands=shape[0],
        n_years=shape[1],
        slope=fitted.slope * unit,
        slope_se=fitted.error * unit,
        p=float(2 * stats.norm.sf(z)),
        year_sd=float(np.sqrt(fitted.year_variance)) * unit,
        residual_sd=float(np.sqrt(fitted.residual_variance)) * unit,
        least_squares_slope=line[0],
        least_squares_se=line[1],
        warnings=(*said, *_doubts(fitted, unit, line)),
    )


def _doubts(fitted: _Fitted, unit: float, line: tuple[float, float]) -> Iterator[str]:
    slope, error = fitted.slope * unit, line[1]
    if not fitted.has_converged:
        yield "the fit did not converge: its standard error and variances mean nothing"
    if fitted.year_variance < BOUNDARY * fitted.residual_variance:
        yield "the variance between years lies on its boundary, zero"
    if not abs(slope - line[0]) <= AGREEMENT * error + ROUNDING * unit:
        yield f"slope {slope:.4g} is not that of least squares, {line[0]:.4g}"


def _not_fitted(woods: int, years: int, line: tuple[float, float], said: tuple[str, ...]) -> MixedModelCheck:
    return MixedModelCheck(woods, years, NAN, NAN, NAN, NAN, NAN, *line, said)
