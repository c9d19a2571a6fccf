"""What is recorded of runs, and of what they work with and hand out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:  # the science is slow to import, and here it only names types
    from monitoring.woodlands import Status


@dataclass(frozen=True)
class RunRow:
    """One execution, as it starts."""

    TABLE: ClassVar[str] = "run"
    KEY: ClassVar[tuple[str, ...]] = ("run_id",)

    run_id: str
    season: str
    config_hash: str
    science: str
    """Every scientific choice, JSON."""
    code_version: str
    started_at: datetime
    """Aware, UTC."""
    finished_at: datetime | None = None
    status: str = "running"
    """`running`, `finished` or `failed`."""


@dataclass(frozen=True)
class ModelRow:
    """The card of an encoder or head."""

    TABLE: ClassVar[str] = "model_card"
    KEY: ClassVar[tuple[str, ...]] = ("id",)

    kind: str
    """`encoder` or `head`."""
    id: str
    card: str
    """The whole card, JSON."""
    sha256: str
    """Of the weights, hexadecimal."""


@dataclass(frozen=True)
class WoodlandRow:
    """One woodland as recorded."""

    TABLE: ClassVar[str] = "woodland"
    KEY: ClassVar[tuple[str, ...]] = ("id",)

    id: str
    name: str
    park: str
    status: Status
    is_ancient: bool
    area_ha: float
    geometry: bytes
    """WKB, longitude and latitude in degrees."""
    longitude: float
    """Of a point inside the woodland, degrees."""
    latitude: float
    repaired: str


@dataclass(frozen=True)
class QualityRow:
    """One expectation of a quality gate, met or not."""

    TABLE: ClassVar[str] = "quality_check"
    KEY: ClassVar[tuple[str, ...]] = (
        "gate", "season", "scope", "expectation", "column_name", "success", "unexpected_count", "observed",
    )  # fmt: skip

    gate: str
    """`scenes`, `estimates` or `trends`."""
    season: str
    scope: str
    """Block id, or `all`."""
    expectation: str
    column_name: str
    """Column looked at; empty for a whole table."""
    success: bool
    unexpected_count: int
    observed: str
    """What was seen, JSON."""
    run_id: str


@dataclass(frozen=True)
class QuarantineRow:
    """Something a quality gate refused."""

    TABLE: ClassVar[str] = "quarantine"
    KEY: ClassVar[tuple[str, ...]] = ("gate", "season", "key", "reasons", "row_json")

    gate: str
    season: str
    key: str
    """Names the refused thing: a scene id, a woodland id."""
    reasons: str
    row_json: str
    """The refused row, JSON."""
    run_id: str


@dataclass(frozen=True)
class ReportRow:
    """A report that was written."""

    TABLE: ClassVar[str] = "report"
    KEY: ClassVar[tuple[str, ...]] = ("season", "park", "path", "sha256")

    season: str
    park: str
    """Empty for all parks."""
    path: str
    sha256: str
    run_id: str
