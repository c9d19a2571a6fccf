"""The life of an alert: a log of events that only grows, and the state they fold to.

An alert is raised, seen again, acknowledged, assigned, dismissed and reported on from the field. It ends by
two yearly looks that speak against it, by not being renewed, or because reprocessing took its ground away.
Then it may be raised anew under the same id: its life starts over and its log goes on.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from monitoring.alerts.alert import Level
from monitoring.alerts.events import AlertEvent, EventKind, FieldResult
from monitoring.errors import AlertError

NAN = float("nan")


class Status(StrEnum):
    """Where an alert is in its life."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    ASSIGNED = "assigned"
    DISMISSED = "dismissed"
    EXPIRED = "expired"
    RETRACTED = "retracted"


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
#: Where the kind of an event does not follow "cannot be".
WORDS = {EventKind.LEVEL_CHANGED: "given another level", EventKind.FIELD_RESULT: "given a field result"}


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
