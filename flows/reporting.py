"""Reporting: from the published snapshot to the content of a PDF."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import Any

from flows.assessing.gathering import sites_of
from flows.sources.catalogues.provenance import SIMULATED
from flows.standing import quarantine_rows
from flows.workspace import Workspace
from monitoring.errors import ReportError
from monitoring.scenes import Sensor
from monitoring.seasons import Season
from monitoring.trends.controls import Control, controls_among
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.sites import Site
from monitoring.wording import counted
from reports.content import (
    ContrastLine,
    EncoderLine,
    GateLine,
    HeadLine,
    IndexYear,
    NotableYear,
    ObservationsOfYear,
    Provenance,
    Quality,
    QuarantinedLine,
    ReportContent,
    ScenesOfYear,
    SeasonSeen,
    Target,
    UnderFloorLine,
    UnreadLine,
    WoodlandLine,
    YearValue,
)
from reports.gather import group_years, summary_of
from reports.report import write_report
from warehouse.reader import Reader, Record, read

#: The target whose words the report knows; any other goes by its own name and unit.
RICHNESS = "richness"


def write_season_report(
    workspace: Workspace, season_id: str, park: str, out: Path, generated_at: datetime
) -> Path:
    """Write the report of a final season, of one park or (park empty) of all, from the published snapshot."""
    season = Season.parse(season_id)
    with read(workspace.published) as reader:
        return write_report(report_content(reader, workspace, season, park, generated_at), out)


def report_content(
    reader: Reader, workspace: Workspace, season: Season, park: str, generated_at: datetime
) -> ReportContent:
    """Return everything a report says, from one snapshot."""
    target = workspace.science.estimation.target
    _refuse_unassessed(reader, season, target, park)
    lines = woodland_lines(reader, target, park, season, sites_of(workspace))
    quality = quality_of(reader, season, park)
    provenance = provenance_of(reader, target, park)
    words = target_words(reader, target)
    return ReportContent(
        title=f"{words.name[:1].upper()}{words.name[1:]} beneath woodland",
        park=park or "all parks",
        season=season.id,
        generated_at=generated_at,
        summary=summary_of(lines),
        woodlands=lines,
        contrasts=contrast_lines(reader, target, park, lines),
        quality=quality,
        provenance=provenance,
        target=words,
        science=workspace.science,
        is_simulated=SIMULATED
        in (*provenance.catalogue_source.split(", "), *workspace.encoder_card.allowed_sources),
        notable_years=tuple(
            NotableYear(int(year), label) for year, label in sorted(workspace.settings.notable_years.items())
        ),
    )


def target_words(reader: Reader, target: str) -> Target:
    """Return what a target is called: one other than richness by its name, in the unit its head states."""
    if target == RICHNESS:
        return Target()
    name, unit = target.replace("_", " "), _unit(_head_card(reader, target))
    return Target(
        name=name,
        unit=unit,
        slope_unit=f"{unit} per year",
        short_name=name,
        short_unit=unit,
        meaning=f"Expected {name} in one standard sample, {unit}",
    )


def _unit(card: Mapping[str, Any]) -> str:
    """Return the unit on a head's card; cards of earlier versions name their target only."""
    stated = card["target"]
    return str(stated["unit"]) if isinstance(stated, dict) else "unit not stated"


def _head_card(reader: Reader, target: str) -> Mapping[str, Any]:
    """Return the card of the head that speaks for a target; ReportError where none does."""
    model = _current_model(reader, target)
    card: Mapping[str, Any] = next(
        json.loads(row["card"]) for row in reader.models() if row["id"] == model["head"]
    )
    return card


def _current_model(reader: Reader, target: str) -> Record:
    model = next((row for row in reader.current_models() if row["target"] == target), None)
    if model is None:
        raise ReportError(f"target {target!r}: the warehouse holds no estimate of it")
    return model


def _refuse_unassessed(reader: Reader, season: Season, target: str, park: str) -> None:
    parks = {str(row["park"]) for row in reader.parks()}
    if park and park not in parks:
        raise ReportError(f"park {park!r}: not in the warehouse; known are {', '.join(sorted(parks - {''}))}")
    assessed = {str(row["season"]) for row in reader.trends(target)}
    if assessed != {season.id}:
        latest = ", ".join(sorted(assessed)) or "none"
        raise ReportError(f"report {season}: the latest assessed season is {latest}; run that season first")


def woodland_lines(
    reader: Reader, target: str, park: str, season: Season, sites: Mapping[str, Site]
) -> tuple[WoodlandLine, ...]:
    """Return every woodland with its history up to a season, its trend and its alert."""
    histories: dict[str, list[Record]] = defaultdict(list)
    for row in reader.history(target=target, park=park or None):
        if row["is_final"] and Season.parse(row["season"]) <= season:
            histories[row["woodland_id"]].append(row)
    trends = {row["woodland_id"]: row for row in reader.trends(target)}
    alerts = {row["woodland_id"]: row for row in reader.alerts(target)}
    controls = _controls(reader, sites, target, season)
    indices = _indices(reader, park, season)
    return tuple(
        _line(
            row,
            histories[row["id"]],
            trends.get(row["id"]),
            alerts.get(row["id"]),
            controls.get(row["id"], ()),
            indices.get(row["id"], ()),
        )
        for row in reader.woodlands(park or None).to_dict("records")
    )


def _controls(
    reader: Reader, sites: Mapping[str, Site], target: str, season: Season
) -> dict[str, tuple[tuple[int, float], ...]]:
    """Return what each woodland's trend was held against, lifted to the woodland's own level."""
    series = [one for one in reader.series(target, up_to=season) if one.woodland_id in sites]
    controls = controls_among(series, sites)
    return {one.woodland_id: _lifted(one, controls[one.woodland_id]) for one in series}


def _indices(reader: Reader, park: str, season: Season) -> dict[str, tuple[IndexYear, ...]]:
    """Return each woodland's growing seasons as the independent check shows them, in year order."""
    years: dict[str, dict[int, dict[str, Record]]] = defaultdict(lambda: defaultdict(dict))
    for row in reader.index_history(park=park or None):
        if row["year"] <= season.year:
            years[row["woodland_id"]][row["year"]][row["index_name"]] = row
    return {
        woodland_id: tuple(_index_year(year, rows) for year, rows in sorted(of_woodland.items()))
        for woodland_id, of_woodland in years.items()
    }


def _index_year(year: int, rows: Mapping[str, Record]) -> IndexYear:
    ndvi, nirv = (rows[name]["value"] if name in rows else math.nan for name in ("ndvi", "nirv"))
    n = max(row["n"] for row in rows.values())
    return IndexYear(year, ndvi, nirv, n, all(row["n_nbar"] == row["n"] for row in rows.values()))


def _lifted(series: RichnessSeries, control: Control) -> tuple[tuple[int, float], ...]:
    """Return the control's departures about the woodland's own mean, so that both fit one chart."""
    if control.reason or not len(series.mean):
        return ()
    level = float(series.mean.mean())
    return tuple((int(y), level + float(v)) for y, v in zip(control.years, control.values, strict=True))


def _line(
    woodland: Record,
    history: Sequence[Record],
    trend: Record | None,
    alert: Record | None,
    control: tuple[tuple[int, float], ...],
    indices: tuple[IndexYear, ...],
) -> WoodlandLine:
    figures = {name: trend[name] for name in _TREND_FIGURES} if trend else {"reason": _why_no_trend(history)}
    return WoodlandLine(
        **{name: woodland[name] for name in _WOODLAND_FIELDS},
        history=tuple(_year_value(row) for row in history),
        control=control,
        indices=indices,
        **figures,
        **(
            {"level": alert["level"], "alert_reason": alert["reason"], "kind": alert["kind"]} if alert else {}
        ),
    )


def _why_no_trend(history: Sequence[Record]) -> str:
    """Return why a woodland has no slope, in the same words for every woodland that has no better reason."""
    outside = sum(not row["is_applicable"] for row in history)
    if not history:
        return "no annual estimate yet"
    inside = f"{counted(len(history) - outside, 'year')} with an estimate to test"
    return f"{inside}: {outside} more outside the area of applicability" if outside else inside


_WOODLAND_FIELDS = ("id", "name", "park", "status", "is_ancient", "area_ha", "geometry")
_TREND_FIGURES = (
    "slope", "slope_low", "slope_high", "p", "q", "n",
    "decline_fraction", "minimum_detectable_slope", "reason",
)  # fmt: skip


def _year_value(row: Record) -> YearValue:
    year = Season.parse(row["season"]).year
    return YearValue(
        year=year,
        mean=row["mean"],
        sd=row["sd"],
        coverage=row["coverage"],
        n_s2=row["n_s2"],
        applicable_share=row["applicable_share"],
        is_applicable=row["is_applicable"],
    )


def contrast_lines(
    reader: Reader, target: str, park: str, lines: Sequence[WoodlandLine]
) -> tuple[ContrastLine, ...]:
    """Return ancient against other woodland of each park, as the latest assessment tested it."""
    return tuple(
        _contrast_line(row, lines) for row in reader.contrasts(target, park=park or None) if row["park"]
    )


def _contrast_line(row: Record, lines: Sequence[WoodlandLine]) -> ContrastLine:
    members = [line for line in lines if line.park == row["park"]]
    tested = [f.name for f in dataclasses.fields(ContrastLine) if f.name not in ("park", "years")]
    return ContrastLine(row["park"], group_years(members), **{name: row[name] for name in tested})


def quality_of(reader: Reader, season: Season, park: str) -> Quality:
    """Return what went into the final seasons up to one, and what was kept out of them."""
    finals = sorted(
        {r["season"] for r in reader.history(park=park or None) if r["is_final"] and r["season"] <= season.id}
    )
    standings = [
        row
        for row in reader.standing(park=park or None)
        if row["season"] <= season.id and Season.parse(row["season"]).is_final
    ]
    return Quality(
        scenes=tuple(_scenes_of(reader, each) for each in finals),
        observations=tuple(
            _observations_of(reader.history(season=each, park=park or None)) for each in finals
        ),
        quarantined=tuple(
            QuarantinedLine(row["key"], row["season"], row["gate"], row["reasons"])
            for row in quarantine_rows(reader)
            if row["season"] in finals
        ),
        gates=_gates(reader, finals),
        seen=_seen(reader, standings, park),
        under_floor=tuple(_under_floor(row) for row in standings if not row["is_complete"]),
        unread=tuple(
            UnreadLine(r["scene_id"], r["band"], r["season"], r["attempts"], r["error"], r["state"])
            for r in reader.asset_failures(park=park or None)
            if r["season"] <= season.id and Season.parse(r["season"]).is_final
        ),
    )


def _seen(reader: Reader, standings: Sequence[Record], park: str) -> tuple[SeasonSeen, ...]:
    """Return the missing share by sensor of each season, and how its blocks stand."""
    shares = {(r["season"], r["sensor"]): r["missing_share"] for r in reader.missing(park=park or None)}
    blocks: dict[str, list[Record]] = defaultdict(list)
    for row in standings:
        blocks[row["season"]].append(row)
    return tuple(
        SeasonSeen(
            season=season,
            **{sensor.value: shares.get((season, sensor.value), math.nan) for sensor in Sensor},
            n_blocks=len(rows),
            n_under_floor=sum(not row["is_complete"] for row in rows),
            n_frozen=sum(row["is_frozen"] for row in rows),
        )
        for season, rows in sorted(blocks.items())
    )


def _under_floor(row: Record) -> UnderFloorLine:
    names = ("block_id", "season", "found", "expected", "missing_share", "reason")
    return UnderFloorLine(*(row[name] for name in names))


def _scenes_of(reader: Reader, season_id: str) -> ScenesOfYear:
    sensors = Counter(
        sensor for sensor, _ in {(r["sensor"], r["id"]) for r in reader.scenes(season=season_id)}
    )
    counts = (sensors[sensor.value] for sensor in Sensor)
    return ScenesOfYear(Season.parse(season_id).year, *counts)


def _observations_of(rows: Sequence[Record]) -> ObservationsOfYear:
    means = (_known_mean(rows, name) for name in ("n_s2", "n_s1_ascending", "n_s1_descending"))
    return ObservationsOfYear(Season.parse(rows[0]["season"]).year, *means)


def _known_mean(rows: Sequence[Record], name: str) -> float:
    """Return the mean of a column over the rows that state it; NaN where none does."""
    known = [row[name] for row in rows if not math.isnan(row[name])]
    return fmean(known) if known else math.nan


def _gates(reader: Reader, seasons: Iterable[str]) -> tuple[GateLine, ...]:
    """Return each gate with its expectations passed and failed, and what was left out before it."""
    wanted = frozenset(seasons)
    counts: dict[str, Counter[bool]] = defaultdict(Counter)
    for row in reader.quality():
        if row["season"] in wanted:
            counts[row["gate"]][bool(row["success"])] += 1
    older = len(
        {r["key"] for r in reader.quarantined() if r["gate"] == "catalogue" and r["season"] in wanted}
    )
    notes = {"scenes": f"{older} items were left out before the gate: superseded or unfit" if older else ""}
    return tuple(GateLine(gate, n[True], n[False], notes.get(gate, "")) for gate, n in sorted(counts.items()))


def provenance_of(reader: Reader, target: str, park: str) -> Provenance:
    """Return what made the numbers of the report, from the cards and runs the warehouse holds."""
    model = _current_model(reader, target)
    cards = {row["id"]: json.loads(row["card"]) for row in reader.models()}
    rows = reader.history(target=target, park=park or None)
    scenes = reader.scenes()
    return Provenance(
        code_version=version("underwood"),
        config_hash=model["config_hash"],
        encoder=_encoder_line(cards[model["encoder"]]),
        head=_head_line(cards[model["head"]]),
        run_ids=tuple(sorted({row["run_id"] for row in rows})),
        catalogue_source=", ".join(sorted({row["source"] for row in scenes})) or "published embeddings",
        counts=(
            ("scenes used", len({(row["source"], row["id"]) for row in scenes})),
            ("woodland-season estimates", len(rows)),
            ("runs", len({row["run_id"] for row in rows})),
        ),
    )


def _encoder_line(card: Mapping[str, Any]) -> EncoderLine:
    weights = card["weights_sha256"] or "not stated by the publisher"
    return EncoderLine(card["id"], card["training_domain"], weights, card["licence"])


def _head_line(card: Mapping[str, Any]) -> HeadLine:
    honest, flattered = _scheme_scores(card, card.get("primary", "")), _scheme_scores(card, "random")
    return HeadLine(
        id=card["id"],
        n_samples=card["n_samples"],
        r2_spatial=honest["r2"],
        rmse_spatial=honest["rmse"],
        coverage_spatial=honest["coverage_90"],
        r2_random=flattered["r2"],
        rmse_random=flattered["rmse"],
        coverage_random=flattered["coverage_90"],
        training_domain=f"{card['n_samples']} field samples{_extent(card['domain'])}",
    )


def _scheme_scores(card: Mapping[str, Any], scheme: str) -> dict[str, float]:
    """Return the scores of a head under a scheme; NaN where its card has none, as early ones."""
    rows = {row["scheme"]: row["scores"] for row in card.get("schemes", ())}
    scores = rows.get(scheme) or {}
    names = ("r2", "rmse", "coverage_90")
    return {name: _number(scores[name]["estimate"] if scores else None) for name in names}


def _extent(domain: Mapping[str, Any]) -> str:
    if domain["west"] is None:
        return ""
    return (
        f", {domain['west']:.2f} to {domain['east']:.2f} degrees east, "
        f"{domain['south']:.2f} to {domain['north']:.2f} degrees north"
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else value
