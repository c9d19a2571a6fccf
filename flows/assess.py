"""Assess: from the annual histories to trends, contrasts and alerts, through their gate."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime

import pandas as pd

from flows.ingest import checks_of
from flows.load import LEASE_WAIT_S, held_back, quality_rows, target_of
from flows.quality.gate import Verdict, check_trends
from flows.workspace import Workspace
from monitoring.alerts.alert import Alert
from monitoring.alerts.rule import raise_alerts
from monitoring.science import Science
from monitoring.seasons import Season
from monitoring.targets import Target
from monitoring.trends.contrasts import Contrast, contrast
from monitoring.trends.controls import controls_among
from monitoring.trends.family import RichnessSeries, Trend, test_family
from monitoring.woodlands import Woodland
from warehouse.reader import read
from warehouse.records import AlertRow, Assessment, ContrastRow, TrendRow
from warehouse.writer import open_writer

#: With fewer years there is no slope to show, and nothing to keep.
MIN_YEARS_SHOWN = 3


@dataclass(frozen=True)
class AssessReceipt:
    """What an assessment found: a postcard."""

    season: str
    n_trends: int
    n_rows_added: int
    n_alerts: int
    reasons: tuple[str, ...]
    """One sentence per alert."""

    def as_markdown(self) -> str:
        """Return the alerts as a list for the flow's artifact."""
        if not self.n_trends:
            return f"{self.season}: no trend was tested."
        lines = [f"{self.season}: {self.n_alerts} alerts over {self.n_trends} woodlands.", ""]
        return "\n".join([*lines, *(f"- {reason}" for reason in self.reasons)])


@dataclass(frozen=True)
class Findings:
    """What the histories up to a season show."""

    trends: tuple[Trend, ...]
    contrasts: tuple[Contrast, ...]
    alerts: tuple[Alert, ...]
    verdict: Verdict


def assess_season(workspace: Workspace, season: Season, run_id: str, now: datetime) -> AssessReceipt:
    """Test the histories up to a final season and record the findings.

    A provisional season is left untested, and so is one of which no estimate was fit to be loaded.
    """
    target = workspace.science.estimation.target
    if not season.is_final:
        return _record_end(workspace, season, run_id, now, "finished")
    with read(workspace.warehouse) as reader:
        series = reader.series(target, up_to=season)
    if not any(season.year in one.estimated for one in series):
        return _record_end(workspace, season, run_id, now, "failed")
    findings = find(series, workspace.woodlands, workspace.science, season, target_of(workspace))
    assessment = Assessment(
        season=season.id,
        target=target,
        encoder=workspace.encoder_card.id,
        head=workspace.head.card.id,
        config_hash=workspace.science.digest,
        series_hash=series_hash(series),
        run_id=run_id,
    )
    added = record(workspace, assessment, findings, now)
    reasons = tuple(alert.reason for alert in findings.alerts)
    return AssessReceipt(season.id, len(findings.trends), added, len(findings.alerts), reasons)


def _record_end(
    workspace: Workspace, season: Season, run_id: str, now: datetime, status: str
) -> AssessReceipt:
    with open_writer(workspace.warehouse, now=now, wait_s=LEASE_WAIT_S) as writer:
        added = writer.finish_run(run_id, status, now=now)
    return AssessReceipt(season.id, 0, added, 0, ())


def find(
    series: Sequence[RichnessSeries],
    woodlands: Sequence[Woodland],
    science: Science,
    season: Season,
    target: Target,
) -> Findings:
    """Return what the histories show: trends through their gate, contrasts per park, alerts."""
    by_id = {woodland.id: woodland for woodland in woodlands}
    known = [one for one in series if one.woodland_id in by_id]
    controls = controls_among(known, by_id)
    trends = [trend for trend in test_family(known, controls, science.trend) if trend.n >= MIN_YEARS_SHOWN]
    columns = [field.name for field in fields(Trend)]
    verdict = check_trends(pd.DataFrame([asdict(each) for each in trends], columns=columns), season, target)
    sound = frozenset(verdict.passed["woodland_id"]) if len(verdict.passed) else frozenset()
    kept = tuple(trend for trend in trends if trend.woodland_id in sound)
    alerts = raise_alerts(kept, known, controls, science.alert, season.id, target.name)
    return Findings(kept, _contrasts(known, by_id, science), alerts, verdict)


def _contrasts(
    series: Sequence[RichnessSeries], woodlands: Mapping[str, Woodland], science: Science
) -> tuple[Contrast, ...]:
    parks: dict[str, tuple[list[RichnessSeries], list[RichnessSeries]]] = defaultdict(lambda: ([], []))
    for one in series:
        woodland = woodlands[one.woodland_id]
        if len(one.years):
            parks[woodland.park][not woodland.is_ancient].append(one)
    return tuple(contrast(park, *parks[park], science.trend) for park in sorted(parks))


def series_hash(series: Sequence[RichnessSeries]) -> str:
    """Return twelve hex digits that name all histories judged together."""
    digest = hashlib.sha256()
    for one in sorted(series, key=lambda each: each.woodland_id):
        digest.update(one.woodland_id.encode())
        for values in (one.years.astype("<i8"), one.mean.astype("<f8"), one.sd.astype("<f8")):
            digest.update(values.tobytes())
        digest.update(one.outside.astype("<i8").tobytes())
    return digest.hexdigest()[:12]


def record(workspace: Workspace, assessment: Assessment, findings: Findings, now: datetime) -> int:
    """Record an assessment and close its run; return the number of rows added."""
    season, run_id = assessment.season, assessment.run_id
    checks = quality_rows(checks_of(findings.verdict), season, "all", run_id)
    with open_writer(workspace.warehouse, now=now, wait_s=LEASE_WAIT_S) as writer:
        return (
            writer.load_quality(checks, now=now)
            + writer.quarantine(held_back(findings.verdict, season, "woodland_id", run_id), now=now)
            + writer.load_trends([TrendRow(assessment, trend) for trend in findings.trends], now=now)
            + writer.load_contrasts([ContrastRow(assessment, each) for each in findings.contrasts], now=now)
            + writer.load_alerts([AlertRow(assessment, alert) for alert in findings.alerts], now=now)
            + writer.finish_run(run_id, "finished", now=now)
        )
