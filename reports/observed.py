"""What went into a report and what was kept out: scenes, passes, gates, files that could not be read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ScenesOfYear:
    """Scenes used in one year, by sensor."""

    year: int
    s2: int
    s1_ascending: int
    s1_descending: int


@dataclass(frozen=True)
class ObservationsOfYear:
    """Clear observations per woodland pixel in one year, mean by sensor; NaN where not known."""

    year: int
    s2: float
    s1_ascending: float
    s1_descending: float


@dataclass(frozen=True)
class QuarantinedLine:
    """Something a quality gate kept out of the warehouse."""

    subject: str
    """What it is: a woodland, a scene, a season."""
    season: str
    gate: str
    reason: str


@dataclass(frozen=True)
class GateLine:
    """One quality gate and what came of it."""

    name: str
    passed: int
    failed: int
    note: str = ""


@dataclass(frozen=True)
class SeasonSeen:
    """What was observed in one season: shares of expected passes that are missing, 0-1, NaN where unknown."""

    season: str
    s2: float
    s1_ascending: float
    s1_descending: float
    n_blocks: int = 0
    """Blocks of neighbouring woodlands that were looked at."""
    n_under_floor: int = 0
    """Blocks with too few of the expected passes: their year is not final."""
    n_frozen: int = 0
    """Blocks that no late scene enters any more."""


@dataclass(frozen=True)
class UnderFloorLine:
    """One block-season with too few of the expected passes."""

    block: str
    season: str
    found: int
    expected: float
    missing_share: float
    """0-1; NaN where unknown."""
    reason: str


@dataclass(frozen=True)
class UnreadLine:
    """One asset that could not be read, at once or at all."""

    scene: str
    band: str
    season: str
    attempts: int
    error: str
    state: str
    """`waiting`, `recovered` or `given up`."""


@dataclass(frozen=True)
class Quality:
    """What went in and what was kept out."""

    scenes: tuple[ScenesOfYear, ...] = ()
    observations: tuple[ObservationsOfYear, ...] = ()
    quarantined: tuple[QuarantinedLine, ...] = ()
    gates: tuple[GateLine, ...] = ()
    seen: tuple[SeasonSeen, ...] = ()
    """By season; empty: nobody looked for missing passes."""
    under_floor: tuple[UnderFloorLine, ...] = ()
    unread: tuple[UnreadLine, ...] = ()
