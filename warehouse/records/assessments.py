"""What is recorded of assessments: trends, contrasts, gates, evidence, alerts and their lives."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:  # the science is slow to import, and here it only names types
    from monitoring.alerts.alert import Alert
    from monitoring.alerts.events import AlertEvent
    from monitoring.corroboration.evidence import Corroboration
    from monitoring.gates.finding import GateFinding
    from monitoring.trends.contrast import Contrast
    from monitoring.trends.matching import BalanceRow as Balance
    from monitoring.trends.parks import ParkTrend
    from monitoring.trends.trend import Trend
    from monitoring.weather.years import WeatherYears


@dataclass(frozen=True)
class Assessment:
    """One judgement of all woodlands together: what trends, contrasts and alerts of one assessment share."""

    season: str
    """Last season of the series."""
    target: str
    encoder: str
    head: str
    config_hash: str
    series_hash: str
    """Digest of all series judged, controls included: q depends on every one of them."""
    run_id: str


_ASSESSED = ("season", "target", "encoder", "head", "config_hash", "series_hash")


@dataclass(frozen=True)
class TrendRow:
    """A woodland's trend in one assessment."""

    TABLE: ClassVar[str] = "trend"
    KEY: ClassVar[tuple[str, ...]] = ("woodland_id", *_ASSESSED)

    assessment: Assessment
    trend: Trend


@dataclass(frozen=True)
class ContrastRow:
    """A park's contrast in one assessment."""

    TABLE: ClassVar[str] = "contrast"
    KEY: ClassVar[tuple[str, ...]] = ("park", *_ASSESSED)

    assessment: Assessment
    contrast: Contrast


@dataclass(frozen=True)
class AlertRow:
    """An alert of one assessment; unless it is PROVISIONAL its trend must be recorded in the same one."""

    TABLE: ClassVar[str] = "alert"
    KEY: ClassVar[tuple[str, ...]] = ("id", *_ASSESSED)

    assessment: Assessment
    alert: Alert

    def __post_init__(self) -> None:
        judged, said = (
            (self.assessment.season, self.assessment.target),
            (self.alert.season, self.alert.target),
        )
        if judged != said:
            raise ValueError(f"alert {self.alert.id}: of {said}, assessed at {judged}")


@dataclass(frozen=True)
class AlertEventRow:
    """One event in the life of an alert, which must be recorded before or with it."""

    TABLE: ClassVar[str] = "alert_event"
    KEY: ClassVar[tuple[str, ...]] = ("alert_id", "number")

    event: AlertEvent


@dataclass(frozen=True)
class ParkTrendRow:
    """The trend of one class of woodland in a park, or of all woodland, in one assessment."""

    TABLE: ClassVar[str] = "park_trend"
    KEY: ClassVar[tuple[str, ...]] = ("scope", "park", "woodland_class", "weighting", *_ASSESSED)

    assessment: Assessment
    trend: ParkTrend


@dataclass(frozen=True)
class BalanceRow:
    """How alike ancient and matched other woodland are in one property, in one assessment."""

    TABLE: ClassVar[str] = "balance"
    KEY: ClassVar[tuple[str, ...]] = ("park", "property", *_ASSESSED)

    assessment: Assessment
    balance: Balance


@dataclass(frozen=True)
class GateFindingRow:
    """What a gate found in one assessment; `figures` is a JSON object."""

    TABLE: ClassVar[str] = "gate_finding"
    KEY: ClassVar[tuple[str, ...]] = ("gate", "name", "scope", "of", *_ASSESSED)

    assessment: Assessment
    gate: str
    name: str
    scope: str
    of: str
    state: str
    reason: str
    figures: str

    @classmethod
    def of_finding(cls, assessment: Assessment, finding: GateFinding) -> GateFindingRow:
        """Return the row of a finding."""
        return cls(
            assessment,
            finding.gate,
            finding.name,
            finding.scope.value,
            finding.of,
            finding.state.value,
            finding.reason,
            figures_json(finding.figures),
        )


@dataclass(frozen=True)
class CorroborationRow:
    """Evidence other than richness on one woodland, in one assessment."""

    TABLE: ClassVar[str] = "corroboration"
    KEY: ClassVar[tuple[str, ...]] = ("woodland_id", "kind", "year", "source", *_ASSESSED)

    assessment: Assessment
    corroboration: Corroboration


@dataclass(frozen=True)
class WeatherYearRow:
    """Days of heat and drought of one woodland in one year, in one assessment."""

    TABLE: ClassVar[str] = "weather_year"
    KEY: ClassVar[tuple[str, ...]] = ("woodland_id", "year", *_ASSESSED)

    assessment: Assessment
    woodland_id: str
    year: int
    hot_days: int
    dry_days: int
    compound_days: int
    place: str

    @classmethod
    def of_years(cls, assessment: Assessment, weather: WeatherYears) -> tuple[WeatherYearRow, ...]:
        """Return the rows of a woodland's years."""
        counts = (weather.years, weather.hot_days, weather.dry_days, weather.compound_days)
        return tuple(
            cls(assessment, weather.woodland_id, year, hot, dry, compound, weather.place)
            for year, hot, dry, compound in zip(*(each.tolist() for each in counts), strict=True)
        )


@dataclass(frozen=True)
class CalibrationRow:
    """Simulated error rates of the alert rule; `figures` is a JSON object."""

    TABLE: ClassVar[str] = "calibration"
    KEY: ClassVar[tuple[str, ...]] = ("calibrated_at", "config_hash")

    calibrated_at: datetime
    """Aware, UTC."""
    config_hash: str
    figures: str


def figures_json(figures: Mapping[str, float]) -> str:
    """Return figures by name as a JSON object; one that is not finite is null."""
    known = {name: value if math.isfinite(value) else None for name, value in figures.items()}
    return json.dumps(known, sort_keys=True)
