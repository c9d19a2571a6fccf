"""Alerts: the decision that a person should look, with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.alerts.alert import Alert, Level, alert_id
from monitoring.alerts.reasons import Evidence, sentence
from monitoring.errors import SeasonError, TrendError
from monitoring.science import AlertRule
from monitoring.seasons import Season
from monitoring.statistics.change_points import Fall, fall_p, strongest_fall
from monitoring.trends.controls import Control, series_to_test
from monitoring.trends.family import Trend
from monitoring.trends.histories import RichnessSeries, outside_words

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


def raise_alerts(
    trends: Sequence[Trend],
    series: Sequence[RichnessSeries],
    controls: Mapping[str, Control],
    rule: AlertRule,
    season: str,
    target: str,
) -> tuple[Alert, ...]:
    """Return the alerts of one final season, in the order of `trends`.

    CONFIRMED when q and the loss over the record pass the rule and the woodland's own slope falls; WATCH when
    p does but not q. An alert is held at WATCH where there is no control to tell a decline from bad years,
    and where it is a step that more than half of the tested woodlands share. No alert is raised where the
    latest estimate lies outside the area of applicability. Series and controls are those
    the trends were tested with. SeasonError for a provisional season; TrendError for a trend without series
    or with years after the season.
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
        if _is_worth_a_look(each.trend, rule) and not history[name].ends_outside
    ]
    steps = {name: _step(tested[name]) for name in looked_at}
    shared_years = _shared_step_years(tested.values()) if any(steps.values()) else frozenset()
    return tuple(
        _alert(
            Evidence(
                trend=tested[name].trend,
                control=controls.get(name),
                years=tested[name].years,
                values=tested[name].values,
                step=steps[name],
                shared_step_years=shared_years,
                passes_family=tested[name].trend.q <= rule.q_confirmed,
                left_out=outside_words(history[name]),
            ),
            season,
            target,
        )
        for name in looked_at
    )


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


def _is_worth_a_look(trend: Trend, rule: AlertRule) -> bool:
    """True for a fall large and unlikely enough; False where a figure is NaN."""
    is_unlikely = trend.p <= rule.p_watch or trend.q <= rule.q_confirmed
    return is_unlikely and trend.slope < 0 and trend.decline_fraction >= rule.min_decline_fraction


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


def _alert(evidence: Evidence, season: str, target: str) -> Alert:
    trend = evidence.trend
    return Alert(
        id=alert_id(trend.woodland_id, target),
        woodland_id=trend.woodland_id,
        season=season,
        target=target,
        kind="decline" if evidence.step is None else "step",
        level=Level.CONFIRMED if evidence.is_confirmed else Level.WATCH,
        reason=sentence(evidence, target),
        slope=trend.slope,
        q=trend.q,
        decline_fraction=trend.decline_fraction,
    )
