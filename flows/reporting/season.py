"""The report of a season: everything it says, gathered from one snapshot."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from flows.assessing.gathering import sites_of
from flows.reporting.alerts import alert_lines
from flows.reporting.assessed import artefact_lines, park_trend_lines
from flows.reporting.calibration import calibration_of
from flows.reporting.contrasts import contrast_lines
from flows.reporting.provenance import provenance_of
from flows.reporting.quality import quality_of
from flows.reporting.recording import Told, told_by
from flows.reporting.woodlands import with_weather, woodland_lines
from flows.reporting.words import target_words
from flows.sources.catalogues.provenance import SIMULATED
from flows.workspace import Workspace
from monitoring.alerts.alert import Level
from monitoring.errors import ReportError
from monitoring.seasons import Season
from reports.content import NotableYear, ReportContent
from reports.gather import summary_of
from reports.made_by import Provenance
from reports.report import write_report
from warehouse.reader import Reader, read


def write_season_report(
    workspace: Workspace, season_id: str, park: str, out: Path, generated_at: datetime
) -> Told:
    """Write the report of a final season, of one park or (park empty) of all, from the published snapshot."""
    season, target = Season.parse(season_id), workspace.science.estimation.target
    with read(workspace.published) as reader:
        path = write_report(report_content(reader, workspace, season, park, generated_at), out)
        return told_by(reader, path, season.id, park, target, generated_at)


def report_content(
    reader: Reader, workspace: Workspace, season: Season, park: str, generated_at: datetime
) -> ReportContent:
    """Return everything a report says, from one snapshot."""
    science = workspace.science
    target = science.estimation.target
    _refuse_unassessed(reader, season, target, park)
    sites = sites_of(workspace)
    lines = woodland_lines(reader, target, park, season, sites)
    lines = with_weather(lines, reader.weather_years(target), science.weather)
    alerts = alert_lines(reader, target, park)
    provenance = provenance_of(reader, target, park)
    words = target_words(reader, target)
    return ReportContent(
        title=f"{words.name[:1].upper()}{words.name[1:]} beneath woodland",
        park=park or "all parks",
        season=season.id,
        generated_at=generated_at,
        summary=summary_of(lines),
        woodlands=lines,
        contrasts=contrast_lines(reader, target, park, season, lines, sites, science),
        quality=quality_of(reader, season, park),
        provenance=provenance,
        target=words,
        science=science,
        is_simulated=_is_simulated(workspace, provenance),
        notable_years=_notable_years(workspace),
        calibration=calibration_of(reader, science.digest),
        provisional=tuple(a for a in alerts if a.is_standing and a.level == Level.PROVISIONAL),
        ended=tuple(alert for alert in alerts if not alert.is_standing),
        artefacts=artefact_lines(reader, target, park, sites, {line.id: line.name for line in lines}),
        park_trends=park_trend_lines(reader, target, park),
    )


def _is_simulated(workspace: Workspace, provenance: Provenance) -> bool:
    """True when the scenes or what the encoder was trained on are simulated."""
    return SIMULATED in (*provenance.catalogue_source.split(", "), *workspace.encoder_card.allowed_sources)


def _notable_years(workspace: Workspace) -> tuple[NotableYear, ...]:
    years = sorted(workspace.settings.notable_years.items())
    return tuple(NotableYear(int(year), label) for year, label in years)


def _refuse_unassessed(reader: Reader, season: Season, target: str, park: str) -> None:
    parks = {str(row["park"]) for row in reader.parks()}
    if park and park not in parks:
        raise ReportError(f"park {park!r}: not in the warehouse; known are {', '.join(sorted(parks - {''}))}")
    assessed = {str(row["season"]) for row in reader.trends(target)}
    if assessed != {season.id}:
        latest = ", ".join(sorted(assessed)) or "none"
        raise ReportError(f"report {season}: the latest assessed season is {latest}; run that season first")
