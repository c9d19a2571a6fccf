"""Events of alerts: what the service or a person did to one, and who, when and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from monitoring.alerts.alert import Level
from monitoring.errors import AlertError

#: Who acts where no person does.
SERVICE = "underwood"
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


class FieldResult(StrEnum):
    """What a person found in the woodland."""

    CONFIRMED = "confirmed"
    NOT_FOUND = "not found"
    OTHER_CAUSE = "other cause"


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
