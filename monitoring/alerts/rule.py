"""Alerts: the decision that a person should look, with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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
from monitoring.statistics.change_points import MIN_VALUES, Fall, fall_p, strongest_fall, strongest_falls
from monitoring.trends.controls import Control, control_values
from monitoring.trends.histories import RichnessSeries, on_common_years, outside_words
from monitoring.trends.sites import Site
from monitoring.trends.trend import Trend

Floats = NDArray[np.float64]

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
    family = _tested([trend for trend in trends if np.isfinite(trend.p)], history, controls)
    looked_at = [
        family.of(row)
        for row, trend in enumerate(family.trends)
        if is_candidate(trend, rule) and not history[trend.woodland_id].ends_outside
    ]
    steps = [own_step(each.years, each.values) for each in looked_at]
    shared_years = shared_step_years(family.years, family.values) if any(steps) else frozenset()
    places, courses, evidence = sites or {}, dict(beside.courses), dict(beside.evidence)
    red = [finding for finding in beside.gates if finding.is_red]
    alerts = []
    for tested, step in zip(looked_at, steps, strict=True):
        name = tested.trend.woodland_id
        site = places.get(name, Site(name))
        grounds = Grounds(
            trend=tested.trend,
            control=controls.get(name),
            years=tested.years,
            values=tested.values,
            step=step,
            shared_step_years=shared_years,
            is_large=tested.trend.decline_fraction >= rule.min_decline_fraction,
            course=courses.get(name, Course.UNKNOWN),
            evidence=evidence.get(name, ()),
            left_out=outside_words(history[name]),
        )
        alerts.append(_alert(_with_beside(grounds, site, red), site, season, target))
    return tuple(alerts)


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
    """One woodland, with what the test looked at: the years and values without gaps, (n,)."""

    trend: Trend
    years: NDArray[np.int64]
    values: Floats


@dataclass(frozen=True)
class _Family:
    """All woodlands that were tested, with what the test looked at: values (W, T), NaN in a gap."""

    trends: Sequence[Trend]
    years: NDArray[np.int64]
    values: Floats

    def of(self, row: int) -> _Tested:
        known = np.isfinite(self.values[row])
        return _Tested(self.trends[row], self.years[known], self.values[row, known])


def _tested(
    trends: Sequence[Trend], history: Mapping[str, RichnessSeries], controls: Mapping[str, Control]
) -> _Family:
    for trend in trends:
        if trend.woodland_id not in history:
            raise TrendError(f"woodland {trend.woodland_id}: a trend without its series")
    series = [history[trend.woodland_id] for trend in trends]
    years, own = on_common_years(series)
    return _Family(trends, years, own - control_values(series, controls, years))


def is_candidate(trend: Trend, rule: AlertRule) -> bool:
    """True for a woodland that falls, surely or probably; False where a figure is NaN."""
    is_likely = trend.q <= trend.q_allowed or trend.decline_probability >= rule.watch_probability
    return is_likely and trend.slope < 0


def own_step(years: NDArray[np.int64], values: Floats) -> Fall | None:
    """Return the fall that describes a series without gaps clearly better than a line does; None for none."""
    fall = strongest_fall(years, values)
    is_better = fall.change < 0 and fall.step_variance <= STEP_VARIANCE_RATIO * fall.line_variance
    return fall if is_better and fall_p(values) <= STEP_P else None


def shared_step_years(years: NDArray[np.int64], values: Floats) -> frozenset[int]:
    """Return the years in which more than half of the series (W, T) fall from one clear level to another.

    NaN is left out. Empty for fewer than six series: of three, two coincide easily.
    """
    if len(values) < SHARED_STEP_FAMILY:
        return frozenset()
    clear = [year for known, whole in _by_known_years(values) for year in _clear_falls(years[known], whole)]
    return frozenset(
        year for year, count in Counter(clear).items() if count > SHARED_STEP_SHARE * len(values)
    )


def _by_known_years(values: Floats) -> Iterator[tuple[NDArray[np.bool_], Floats]]:
    """Yield (known years, values in them) of the series that know the same years."""
    patterns, of = np.unique(np.isfinite(values), axis=0, return_inverse=True)
    for number, known in enumerate(patterns):
        yield known, values[of.ravel() == number][:, known]


def _clear_falls(years: NDArray[np.int64], values: Floats) -> list[int]:
    """Return the year of each clear fall among series without gaps."""
    if len(years) < MIN_VALUES:
        return []
    falls = strongest_falls(years, values)
    is_clear = (falls.explained >= SHARED_STEP_EXPLAINED) & (falls.step_variance < falls.line_variance)
    found: list[int] = falls.year[is_clear].tolist()
    return found


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
