"""Alerts as values: what is said of one woodland at one season, and the words for it."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from enum import StrEnum

#: Names every alert id; never to change, or each open alert would be raised a second time.
ALERT_NAMESPACE = uuid.UUID("6f0c2a52-5d0e-5b7e-9a51-3a7c0f6f4d1b")


class Level(StrEnum):
    """How sure the service is."""

    CONFIRMED = "CONFIRMED"
    """Passed the test over the whole family, the minimum decline and every gate."""
    WATCH = "WATCH"
    """Likely declining, not confirmed: listed, not pushed."""
    PROVISIONAL = "PROVISIONAL"
    """An unusual fall within a year, seen in a season that is not final; never called a decline."""


class Severity(StrEnum):
    """How much is at stake: from the loss, the area and the standing of the woodland."""

    HIGH = "high"
    MODERATE = "moderate"
    LOW = "low"


class Confidence(StrEnum):
    """How far evidence other than richness bears an alert out."""

    CORROBORATED = "corroborated"
    ALONE = "richness alone"
    CONTRADICTED = "contradicted"


class Course(StrEnum):
    """Whether a decline outlasts the years of extreme weather."""

    SUSTAINED = "sustained"
    DIP = "extreme-year dip"
    UNCERTAIN = "uncertain"
    UNKNOWN = "no weather given"


@dataclass(frozen=True)
class Alert:
    """One woodland that a person should look at, as judged at one season."""

    id: str
    """uuid5 of woodland and target: one event, one id, however often and in whatever kind it is seen."""
    woodland_id: str
    season: str
    target: str
    kind: str
    """`decline`; `step` when one abrupt change explains the series better; `fall` of a provisional season."""
    level: Level
    reason: str
    """One sentence with the figures that led here, for a person."""
    slope: float
    """Theil-Sen slope of the own series, target's unit per year; of a fall, its change in a year."""
    q: float
    """Adjusted p over the family; NaN for a provisional fall."""
    decline_fraction: float
    """Fitted loss over the record as a share of its start; of a fall, over the year."""
    severity: Severity = Severity.MODERATE
    confidence: Confidence = Confidence.ALONE
    course: Course = Course.UNKNOWN
    held_by: str = ""
    """Gates that hold it below CONFIRMED, such as `G2, G4`; empty where none does."""
    cause: str = ""
    """A known cause of another kind, such as `felling in 2021`; empty where none is known."""


def alert_id(woodland_id: str, target: str) -> str:
    """Return the id of a woodland's event: the same in every season and for either kind.

    The kind is left out because a step, seen from a later year, may look like a decline and the other way
    round; it would be one event with two ids.
    """
    return str(uuid.uuid5(ALERT_NAMESPACE, json.dumps([woodland_id, target])))
