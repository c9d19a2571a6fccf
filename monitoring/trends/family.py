"""Trends: exact Mann-Kendall and Theil-Sen for short annual series, and their family of tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import SettingsError
from monitoring.science import TrendTest
from monitoring.statistics.mann_kendall import EXACT_UP_TO, MannKendall, mann_kendall
from monitoring.statistics.multiplicity import benjamini_hochberg
from monitoring.statistics.power import minimum_detectable_slope
from monitoring.statistics.theil_sen import TheilSen, theil_sen
from monitoring.trends.controls import Control, control_values, park_controls
from monitoring.trends.histories import RichnessSeries, on_common_years, outside_words

__all__ = ["Control", "RichnessSeries", "Trend", "park_controls", "test_family"]

NAN = float("nan")
#: With fewer years no order of values is rare enough to mean anything (4 years: one-sided p of at best 0.04).
MIN_YEARS_ALLOWED = 5
#: The choices of `TrendTest` this module carries out; any other text is refused rather than ignored.
CONTROL = "park-year median of other woodland"
FAMILY = "all woodlands with enough years"


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
    """Theil-Sen slope of the woodland's own series, target's unit per year; NaN below three values."""
    slope_low: float
    slope_high: float
    relative_slope: float
    """Theil-Sen slope of the series minus its park control: what the test looks at, same unit."""
    p: float
    """Exact one-sided p of a decline in the tested series; NaN when not tested."""
    q: float
    """Benjamini-Hochberg adjusted p over the declared family; NaN when not in the family."""
    decline_fraction: float
    """Fitted loss over the record as a share of the fitted first value; negative for a gain."""
    minimum_detectable_slope: float
    """Decline per year this series would show with 80 % power, target's unit per year."""
    method: str
    """Names test, control and family, such as `exact-mk, park-year control median, BH over 64 woodlands`, and
    how many years were left out as outside the area of applicability."""
    reason: str = ""
    """Why no test was made; empty where one was."""
    p_mann_kendall: float = NAN
    """Exact one-sided Mann-Kendall p of a decline in the tested series: shown, not what `q` rests on."""
    tested_slope: float = NAN
    """Generalised least-squares slope of the tested series, target's unit per year."""
    tested_se: float = NAN
    """Its standard error: moderated scatter, autocorrelation and prediction variance included."""
    degrees_of_freedom: float = NAN
    """Of that standard error; infinite where all woodlands scatter alike."""
    memory: float = NAN
    """First-order autocorrelation of yearly noise, pooled over the family."""
    posterior_slope: float = NAN
    """Slope shrunk towards the other woodlands of its park and class, an estimate, target's unit per year."""
    posterior_sd: float = NAN
    decline_probability: float = NAN
    """That the slope lies below minus the minimum effect, after shrinkage, 0-1."""
    look: int = 0
    """Which yearly look at this family this was, from 1; the error is spent over looks. 0: not counted."""
    q_allowed: float = NAN
    """What `q` had to reach at this look."""


def test_family(
    series: Sequence[RichnessSeries], controls: Mapping[str, Control], rule: TrendTest
) -> tuple[Trend, ...]:
    """Return one trend per series, in order, with p adjusted over all woodlands tested in this call.

    What is tested is the woodland minus its control, in the years both have; without a control the woodland's
    own values, which `method` says. Years outside the area of applicability are not looked at, which it says
    too. All figures of a `Trend` are of those same years. A woodland with fewer
    than `rule.min_years` of them is not tested and not in the family: p and q are NaN, with the reason.
    `decline_fraction` compares the Theil-Sen line at the first and last year; it is NaN where that line
    starts at or below zero. TrendError for years that repeat or run backwards (overlapping windows), values
    that are infinite, or a woodland given twice.
    """
    _refuse_unknown(rule)
    if not series:
        return ()
    years, own = on_common_years(series)
    tested = own - control_values(series, controls, years)
    own = np.where(np.isfinite(tested), own, np.nan)
    figures = _figures(years, own, tested, rule)
    return tuple(
        _trend(row, one, controls.get(one.woodland_id), figures, rule) for row, one in enumerate(series)
    )


test_family.__test__ = False  # type: ignore[attr-defined]  # pytest collects what is called test_*


@dataclass(frozen=True)
class _Figures:
    """Everything computed for all W woodlands at once."""

    years: NDArray[np.int64]
    own: NDArray[np.float64]
    test: MannKendall
    line: TheilSen
    relative_slope: NDArray[np.float64]
    p: NDArray[np.float64]
    q: NDArray[np.float64]
    minimum_detectable_slope: NDArray[np.float64]


def _figures(
    years: NDArray[np.int64], own: NDArray[np.float64], tested: NDArray[np.float64], rule: TrendTest
) -> _Figures:
    test = mann_kendall(tested)
    p = np.where(test.n >= rule.min_years, test.p_decline, np.nan)
    return _Figures(
        years=years,
        own=own,
        test=test,
        line=theil_sen(years, own, rule.confidence),
        relative_slope=theil_sen(years, tested, rule.confidence).slope,
        p=p,
        q=benjamini_hochberg(p),
        minimum_detectable_slope=minimum_detectable_slope(years, tested),
    )


def _trend(
    row: int, series: RichnessSeries, control: Control | None, figures: _Figures, rule: TrendTest
) -> Trend:
    known = figures.years[np.isfinite(figures.own[row])]
    first, last = (int(known[0]), int(known[-1])) if len(known) else (0, 0)
    slope, intercept = float(figures.line.slope[row]), float(figures.line.intercept[row])
    is_tested = bool(np.isfinite(figures.p[row]))
    return Trend(
        woodland_id=series.woodland_id,
        n=len(known),
        first_year=first,
        last_year=last,
        s=int(figures.test.s[row]),
        slope=slope,
        slope_low=float(figures.line.low[row]),
        slope_high=float(figures.line.high[row]),
        relative_slope=float(figures.relative_slope[row]),
        p=float(figures.p[row]),
        q=float(figures.q[row]),
        decline_fraction=_decline_fraction(slope, intercept, first, last),
        minimum_detectable_slope=float(figures.minimum_detectable_slope[row]),
        method=_method(row, series, control, figures),
        reason="" if is_tested else _why_untested(len(known), series, control, rule),
    )


def _decline_fraction(slope: float, intercept: float, first: int, last: int) -> float:
    start = intercept + slope * first
    return -slope * (last - first) / start if start > 0 else float("nan")


def _method(row: int, series: RichnessSeries, control: Control | None, figures: _Figures) -> str:
    exact = figures.test.n[row] <= EXACT_UP_TO
    name = "exact-mk" if exact else "normal-mk"
    ties = ("" if not figures.test.tied[row] else " with ties") if exact else ", tie-corrected"
    left_out = f"; left out: {outside_words(series)}" if len(series.outside) else ""
    family = f"BH over {np.isfinite(figures.p).sum()} woodlands"
    return f"{name}{ties}, {_control_text(control)}, {family}{left_out}"


def _control_text(control: Control | None) -> str:
    if control is None:
        return "no control: none given"
    if control.reason:
        return f"no control: {control.reason}"
    return f"park-year control median ({control.n_woodlands} other woodlands in {control.place})"


def _why_untested(n: int, series: RichnessSeries, control: Control | None, rule: TrendTest) -> str:
    inside = int(np.isfinite(series.mean).sum())
    if control is not None and not control.reason and inside > n:
        why = f"{n} of {inside} years have a control, {rule.min_years} needed"
    else:
        why = f"{n} years with an estimate, {rule.min_years} needed"
    return f"{why}: {outside_words(series)}" if len(series.outside) else why


def _refuse_unknown(rule: TrendTest) -> None:
    for key, value, known in (("control", rule.control, CONTROL), ("family", rule.family, FAMILY)):
        if value != known:
            raise SettingsError(f"trend {key} {value!r}: the only one known is {known!r}")
    if not 0.5 <= rule.confidence < 1:
        raise SettingsError(f"trend confidence {rule.confidence}: must be at least 0.5 and below 1")
    if rule.min_years < MIN_YEARS_ALLOWED:
        raise SettingsError(f"trend min_years {rule.min_years}: must be at least {MIN_YEARS_ALLOWED}")
