"""Assess a season: from the warehouse's histories to findings, alerts and what becomes of them, recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flows.assessing.evidence import NOTHING
from flows.assessing.find import Findings, find
from flows.assessing.gathering import evidence_of, histories_of, sites_of
from flows.assessing.histories import Histories
from flows.assessing.names import judged_hash
from flows.assessing.recording import Recorded, record, record_provisional
from flows.estimating.judged import target_of
from flows.load import LEASE_WAIT_S
from flows.workspace import Workspace
from monitoring.alerts.alert import Alert
from monitoring.alerts.provisional import provisional_alerts
from monitoring.seasons import Season, latest_complete
from monitoring.trends.controls import controls_among
from warehouse.reader import read
from warehouse.records.assessments import Assessment
from warehouse.writer import open_writer


@dataclass(frozen=True)
class AssessReceipt:
    """What an assessment found: a postcard."""

    season: str
    n_trends: int
    n_rows_added: int
    n_alerts: int
    reasons: tuple[str, ...]
    """One sentence per alert."""
    n_red_gates: int = 0
    is_look_back: bool = False
    """True where a later season has been judged before: nothing was said of alerts."""

    def as_markdown(self) -> str:
        """Return the alerts as a list for the flow's artifact."""
        if self.is_look_back:
            tested = f"{self.season}: {self.n_trends} woodlands tested."
            return f"{tested} A later season has been judged before, so nothing is said of alerts."
        if not self.n_trends and not self.n_alerts:
            return f"{self.season}: no trend was tested."
        red = f" {self.n_red_gates} gates hold alerts back." if self.n_red_gates else ""
        lines = [f"{self.season}: {self.n_alerts} alerts over {self.n_trends} woodlands.{red}", ""]
        return "\n".join([*lines, *(f"- {reason}" for reason in self.reasons)])


def assess_season(workspace: Workspace, season: Season, run_id: str, now: datetime) -> AssessReceipt:
    """Test the histories up to a season and record the findings.

    A final season is judged by trends, another by what changed within a year. One of which no estimate was
    fit to be loaded fails. An assessment is a yearly look where its season is the newest final one at `now`:
    looks back at earlier years, which send nobody out, spend none of the error. Once a later season has been
    judged, one records what it finds and neither raises, closes nor changes an alert.
    """
    if not season.is_final:
        return _assess_provisional(workspace, season, run_id, now)
    target = workspace.science.estimation.target
    with read(workspace.warehouse) as reader:
        histories = histories_of(workspace, reader, season)
        has_estimates = any(season.year in one.estimated for one in histories.series)
        evidence = evidence_of(workspace, reader, season, histories.series) if has_estimates else NOTHING
        look = reader.look_number(target, season.id)
    if not has_estimates:
        return _record_end(workspace, season, run_id, now, "failed")
    findings = find(histories, workspace.science, season, target_of(workspace), evidence=evidence, looks=look)
    assessment = _assessment(workspace, season, judged_hash(histories, evidence, look), run_id)
    is_look = season == latest_final(now)
    return _receipt(season, findings, record(workspace, assessment, findings, now, is_look=is_look))


def latest_final(now: datetime) -> Season:
    """Return the newest final season whose window has ended."""
    newest = latest_complete(now)
    return newest if newest.is_final else Season(newest.year - 1, 4)


def _assess_provisional(workspace: Workspace, season: Season, run_id: str, now: datetime) -> AssessReceipt:
    target = workspace.science.estimation.target
    with read(workspace.warehouse) as reader:
        series = reader.anchor_series(target, season)
    sites = sites_of(workspace)
    known = [one for one in series if one.woodland_id in sites]
    alerts = provisional_alerts(
        known, controls_among(known, sites), sites, workspace.science.alert, season.id, target
    )
    assessment = _assessment(workspace, season, judged_hash(Histories(tuple(known), sites)), run_id)
    tested = {one.woodland_id for one in known if season.year in one.years}
    recorded = record_provisional(workspace, assessment, alerts, tested, now)
    reasons = _reasons(alerts, recorded)
    return AssessReceipt(
        season.id, 0, recorded.n_rows, len(reasons), reasons, is_look_back=recorded.is_look_back
    )


def _assessment(workspace: Workspace, season: Season, digest: str, run_id: str) -> Assessment:
    return Assessment(
        season=season.id,
        target=workspace.science.estimation.target,
        encoder=workspace.encoder_card.id,
        head=workspace.head.card.id,
        config_hash=workspace.science.digest,
        series_hash=digest,
        run_id=run_id,
    )


def _receipt(season: Season, findings: Findings, recorded: Recorded) -> AssessReceipt:
    reasons = _reasons(findings.alerts, recorded)
    return AssessReceipt(
        season=season.id,
        n_trends=len(findings.trends),
        n_rows_added=recorded.n_rows,
        n_alerts=len(reasons),
        reasons=reasons,
        n_red_gates=sum(finding.is_red for finding in findings.gates),
        is_look_back=recorded.is_look_back,
    )


def _reasons(alerts: Sequence[Alert], recorded: Recorded) -> tuple[str, ...]:
    """Return what was said of alerts: nothing on looking back."""
    return () if recorded.is_look_back else tuple(alert.reason for alert in alerts)


def _record_end(
    workspace: Workspace, season: Season, run_id: str, now: datetime, status: str
) -> AssessReceipt:
    with open_writer(workspace.warehouse, now=now, wait_s=LEASE_WAIT_S) as writer:
        added = writer.finish_run(run_id, status, now=now)
    return AssessReceipt(season.id, 0, added, 0, ())
