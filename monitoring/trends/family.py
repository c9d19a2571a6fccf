"""Trends: what is shown of each woodland's years, and what is tested over the family of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import SettingsError
from monitoring.science import TrendTest
from monitoring.statistics.mann_kendall import MannKendall, mann_kendall
from monitoring.statistics.multiplicity import adjusted_p
from monitoring.statistics.power import minimum_detectable_slope
from monitoring.statistics.shrinkage import Shrunk, shrink
from monitoring.statistics.theil_sen import TheilSen, theil_sen
from monitoring.trends.controls import Control, control_values, is_held
from monitoring.trends.histories import RichnessSeries, on_common_years, outside_words
from monitoring.trends.looks import allowed_q
from monitoring.trends.model import TestedLines, normal_errors, p_of_decline, prediction_ratios, tested_lines
from monitoring.trends.trend import Trend

Floats = NDArray[np.float64]

#: Degrees of freedom from which a number says no more.
MANY = 1000
#: With fewer years no order of values is rare enough to mean anything (4 years: one-sided p of at best 0.04).
MIN_YEARS_ALLOWED = 5
#: The choices of `TrendTest` this module carries out; any other text is refused rather than ignored.
CONTROL = "park-year median of other woodland"
FAMILY = "all woodlands with enough years"


def family_trends(
    series: Sequence[RichnessSeries],
    controls: Mapping[str, Control],
    rule: TrendTest,
    *,
    q_confirmed: float = 0.05,
    look: int = 1,
) -> tuple[Trend, ...]:
    """Return one trend per series, in order, with p adjusted over all woodlands tested in this call.

    What is tested is the woodland minus its control, in the years both have; without a control the
    woodland's own values, which `method` says. The test is one-sided: the slope of the tested line
    (`trends.model`) against a decline no faster than `rule.min_effect_fraction` of the level per year.

    Years outside the area of applicability are not looked at, which `method` says. All figures of a `Trend`
    are of the same years. A woodland with fewer than `rule.min_years` of them is not tested and not in the
    family: p and q are NaN, with the reason. `decline_fraction` compares the Theil-Sen line at the first and
    last year; it is NaN where that line starts at or below zero. TrendError for years that repeat or run
    backwards (overlapping windows), values that are infinite, or a woodland given twice.
    """
    _refuse_unknown(rule)
    allowed = allowed_q(q_confirmed, look, rule.spending)
    if not series:
        return ()
    years, own = on_common_years(series)
    tested = own - control_values(series, controls, years)
    own = np.where(np.isfinite(tested), own, np.nan)
    lines = tested_lines(years, tested, prediction_ratios(series, years, tested), is_held(series, controls))
    figures = _figures(years, own, tested, lines, rule)
    return tuple(
        _trend(row, one, controls.get(one.woodland_id), figures, rule, look, allowed)
        for row, one in enumerate(series)
    )


@dataclass(frozen=True)
class _Figures:
    """Everything computed for all W woodlands at once."""

    years: NDArray[np.int64]
    own: Floats
    mann_kendall: MannKendall
    theil_sen: TheilSen
    relative_slope: Floats
    lines: TestedLines
    p: Floats
    q: Floats
    shrunk: Shrunk
    minimum_detectable_slope: Floats
    correction: str
    n_tested: int
    """Woodlands in the declared family."""


def _figures(
    years: NDArray[np.int64],
    own: Floats,
    tested: Floats,
    lines: TestedLines,
    rule: TrendTest,
) -> _Figures:
    exact = mann_kendall(tested)
    bound = -rule.min_effect_fraction * _levels(own)
    enough = exact.n >= rule.min_years
    p = np.where(enough, p_of_decline(lines, bound, exact), np.nan)
    return _Figures(
        years=years,
        own=own,
        mann_kendall=exact,
        theil_sen=theil_sen(years, own, rule.confidence),
        relative_slope=theil_sen(years, tested, rule.confidence).slope,
        lines=lines,
        p=p,
        q=adjusted_p(p, rule.correction),
        shrunk=shrink(np.where(enough, lines.slope, np.nan), normal_errors(lines), bound),
        minimum_detectable_slope=minimum_detectable_slope(years, tested),
        correction=rule.correction,
        n_tested=int(np.isfinite(p).sum()),
    )


def _levels(own: Floats) -> Floats:
    """Return each woodland's mean over its years, (W,); zero where there is none or it is negative."""
    known = np.isfinite(own)
    total = np.where(known, own, 0.0).sum(axis=1)
    levels: Floats = np.maximum(total / np.maximum(known.sum(axis=1), 1), 0.0)
    return levels


def _trend(
    row: int,
    series: RichnessSeries,
    control: Control | None,
    figures: _Figures,
    rule: TrendTest,
    look: int,
    allowed: float,
) -> Trend:
    known = figures.years[np.isfinite(figures.own[row])]
    first, last = (int(known[0]), int(known[-1])) if len(known) else (0, 0)
    slope, intercept = float(figures.theil_sen.slope[row]), float(figures.theil_sen.intercept[row])
    is_tested = bool(np.isfinite(figures.p[row]))
    return Trend(
        woodland_id=series.woodland_id,
        n=len(known),
        first_year=first,
        last_year=last,
        s=int(figures.mann_kendall.s[row]),
        slope=slope,
        slope_low=float(figures.theil_sen.low[row]),
        slope_high=float(figures.theil_sen.high[row]),
        relative_slope=float(figures.relative_slope[row]),
        p=float(figures.p[row]),
        q=float(figures.q[row]),
        decline_fraction=_decline_fraction(slope, intercept, first, last),
        minimum_detectable_slope=float(figures.minimum_detectable_slope[row]),
        method=_method(row, series, control, figures),
        reason="" if is_tested else _why_untested(len(known), series, control, rule),
        p_mann_kendall=float(figures.mann_kendall.p_decline[row]),
        tested_slope=float(figures.lines.slope[row]),
        tested_se=float(figures.lines.error[row]),
        degrees_of_freedom=float(figures.lines.degrees[row]),
        memory=float(figures.lines.memory[row]),
        posterior_slope=float(figures.shrunk.mean[row]),
        posterior_sd=float(figures.shrunk.sd[row]),
        decline_probability=float(figures.shrunk.below[row]),
        look=look,
        q_allowed=allowed,
    )


def _decline_fraction(slope: float, intercept: float, first: int, last: int) -> float:
    start = intercept + slope * first
    return -slope * (last - first) / start if start > 0 else float("nan")


def _method(row: int, series: RichnessSeries, control: Control | None, figures: _Figures) -> str:
    left_out = f"; left out: {outside_words(series)}" if len(series.outside) else ""
    lines = figures.lines
    test = f"moderated t ({_degrees(float(lines.degrees[row]))} df), autocorrelation {lines.memory[row]:.2f}"
    if lines.error[row] == 0:
        test = "exact-mk (the values lie on a line)"
    family = f"{figures.correction} over {figures.n_tested} woodlands"
    return f"{test}, {_control_text(control)}, {family}{left_out}"


def _degrees(degrees: float) -> str:
    return "many" if degrees > MANY else f"{degrees:.0f}"


def _control_text(control: Control | None) -> str:
    if control is None:
        return "no control: none given"
    if control.reason:
        return f"no control: {control.reason}"
    return f"park-year control median ({control.woodland})"


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
