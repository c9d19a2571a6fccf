"""Recording: that a report was written, and which alerts it told of, for whoever asks of the PDF one day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from flows.provenance.asking import file_digest
from flows.workspace import Workspace
from monitoring.errors import LeaseHeldError, WarehouseError
from warehouse.reader import Reader
from warehouse.records import ReportAlertRow, ReportRow
from warehouse.writer import open_writer

#: How long a report waits for the writer, seconds: the PDF is written already.
PATIENCE_S = 5.0


@dataclass(frozen=True)
class Told:
    """A report that was written: its PDF, what it is of, and the alerts it tells of."""

    path: Path
    report: ReportRow
    alerts: tuple[ReportAlertRow, ...]


def told_by(reader: Reader, path: Path, season: str, park: str, target: str, generated_at: datetime) -> Told:
    """Return what a PDF tells of, from the snapshot it was written from."""
    sha256 = file_digest(path)
    (run_id, *_) = sorted({str(row["run_id"]) for row in reader.trends(target)})
    alerts = reader.alert_states(target, park=park or None)
    return Told(
        path=path,
        report=ReportRow(season, park, str(path.absolute()), sha256, run_id, generated_at),
        alerts=tuple(ReportAlertRow(sha256, row["id"], row["level"], row["state"]) for row in alerts),
    )


def record_report(workspace: Workspace, told: Told, now: datetime, wait_s: float = PATIENCE_S) -> str:
    """Record a report with its alerts; return why it could not be, or nothing where it is.

    Where there is only a snapshot there is nowhere to record it. The PDF is good either way.
    """
    if not workspace.warehouse.exists():
        return "not recorded: there is no warehouse here, only a snapshot"
    try:
        with (
            open_writer(workspace.warehouse, now=now, wait_s=wait_s) as writer,
            writer.as_one(f"report {told.report.sha256[:12]}"),
        ):
            writer.load_reports([told.report], now=now)
            writer.load_report_alerts(told.alerts, now=now)
    except LeaseHeldError as error:
        return f"not recorded: {error}; to record it, write it again later with {again(told)}"
    except WarehouseError as error:
        return f"not recorded: {error}"
    return ""


def again(told: Told) -> str:
    """Return the option that gives the same bytes again, as long as nothing newer is published."""
    return f"--at {told.report.generated_at:%Y-%m-%dT%H:%M:%S}"
