"""Alerts: the decision that a person should look, with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitoring.alerts.alert import Alert, Course, Level, alert_id
from monitoring.alerts.grounds import Beside, Grounds
from monitoring.alerts.reasons import sentence
from monitoring.alerts.severity import severity
from monitoring.corroboration.weigh import weigh
from monitoring.errors import SeasonError, TrendError
from monitoring.gates.finding import GateFinding
from monitoring.gates.gather import held_by, holding
from monitoring.science import AlertRule
from monitoring.seasons import Season
from monitoring.statistics.change_points import Fall, fall_p, strongest_fall
from monitoring.trends.controls import Control, series_to_test
from monitoring.trends.histories import RichnessSeries, outside_words
from monitoring.trends.sites import Site
from monitoring.trends.trend import Trend

#: One-sided permutation p at which a fall between two levels is taken for real.
STEP_P = 0.05
#: Residual variance of two levels, as a share of the line's, below which an event is called a step. Over nine
#: years it calls 7 % of declines of 0.6 sd a year a step, 1 % of those of 1 sd, and 66-79 % of steps of 4 sd
#: and 92 % of 6 sd a step (3,000 simulated series each).
STEP_VARIANCE_RATIO = 0.6
#: Share of the variance two levels must explain for a woodland to count towards a shared step.
SHARED_STEP_EXPLAINED = 0.6
#: More than this share of the tested woodlands falling in one year points at the sensor or the processing.
SHARED_STEP_SHARE = 0.5
#: Fewest tested woodlands among which a shared step is looked for; of three, two coincide easily.
SHARED_STEP_FAMILY = 6
NOTHING_BESIDE = Beside()


def raise_alerts(
    trends: Sequence[Trend],
    series: Sequence[RichnessSeries],
    controls: Mapping[str, Control],
    rule: AlertRule,
    season: str,
    target: str,
    sites: Mapping[str, Site] | None = None,
    beside: Beside = NOTHING_BESIDE,
) -> tuple[Alert, ...]:
    """Return the alerts of one final season, in the order of `trends`.

    CONFIRMED when q reaches what the look allows, the loss over the record reaches the rule's minimum, the
    woodland's own slope falls, it has a control, the fall is no step that more than half of the tested
    woodlands share, and no gate that reaches it is red. WATCH when its slope, after shrinkage, is a decline
    with the rule's probability, or its q passes, but it is not confirmed; the reason says what holds it. No
    alert is raised where the latest estimate lies outside the area of applicability. Series and controls are
    those the trends were tested with; sites tell park, block, area and standing. SeasonError for a
    provisional season; TrendError for a trend without series or with years after the season.
    """
    _refuse_unfit(season, trends)
    history = {one.woodland_id: one for one in series}
    tested = {
        trend.woodland_id: _Tested(trend, *_tested_values(trend, history, controls))
        for trend in trends
        if np.isfinite(trend.p)
    }
    looked_at = [
        name
        for name, each in tested.items()
        if is_candidate(each.trend, rule) and not history[name].ends_outside
    ]
    steps = {name: _step(tested[name]) for name in looked_at}
    shared_years = _shared_step_years(tested.values()) if any(steps.values()) else frozenset()
    places, courses, evidence = sites or {}, dict(beside.courses), dict(beside.evidence)
    red = [finding for finding in beside.gates if finding.is_red]
    grounds = (
        _with_beside(
            Grounds(
                trend=tested[name].trend,
                control=controls.get(name),
                years=tested[name].years,
                values=tested[name].values,
                step=steps[name],
                shared_step_years=shared_years,
                is_large=tested[name].trend.decline_fraction >= rule.min_decline_fraction,
                course=courses.get(name, Course.UNKNOWN),
                evidence=evidence.get(name, ()),
                left_out=outside_words(history[name]),
            ),
            places.get(name, Site(name)),
            red,
        )
        for name in looked_at
    )
    return tuple(
        _alert(each, places.get(each.trend.woodland_id, Site("")), season, target) for each in grounds
    )


def _with_beside(grounds: Grounds, site: Site, gates: Sequence[GateFinding]) -> Grounds:
    """Return the grounds with the gates that reach the woodland, and its evidence weighed."""
    confidence, cause = weigh(grounds.evidence)
    held = holding(gates, grounds.trend.woodland_id, site.park, site.block)
    return replace(grounds, held_by=held, confidence=confidence, cause=cause)


def _refuse_unfit(season: str, trends: Sequence[Trend]) -> None:
    judged = Season.parse(season)
    if not judged.is_final:
        raise SeasonError(f"season {season}: alerts are raised on final seasons only (Q4)")
    for trend in trends:
        if trend.last_year > judged.year:
            raise TrendError(
                f"woodland {trend.woodland_id}: a trend up to {trend.last_year} judged at {season}"
            )


@dataclass(frozen=True)
class _Tested:
    trend: Trend
    years: NDArray[np.int64]
    values: NDArray[np.float64]


def _tested_values(
    trend: Trend, history: Mapping[str, RichnessSeries], controls: Mapping[str, Control]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    if trend.woodland_id not in history:
        raise TrendError(f"woodland {trend.woodland_id}: a trend without its series")
    return series_to_test(history[trend.woodland_id], controls.get(trend.woodland_id))


def is_candidate(trend: Trend, rule: AlertRule) -> bool:
    """True for a woodland that falls, surely or probably; False where a figure is NaN."""
    is_likely = trend.q <= trend.q_allowed or trend.decline_probability >= rule.watch_probability
    return is_likely and trend.slope < 0


def _step(tested: _Tested) -> Fall | None:
    """Return the fall if two levels describe the series clearly better than a line, else None."""
    fall = strongest_fall(tested.years, tested.values)
    is_better = fall.change < 0 and fall.step_variance <= STEP_VARIANCE_RATIO * fall.line_variance
    return fall if is_better and fall_p(tested.values) <= STEP_P else None


def _shared_step_years(family: Collection[_Tested]) -> frozenset[int]:
    if len(family) < SHARED_STEP_FAMILY:
        return frozenset()
    falls = [strongest_fall(tested.years, tested.values) for tested in family]
    clear = [
        fall.year
        for fall in falls
        if fall.explained >= SHARED_STEP_EXPLAINED and fall.step_variance < fall.line_variance
    ]
    return frozenset(year for year, count in Counter(clear).items() if count > SHARED_STEP_SHARE * len(falls))


def _alert(grounds: Grounds, site: Site, season: str, target: str) -> Alert:
    trend = grounds.trend
    level = Level.CONFIRMED if grounds.is_confirmed else Level.WATCH
    return Alert(
        id=alert_id(trend.woodland_id, target),
        woodland_id=trend.woodland_id,
        season=season,
        target=target,
        kind="decline" if grounds.step is None else "step",
        level=level,
        reason=sentence(grounds, target),
        slope=trend.slope,
        q=trend.q,
        decline_fraction=trend.decline_fraction,
        severity=severity(trend.decline_fraction, site.area_ha, site.is_ancient, site.status, level),
        confidence=grounds.confidence,
        course=grounds.course,
        held_by=held_by(grounds.held_by),
        cause=grounds.cause,
    )
