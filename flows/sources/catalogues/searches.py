"""Searches: what a catalogue is asked for, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from flows.sources.scenes.items import Box, Offer, Rejected
from monitoring.errors import CatalogueError
from monitoring.scenes import Scene, Sensor


@dataclass(frozen=True)
class Search:
    """A place, a time and sensors; CatalogueError for a box or moments that are none."""

    bbox: Box
    """West, south, east, north in degrees."""
    start: datetime
    end: datetime
    """Aware; `end` itself is left out."""
    sensors: tuple[Sensor, ...] = tuple(Sensor)
    changed_since: datetime | None = None
    """Items that were updated at this moment or later are enough."""

    def __post_init__(self) -> None:
        west, south, east, north = self.bbox
        if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
            raise CatalogueError(
                f"search box {self.bbox}: needs west < east within 180 and south < north within 90 degrees"
            )
        if self.start.tzinfo is None or self.end.tzinfo is None or self.start >= self.end:
            moments = f"search from {self.start} to {self.end}"
            raise CatalogueError(f"{moments}: needs two moments with a time zone, in order")

    def wants(self, scene: Scene) -> bool:
        """Return True for a scene of one of the sensors that touches the box within the time."""
        is_timely = self.start <= scene.acquired_at < self.end
        return scene.sensor in self.sensors and is_timely and _touch(scene.bbox, self.bbox)


def _touch(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@dataclass(frozen=True)
class Answer:
    """Offers and refusals for one search."""

    offers: tuple[Offer, ...]
    rejected: tuple[Rejected, ...]
    is_whole: bool
    """True where all that there is was told; False where only what changed since a moment was."""


class Items(Protocol):
    """Where offers come from: all of a static catalogue, a folder of products, or what an API answers."""

    def ask(self, search: Search) -> Answer:
        """Return what is offered, and maybe more than that: the caller asks `Search.wants` again."""
