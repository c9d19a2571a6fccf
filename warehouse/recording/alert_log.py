"""The log of alert events as it is kept: it grows by what follows, and nothing in it changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from monitoring.alerts.events import AlertEvent
from monitoring.alerts.life import state_of
from monitoring.errors import WarehouseError
from warehouse.columns import flat

_Lives = dict[str, dict[int, AlertEvent]]


def events_to_add(recorded: Iterable[AlertEvent], given: Sequence[AlertEvent]) -> tuple[AlertEvent, ...]:
    """Return those of the given events that the recorded log lacks, by alert and number.

    WarehouseError where another event is recorded in the place of one; AlertError where one cannot follow.
    """
    lives = _lives(recorded)
    fresh: _Lives = defaultdict(dict)
    for event in given:
        known = lives[event.alert_id].get(event.number) or fresh[event.alert_id].get(event.number)
        if known is None:
            fresh[event.alert_id][event.number] = event
        elif flat(known) != flat(event):
            raise WarehouseError(_taken(known))
    return tuple(event for name in sorted(fresh) for event in _following(lives[name], fresh[name]))


def _following(recorded: dict[int, AlertEvent], fresh: dict[int, AlertEvent]) -> list[AlertEvent]:
    ordered = [fresh[number] for number in sorted(fresh)]
    if ordered:
        state_of([*recorded.values(), *ordered])
    return ordered


def _lives(events: Iterable[AlertEvent]) -> _Lives:
    lives: _Lives = defaultdict(dict)
    for event in events:
        lives[event.alert_id][event.number] = event
    return lives


def _taken(known: AlertEvent) -> str:
    return (
        f"alert {known.alert_id}: event {known.number} is recorded already: "
        f"{known.kind} by {known.actor} on {known.happened_at:%Y-%m-%d}"
    )
