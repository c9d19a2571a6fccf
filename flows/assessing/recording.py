"""Recording: an assessment and what it does to the lives of alerts, and the end of its run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flows.assessing.find import Findings
from flows.ingesting.ingest import checks_of
from flows.load import LEASE_WAIT_S, held_back, quality_rows
from flows.workspace import Workspace
from monitoring.alerts.alert import Alert
from monitoring.alerts.life import AlertState
from monitoring.alerts.looking import events_of_look, is_look_back
from warehouse.reader import Reader
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


@dataclass(frozen=True)
class Recorded:
    """What was recorded of an assessment."""

    n_rows: int
    is_look_back: bool
    """True where a later season has been judged before: nothing was said of alerts."""


def record(
    workspace: Workspace, assessment: Assessment, findings: Findings, now: datetime, *, is_look: bool
) -> Recorded:
    """Record an assessment, what it adds to the lives of alerts, and its run's end.

    Where a later season has been judged the findings are recorded and no alert is raised, closed or changed.
    """
    q_of = {trend.woodland_id: trend.q for trend in findings.trends if trend.q == trend.q}
    with (
        open_writer(workspace.warehouse, now=now, wait_s=LEASE_WAIT_S) as writer,
        writer.as_one(f"assessment of {assessment.season}"),
    ):
        n_rows = (
            _record_verdict(writer, assessment, findings, now)
            + (writer.count_look(assessment, now=now) if is_look else 0)
            + writer.load_trends([TrendRow(assessment, each) for each in findings.trends], now=now)
            + writer.load_contrasts([ContrastRow(assessment, each) for each in findings.contrasts], now=now)
            + _record_grounds(writer, assessment, findings, now)
        )
        return _finish(writer, workspace, assessment, findings.alerts, q_of, n_rows, now)


def record_provisional(
    workspace: Workspace,
    assessment: Assessment,
    alerts: Sequence[Alert],
    tested: Collection[str],
    now: datetime,
) -> Recorded:
    """Record what a season that is not final shows, and the end of its run; as `record` does."""
    q_of = dict.fromkeys(tested, float("nan"))
    with (
        open_writer(workspace.warehouse, now=now, wait_s=LEASE_WAIT_S) as writer,
        writer.as_one(f"alerts of {assessment.season}"),
    ):
        return _finish(writer, workspace, assessment, alerts, q_of, 0, now)


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


def _finish(
    writer: Writer,
    workspace: Workspace,
    assessment: Assessment,
    alerts: Sequence[Alert],
    q_of: Mapping[str, float],
    n_rows: int,
    now: datetime,
) -> Recorded:
    """Record alerts with the events of their lives, unless it looks back, and the end of the run.

    The lives, and the seasons judged, are those in the warehouse now, under its lease.
    """
    season, run_id = assessment.season, assessment.run_id
    states = writer.reader.alert_lives(assessment.target)
    looks_back = is_look_back(season, _judged_seasons(writer.reader, assessment.target, states))
    if not looks_back:
        rule = workspace.science.alert
        events = events_of_look(states, alerts, q_of, q_of.keys(), rule, season, run_id, now)
        n_rows += writer.record_look([AlertRow(assessment, alert) for alert in alerts], events, now=now)
    return Recorded(n_rows + writer.finish_run(run_id, "finished", now=now), looks_back)


def _judged_seasons(reader: Reader, target: str, states: Mapping[str, AlertState]) -> frozenset[str]:
    """Return the yearly looks, the season assessed last by the model in use, and the last looks at alerts."""
    recorded = (*reader.looks(target), *reader.park_trends(target))
    return frozenset(str(row["season"]) for row in recorded) | {state.last_look for state in states.values()}
