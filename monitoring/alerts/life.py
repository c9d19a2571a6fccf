"""The life of an alert: a log of events that only grows, and the state they fold to.

An alert is raised, seen again, acknowledged, assigned, dismissed and reported on from the field. It ends by
two yearly looks that speak against it, by not being renewed, or because reprocessing took its ground away.
Then it may be raised anew under the same id: its life starts over and its log goes on.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from monitoring.alerts.alert import Alert, Level
from monitoring.errors import AlertError
from monitoring.science import AlertRule
from monitoring.seasons import Season

#: Who acts where no person does.
SERVICE = "underwood"
#: How sure, from the least; a rise brings a dismissed alert back.
RANK = {Level.PROVISIONAL: 0, Level.WATCH: 1, Level.CONFIRMED: 2}
NAN = float("nan")


class EventKind(StrEnum):
    """What happened to an alert."""

    RAISED = "raised"
    LEVEL_CHANGED = "level changed"
    RENEWED = "renewed"
    """Seen again at a later season, or at the same one after a look that spoke against it."""
    QUIET = "quiet"
    """A yearly look that speaks against it: not raised, and q above the exit."""
    ACKNOWLEDGED = "acknowledged"
    ASSIGNED = "assigned"
    DISMISSED = "dismissed"
    FIELD_RESULT = "field result"
    REOPENED = "reopened"
    EXPIRED = "expired"
    RETRACTED = "retracted"


class Status(StrEnum):
    """Where an alert is in its life."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    ASSIGNED = "assigned"
    DISMISSED = "dismissed"
    EXPIRED = "expired"
    RETRACTED = "retracted"


class FieldResult(StrEnum):
    """What a person found in the woodland."""

    CONFIRMED = "confirmed"
    NOT_FOUND = "not found"
    OTHER_CAUSE = "other cause"


#: A person may be called out on these.
STANDING = frozenset({Status.OPEN, Status.ACKNOWLEDGED, Status.ASSIGNED})
#: The event goes on, whether or not anybody wants to hear of it.
GOING_ON = STANDING | {Status.DISMISSED}
#: In which states an event may happen; raised is also the first of all.
ALLOWED = {
    EventKind.RAISED: frozenset({Status.EXPIRED, Status.RETRACTED}),
    EventKind.LEVEL_CHANGED: GOING_ON,
    EventKind.RENEWED: GOING_ON,
    EventKind.QUIET: GOING_ON,
    EventKind.ACKNOWLEDGED: frozenset({Status.OPEN}),
    EventKind.ASSIGNED: STANDING,
    EventKind.DISMISSED: STANDING,
    EventKind.FIELD_RESULT: frozenset(Status),
    EventKind.REOPENED: frozenset({Status.DISMISSED, Status.EXPIRED}),
    EventKind.EXPIRED: GOING_ON,
    EventKind.RETRACTED: GOING_ON,
}
#: State that an event leads to; the others leave it as it is.
LEADS_TO = {
    EventKind.RAISED: Status.OPEN,
    EventKind.ACKNOWLEDGED: Status.ACKNOWLEDGED,
    EventKind.ASSIGNED: Status.ASSIGNED,
    EventKind.DISMISSED: Status.DISMISSED,
    EventKind.REOPENED: Status.OPEN,
    EventKind.EXPIRED: Status.EXPIRED,
    EventKind.RETRACTED: Status.RETRACTED,
}
#: Events that show the alert at their season.
SEEN = frozenset({EventKind.RAISED, EventKind.RENEWED, EventKind.LEVEL_CHANGED, EventKind.REOPENED})
#: Events without meaning unless somebody says why.
NEED_A_NOTE = frozenset({EventKind.DISMISSED, EventKind.REOPENED})


@dataclass(frozen=True)
class AlertEvent:
    """One thing that happened to an alert; AlertError for one that cannot be."""

    alert_id: str
    number: int
    """Position in the life of the alert, from 1."""
    woodland_id: str
    target: str
    kind: EventKind
    happened_at: datetime
    """Aware, UTC."""
    actor: str
    """`underwood`, or a person."""
    season: str
    """Season looked at; for what a person did, the season the alert was last seen at."""
    level: Level
    """From then on."""
    q: float = NAN
    """Adjusted p at that look; NaN where there is none."""
    assignee: str = ""
    result: FieldResult | None = None
    note: str = ""
    run_id: str = ""
    """Execution that looked; empty for a person."""

    def __post_init__(self) -> None:
        for trouble, is_so in (
            (f"number {self.number}: must be at least 1", self.number < 1),
            (f"time {self.happened_at}: must be in UTC", self.happened_at.utcoffset() != timedelta(0)),
            ("nobody did it: a name is needed (--by)", not self.actor.strip()),
            ("assigned to nobody: a name is needed", self._lacks(EventKind.ASSIGNED, self.assignee.strip())),
            ("no field result given", self._lacks(EventKind.FIELD_RESULT, self.result)),
            ("nobody is assigned by it", bool(self.assignee) and self.kind is not EventKind.ASSIGNED),
            ("it is no field result", bool(self.result) and self.kind is not EventKind.FIELD_RESULT),
            ("a reason is needed", self.kind in NEED_A_NOTE and not self.note.strip()),
            ("a name or note that cannot be printed on one line", not self._words.isprintable()),
        ):
            if is_so:
                raise AlertError(f"alert {self.alert_id}: {self.kind}: {trouble}")

    @property
    def _words(self) -> str:
        return f"{self.actor}{self.assignee}{self.note}"

    def _lacks(self, kind: EventKind, value: object) -> bool:
        return self.kind is kind and not value


@dataclass(frozen=True)
class AlertState:
    """Where the events of one alert led."""

    alert_id: str
    woodland_id: str
    target: str
    status: Status
    level: Level
    first_raised: str
    """Season at which it was raised, the last time it was raised anew."""
    raised_at: datetime
    last_seen: str
    """Season at which it was last seen."""
    last_look: str
    """Season of the last look that added an event: an earlier season no longer counts."""
    n_events: int
    q: float = NAN
    """At the last look that gave one."""
    assignee: str = ""
    field_result: FieldResult | None = None
    quiet_seasons: tuple[str, ...] = ()
    """Yearly looks in a row that spoke against it."""
    dismissed_level: Level | None = None
    """Level at which it was dismissed; None unless it is."""

    @property
    def is_standing(self) -> bool:
        """True while a person may be called out on it."""
        return self.status in STANDING


def state_of(events: Iterable[AlertEvent]) -> AlertState:
    """Return where the events of one alert lead, in the order of their numbers.

    AlertError for no events, a gap in the numbers, or an event that cannot happen where those before it led.
    """
    state = None
    for event in events:
        state = after(state, event)
    if state is None:
        raise AlertError("an alert without events has no state")
    return state


def states_of(events: Iterable[AlertEvent]) -> dict[str, AlertState]:
    """Return the state of each alert by its id; the events of each in the order of their numbers."""
    lives: defaultdict[str, list[AlertEvent]] = defaultdict(list)
    for event in events:
        lives[event.alert_id].append(event)
    return {alert_id: state_of(life) for alert_id, life in lives.items()}


def after(state: AlertState | None, event: AlertEvent) -> AlertState:
    """Return the state after an event; AlertError where it cannot happen."""
    _refuse_impossible(state, event)
    if state is None or event.kind is EventKind.RAISED:
        return _raised(event)
    is_look = bool(event.run_id)
    is_seen = event.kind in SEEN
    return replace(
        state,
        status=LEADS_TO.get(event.kind, state.status),
        level=event.level,
        last_seen=max(state.last_seen, event.season) if is_seen else state.last_seen,
        last_look=max(state.last_look, event.season) if is_look else state.last_look,
        n_events=event.number,
        q=event.q if math.isfinite(event.q) else state.q,
        assignee=event.assignee or state.assignee,
        field_result=event.result or state.field_result,
        quiet_seasons=_quiet_seasons(state, event),
        dismissed_level=_dismissed_level(state, event),
    )


def _refuse_impossible(state: AlertState | None, event: AlertEvent) -> None:
    name = f"alert {event.alert_id}"
    expected = 1 if state is None else state.n_events + 1
    if event.number != expected:
        raise AlertError(f"{name}: event {event.number} where {expected} comes next")
    if state is None:
        if event.kind is not EventKind.RAISED:
            raise AlertError(f"{name}: {event.kind} before it was raised")
        return
    if event.alert_id != state.alert_id:
        raise AlertError(f"{name}: an event in the life of alert {state.alert_id}")
    if state.status not in ALLOWED[event.kind]:
        raise AlertError(f"{name}: cannot be {WORDS.get(event.kind, event.kind)}, it is {state.status}")
    if event.run_id and event.season < state.last_look:
        raise AlertError(f"{name}: a look at {event.season} after one at {state.last_look}")


#: Where the kind of an event does not follow "cannot be".
WORDS = {EventKind.LEVEL_CHANGED: "given another level", EventKind.FIELD_RESULT: "given a field result"}


def _raised(event: AlertEvent) -> AlertState:
    return AlertState(
        alert_id=event.alert_id,
        woodland_id=event.woodland_id,
        target=event.target,
        status=Status.OPEN,
        level=event.level,
        first_raised=event.season,
        raised_at=event.happened_at,
        last_seen=event.season,
        last_look=event.season,
        n_events=event.number,
        q=event.q,
    )


def _quiet_seasons(state: AlertState, event: AlertEvent) -> tuple[str, ...]:
    if event.kind is EventKind.QUIET:
        return (*state.quiet_seasons, event.season)
    return () if event.kind in SEEN else state.quiet_seasons


def _dismissed_level(state: AlertState, event: AlertEvent) -> Level | None:
    if event.kind is EventKind.DISMISSED:
        return event.level
    return None if event.kind in LEADS_TO else state.dismissed_level


def act(
    state: AlertState,
    kind: EventKind,
    actor: str,
    now: datetime,
    *,
    assignee: str = "",
    result: FieldResult | None = None,
    note: str = "",
) -> AlertEvent:
    """Return what a person did to an alert; AlertError where it cannot be done in its state."""
    event = AlertEvent(
        alert_id=state.alert_id,
        number=state.n_events + 1,
        woodland_id=state.woodland_id,
        target=state.target,
        kind=kind,
        happened_at=now,
        actor=actor,
        season=state.last_seen,
        level=state.level,
        assignee=assignee,
        result=result,
        note=note,
    )
    after(state, event)
    return event


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
