"""Recording: an assessment and what it does to the lives of alerts, and the end of its run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from flows.assessing.find import Findings
from flows.ingest import checks_of
from flows.load import LEASE_WAIT_S, held_back, quality_rows
from flows.workspace import Workspace
from monitoring.alerts.alert import Alert
from monitoring.alerts.life import events_of_look
from warehouse.records.assessments import (
    AlertRow,
    Assessment,
    BalanceRow,
    ContrastRow,
    CorroborationRow,
    GateFindingRow,
    ParkTrendRow,
    TrendRow,
    WeatherYearRow,
)
from warehouse.writer import Writer, open_writer


def record(
    workspace: Workspace, assessment: Assessment, findings: Findings, now: datetime, *, is_look: bool
) -> int:
    """Record an assessment, what it adds to the lives of alerts, and its run's end; return rows added."""
    q_of = {trend.woodland_id: trend.q for trend in findings.trends if trend.q == trend.q}
    with open_writer(workspace.warehouse, now=now, wait_s=LEASE_WAIT_S) as writer:
        return (
            _record_verdict(writer, assessment, findings, now)
            + (writer.count_look(assessment, now=now) if is_look else 0)
            + writer.load_trends([TrendRow(assessment, each) for each in findings.trends], now=now)
            + writer.load_contrasts([ContrastRow(assessment, each) for each in findings.contrasts], now=now)
            + _record_grounds(writer, assessment, findings, now)
            + _record_alerts(writer, workspace, assessment, findings.alerts, q_of, now)
            + writer.finish_run(assessment.run_id, "finished", now=now)
        )


def record_provisional(
    workspace: Workspace,
    assessment: Assessment,
    alerts: Sequence[Alert],
    tested: Collection[str],
    now: datetime,
) -> int:
    """Record what a season that is not final shows, and the end of its run; return the rows added."""
    q_of = dict.fromkeys(tested, float("nan"))
    with open_writer(workspace.warehouse, now=now, wait_s=LEASE_WAIT_S) as writer:
        return _record_alerts(writer, workspace, assessment, alerts, q_of, now) + writer.finish_run(
            assessment.run_id, "finished", now=now
        )


def _record_verdict(writer: Writer, assessment: Assessment, findings: Findings, now: datetime) -> int:
    season, run_id, verdict = assessment.season, assessment.run_id, findings.verdict
    checks = quality_rows(checks_of(verdict), season, "all", run_id)
    refused = held_back(verdict, season, "woodland_id", run_id)
    return writer.load_quality(checks, now=now) + writer.quarantine(refused, now=now)


def _record_grounds(writer: Writer, assessment: Assessment, findings: Findings, now: datetime) -> int:
    """Record everything that an alert of this assessment may rest on beside its trend."""
    gates = [GateFindingRow.of_finding(assessment, each) for each in findings.gates]
    evidence = [CorroborationRow(assessment, each) for each in findings.evidence]
    weather = [row for each in findings.weather for row in WeatherYearRow.of_years(assessment, each)]
    return (
        writer.load_park_trends([ParkTrendRow(assessment, each) for each in findings.park_trends], now=now)
        + writer.load_balances([BalanceRow(assessment, each) for each in findings.balance], now=now)
        + writer.load_gate_findings(gates, now=now)
        + writer.load_corroborations(evidence, now=now)
        + writer.load_weather_years(weather, now=now)
    )


def _record_alerts(
    writer: Writer,
    workspace: Workspace,
    assessment: Assessment,
    alerts: Sequence[Alert],
    q_of: dict[str, float],
    now: datetime,
) -> int:
    """Record alerts together with the events of their lives; the lives are those in the warehouse now."""
    states = writer.reader.alert_lives(assessment.target)
    events = events_of_look(
        states, alerts, q_of, q_of.keys(), workspace.science.alert, assessment.season, assessment.run_id, now
    )
    return writer.record_look([AlertRow(assessment, alert) for alert in alerts], events, now=now)
