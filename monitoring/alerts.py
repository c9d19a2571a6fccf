"""Alerts: the decision that a person should look, with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How sure the service is."""

    CONFIRMED = "CONFIRMED"
    """Passed the test over the whole family and the minimum decline."""
    WATCH = "WATCH"
    """Likely declining, not confirmed: listed, not pushed."""


@dataclass(frozen=True)
class Alert:
    """One woodland that a person should look at, as judged at one season."""

    id: str
    """uuid5 of woodland, target and kind: one event, one id, however often it is seen again."""
    woodland_id: str
    season: str
    target: str
    kind: str
    """`decline`, or `step` when one abrupt change explains the series better."""
    level: Level
    reason: str
    """One sentence with the figures that led here, for a person."""
    slope: float
    q: float
    decline_fraction: float
