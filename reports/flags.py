"""The one word each woodland gets, and the shape, hatch, outline and colour that say it without colour."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from reports.content import ReportContent
from reports.woodland import NO_PARK, WoodlandLine


class Flag(StrEnum):
    """What the trend of a woodland says, in the order in which a reader should look."""

    CONFIRMED = "Confirmed decline"
    WATCH = "Watch"
    DOWNWARD = "Downward, not flagged"
    UNCLEAR = "No clear trend"
    UPWARD = "Upward"
    UNTESTED = "Not tested"


@dataclass(frozen=True)
class Look:
    """How a flag is drawn: never by colour alone."""

    colour: str
    marker: str
    size: float
    """Side of the marker, points."""
    hatch: str
    edge: str
    line: str
    """Style of the outline."""


#: Fills from the Okabe-Ito palette, told apart by every common kind of colour vision.
LOOKS = {
    Flag.CONFIRMED: Look("#d55e00", "v", 8.0, "xxxxx", "#5c2600", "-"),
    Flag.WATCH: Look("#f0b429", "D", 6.0, "////", "#5f4400", "-"),
    Flag.DOWNWARD: Look("#fbe7b2", "v", 4.6, "", "#5f4400", "-"),
    Flag.UNCLEAR: Look("#d4d8d6", "o", 3.8, "", "#59635e", "-"),
    Flag.UPWARD: Look("#56b4e9", "^", 4.8, ".....", "#0b4a73", "-"),
    Flag.UNTESTED: Look("#ffffff", "X", 4.6, "", "#59635e", ":"),
}


def flag_of(line: WoodlandLine) -> Flag:
    """Return the flag of a woodland: its alert level, else what the 95 % interval of its slope says."""
    if line.level:
        return Flag.CONFIRMED if line.level == "CONFIRMED" else Flag.WATCH
    if line.reason or not (math.isfinite(line.slope_low) and math.isfinite(line.slope_high)):
        return Flag.UNTESTED
    if line.slope_high < 0:
        return Flag.DOWNWARD
    return Flag.UPWARD if line.slope_low > 0 else Flag.UNCLEAR


def flagged(woodlands: Iterable[WoodlandLine]) -> tuple[WoodlandLine, ...]:
    """Return the woodlands under alert: confirmed before watch, the largest loss first."""
    alerted = [line for line in woodlands if line.level]
    return tuple(sorted(alerted, key=lambda line: (line.level != "CONFIRMED", -_loss(line), line.id)))


def _loss(line: WoodlandLine) -> float:
    return line.decline_fraction if math.isfinite(line.decline_fraction) else -math.inf


def numbers_of(content: ReportContent) -> dict[str, int]:
    """Return the number that names each alerted woodland on maps, in lists and on its page, by id."""
    return {line.id: place for place, line in enumerate(flagged(content.woodlands), start=1)}


def name_of(line: WoodlandLine) -> str:
    """Return the woodland's name; one without is called by its id."""
    return line.name.strip() or f"Unnamed woodland {line.id}"


def park_of(line: WoodlandLine) -> str:
    """Return the park a woodland is listed under."""
    return line.park or NO_PARK


def by_park(woodlands: Iterable[WoodlandLine]) -> dict[str, tuple[WoodlandLine, ...]]:
    """Return the woodlands of each park, parks in alphabetical order, those of no park last."""
    lines = tuple(woodlands)
    parks = sorted({park_of(line) for line in lines}, key=lambda park: (park == NO_PARK, park))
    return {park: tuple(line for line in lines if park_of(line) == park) for park in parks}
