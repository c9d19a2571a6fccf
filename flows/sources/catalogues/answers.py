"""Answers: what a catalogue says when it is asked for scenes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from flows.sources.scenes.items import Box, Offer, Rejected
from monitoring.scenes import Sensor


@dataclass(frozen=True)
class Answer:
    """Offers and refusals for one question."""

    offers: tuple[Offer, ...]
    rejected: tuple[Rejected, ...]
    is_whole: bool
    """True where all that there is was told; False where only what changed since a moment was."""


class Items(Protocol):
    """Where offers come from: all of a static catalogue, a folder of products, or what an API answers."""

    def ask(
        self,
        bbox: Box,
        start: datetime,
        end: datetime,
        sensors: Sequence[Sensor],
        changed_since: datetime | None = None,
    ) -> Answer:
        """Return what is offered for a box and a time; the caller filters again.

        changed_since: items that were updated at this moment or later are enough.
        """
