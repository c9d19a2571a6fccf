"""The command that assesses a table of histories, without a warehouse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.tables import FileFormat
from monitoring.alerts.alert import Level
from monitoring.wording import counted

if TYPE_CHECKING:
    from flows.assessing.find import Findings
    from flows.own_table.histories import HistoriesReading
    from monitoring.seasons import Season


def add_commands(app: typer.Typer) -> None:
    """Add this room's command to the command line."""
    app.command()(assess)


def assess(
    histories: Annotated[Path, typer.Option(help="CSV or Parquet table: woodland, year or season, mean ...")],
    out: Annotated[Path, typer.Option(help="Folder for trends, contrasts, alerts, parks and gates.")],
    season: Annotated[
        str, typer.Option(help="Final season to assess, such as 2025-Q4, or `latest` in the table.")
    ] = "latest",
    science: Annotated[Path | None, typer.Option(help="Science file; without one the built-in.")] = None,
    form: Annotated[FileFormat, typer.Option("--format")] = FileFormat.CSV,
    looks: Annotated[int, typer.Option(min=1, help="Which yearly look at these woodlands this is.")] = 1,
) -> None:
    """Test a table of annual histories and write what it shows, without a warehouse or settings."""
    from flows.assessing.find import find
    from flows.own_table.assessed import write_assessed
    from flows.own_table.histories import read_histories
    from flows.targets import read_target
    from flows.workspace import BUILT_IN_SCIENCE
    from monitoring.errors import QualityError
    from monitoring.science import read_science

    choices = read_science(science or BUILT_IN_SCIENCE)
    asked = season_asked(season)
    reading = read_histories(histories, choices, asked)
    judged = asked or reading.latest_season
    reading.refuse_without(judged)
    target = read_target(choices.estimation.target)
    findings = find(reading.histories, choices, judged, target, looks=looks)
    if findings.verdict.fatal:
        raise QualityError(f"histories {histories}: {findings.verdict.fatal}")
    written = write_assessed(findings, reading.histories, out, form)
    for line in summary(judged, reading, findings):
        typer.echo(line)
    typer.echo(f"written to {out}: {', '.join(path.name for path in written)}")


def season_asked(text: str) -> Season | None:
    """Return the season asked for, None for `latest`; SeasonError for one that is not final."""
    from monitoring.errors import SeasonError
    from monitoring.seasons import Season

    if text == "latest":
        return None
    season = Season.parse(text)
    if not season.is_final:
        raise SeasonError(f"season {season.id}: only final seasons (Q4) are assessed")
    return season


def summary(season: Season, reading: HistoriesReading, findings: Findings) -> list[str]:
    """Return what was found and what was left out, one line each."""
    levels = [alert.level for alert in findings.alerts]
    kinds = ", ".join(f"{levels.count(level)} {level}" for level in Level if level in levels)
    tested = sum(trend.p == trend.p for trend in findings.trends)
    woodlands = counted(len(reading.histories.series), "woodland")
    alerts = counted(len(levels), "alert") + (f" ({kinds})" if kinds else "")
    gates = [f"{gate.gate} {gate.name}: {gate.reason}" for gate in findings.gates if gate.state == "red"]
    return [f"{season.id}: {alerts}; {woodlands}, {tested} tested", *gates, *reading.remarks]
