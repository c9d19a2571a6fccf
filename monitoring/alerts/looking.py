"""What a look does to the lives of alerts: who is raised, seen again, let go or taken back."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitoring.alerts.alert import Alert, Level
from monitoring.alerts.events import SERVICE, AlertEvent, EventKind
from monitoring.alerts.life import GOING_ON, AlertState
from monitoring.errors import AlertError
from monitoring.science import AlertRule
from monitoring.seasons import Season

#: How sure, from the least; a rise brings a dismissed alert back.
RANK = {Level.PROVISIONAL: 0, Level.WATCH: 1, Level.CONFIRMED: 2}
NAN = float("nan")


def is_look_back(season: str, judged: Iterable[str]) -> bool:
    """True for a season that later ones, among those judged, have spoken after: it says nothing of alerts.

    A final season looks back on later final ones alone, for it outranks what a provisional season says; a
    provisional one on any later season.
    """
    asked = Season.parse(season)
    later = (each for each in map(Season.parse, judged) if each > asked)
    return any(each.is_final or not asked.is_final for each in later)


@dataclass(frozen=True)
class _Look:
    """One assessment, as far as alerts live by it."""

    q_of: Mapping[str, float]
    tested: Collection[str]
    rule: AlertRule
    season: str
    run_id: str
    now: datetime

    @property
    def is_final(self) -> bool:
        return Season.parse(self.season).is_final


def events_of_look(
    states: Mapping[str, AlertState],
    alerts: Sequence[Alert],
    q_of: Mapping[str, float],
    tested: Collection[str],
    rule: AlertRule,
    season: str,
    run_id: str,
    now: datetime,
) -> tuple[AlertEvent, ...]:
    """Return what one look adds to the lives of alerts: at most one event each; nothing the second time.

    `states` are those of one target, by alert id; `alerts` what the look raised; `q_of` the adjusted p by
    woodland, `tested` the woodlands that were tested. An alert that is not raised again ends when q is above
    `rule.exit_q` at two yearly looks in a row (a look that did not test the woodland counts neither way); a
    PROVISIONAL one at the next look; and it is retracted where the season that raised it is assessed again
    and no longer does. A dismissed alert stays dismissed unless its level rises above that of its dismissal.
    A look at an earlier season than the last says nothing of alerts that are going on or have ended, nor does
    a provisional season of those that rest on a final one. AlertError for one alert given twice or an alert
    of another season.
    """
    _refuse_unfit(alerts, season)
    look = _Look(q_of, tested, rule, season, run_id, now)
    raised = {alert.id for alert in alerts}
    seen = (_seen(states.get(alert.id), alert, look) for alert in alerts)
    unseen = (_unseen(state, look) for name, state in states.items() if name not in raised)
    return tuple(event for event in (*seen, *unseen) if event is not None)


def _refuse_unfit(alerts: Sequence[Alert], season: str) -> None:
    names = set()
    for alert in alerts:
        if alert.season != season:
            raise AlertError(f"alert {alert.id}: raised at {alert.season}, in a look at {season}")
        if alert.id in names:
            raise AlertError(f"alert {alert.id}: twice in one look")
        names.add(alert.id)


def _seen(state: AlertState | None, alert: Alert, look: _Look) -> AlertEvent | None:
    """Return what becomes of an alert that the look raises."""
    if state is None:
        return _event(alert, 1, EventKind.RAISED, look)
    if look.season < state.last_look:
        return None
    number = state.n_events + 1
    if state.status not in GOING_ON:
        return _event(alert, number, EventKind.RAISED, look, f"raised again: it was {state.status} before")
    if not look.is_final and state.level is not Level.PROVISIONAL:
        return None
    if state.dismissed_level is not None and RANK[alert.level] > RANK[state.dismissed_level]:
        why = f"dismissed at {state.dismissed_level}, now {alert.level}"
        return _event(alert, number, EventKind.REOPENED, look, why)
    if alert.level is not state.level:
        return _event(alert, number, EventKind.LEVEL_CHANGED, look, f"{state.level} before")
    is_news = look.season > state.last_seen or bool(state.quiet_seasons)
    return _event(alert, number, EventKind.RENEWED, look) if is_news else None


def _event(alert: Alert, number: int, kind: EventKind, look: _Look, note: str = "") -> AlertEvent:
    return AlertEvent(
        alert_id=alert.id,
        number=number,
        woodland_id=alert.woodland_id,
        target=alert.target,
        kind=kind,
        happened_at=look.now,
        actor=SERVICE,
        season=look.season,
        level=alert.level,
        q=alert.q,
        note=note,
        run_id=look.run_id,
    )


def _unseen(state: AlertState, look: _Look) -> AlertEvent | None:
    """Return what becomes of an alert that the look does not raise."""
    if state.status not in GOING_ON or look.season < state.last_look:
        return None
    if look.season == state.first_raised:
        return _next(state, EventKind.RETRACTED, look, _why_retracted(state, look))
    if state.level is Level.PROVISIONAL:
        return _next(state, EventKind.EXPIRED, look, f"not seen again at {look.season}")
    if not look.is_final or state.woodland_id not in look.tested:
        return None
    return _held_to_exit(state, look)


def _held_to_exit(state: AlertState, look: _Look) -> AlertEvent | None:
    """Return what q at a yearly look does; NaN and a season that has counted already do nothing."""
    q, bound = look.q_of.get(state.woodland_id, NAN), look.rule.exit_q
    if q > bound and state.quiet_seasons and look.season not in state.quiet_seasons:
        seasons = " and ".join((*state.quiet_seasons, look.season))
        return _next(state, EventKind.EXPIRED, look, f"not raised, and q above {bound:g}, at {seasons}")
    if q > bound and not state.quiet_seasons:
        why = f"not raised, and q {q:.2g} is above {bound:g}: it ends at the next yearly look like this one"
        return _next(state, EventKind.QUIET, look, why)
    if q <= bound and state.quiet_seasons:
        return _next(state, EventKind.RENEWED, look, f"not raised, but q {q:.2g} is not above {bound:g}")
    return None


def _why_retracted(state: AlertState, look: _Look) -> str:
    before = f"q {state.q:.2g} before" if math.isfinite(state.q) else "no q before"
    q = look.q_of.get(state.woodland_id, NAN)
    now = f"{q:.2g} now" if math.isfinite(q) else "none now"
    tested = "" if state.woodland_id in look.tested else "; the woodland is no longer tested"
    return f"{look.season} was assessed again by run {look.run_id} on other inputs: {before}, {now}{tested}"


def _next(state: AlertState, kind: EventKind, look: _Look, note: str) -> AlertEvent:
    return AlertEvent(
        alert_id=state.alert_id,
        number=state.n_events + 1,
        woodland_id=state.woodland_id,
        target=state.target,
        kind=kind,
        happened_at=look.now,
        actor=SERVICE,
        season=look.season,
        level=state.level,
        q=look.q_of.get(state.woodland_id, NAN),
        note=note,
        run_id=look.run_id,
    )
