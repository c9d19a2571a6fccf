"""What is recorded of runs, and of what they work with and hand out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


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
    generated_at: datetime | None = None
    """The moment the report speaks of, aware, UTC."""


@dataclass(frozen=True)
class ReportAlertRow:
    """An alert that a report told of, as it stood."""

    TABLE: ClassVar[str] = "report_alert"
    KEY: ClassVar[tuple[str, ...]] = ("sha256", "alert_id")

    sha256: str
    """Of the PDF."""
    alert_id: str
    level: str
    state: str


@dataclass(frozen=True)
class PromotionRow:
    """A model let speak for a target, with the difference that was seen beforehand."""

    TABLE: ClassVar[str] = "promotion"
    KEY: ClassVar[tuple[str, ...]] = ("target", "promoted_at", "encoder", "head")

    target: str
    promoted_at: datetime
    """Aware, UTC."""
    encoder_from: str
    """Empty for none, like `head_from`."""
    head_from: str
    encoder: str
    head: str
    figures: str
    """The difference over all woodlands, JSON object."""
    woodlands: str
    """The difference for each woodland, JSON list."""
