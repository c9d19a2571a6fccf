"""Woodlands: each with its history up to a season, its trend, its alert and its weather."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from flows.reporting.alerts import alert_lines
from monitoring.alerts.alert import Level
from monitoring.science import WeatherRule
from monitoring.seasons import Season
from monitoring.trends.controls import Control, controls_among
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.sites import Site
from monitoring.wording import counted
from reports.judged import AlertLine, HowTested
from reports.woodland import IndexYear, WoodlandLine, YearValue
from warehouse.reader import Reader, Record


def woodland_lines(
    reader: Reader, target: str, park: str, season: Season, sites: Mapping[str, Site]
) -> tuple[WoodlandLine, ...]:
    """Return every woodland with its history up to a season, its trend and its alert."""
    histories: dict[str, list[Record]] = defaultdict(list)
    for row in reader.history(target=target, park=park or None):
        if row["is_final"] and Season.parse(row["season"]) <= season:
            histories[row["woodland_id"]].append(row)
    trends = {row["woodland_id"]: row for row in reader.trends(target)}
    alerts = {line.woodland_id: line for line in alert_lines(reader, target, park) if _is_flag(line)}
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
    alert: AlertLine | None,
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
        tested=_tested(trend) if trend else None,
        **_flag(alert),
    )


def _is_flag(alert: AlertLine) -> bool:
    """True for an alert of a decline that stands: an unusual fall within a year is none."""
    return alert.is_standing and alert.level != Level.PROVISIONAL


def _flag(alert: AlertLine | None) -> dict[str, Any]:
    if alert is None:
        return {}
    return {"level": alert.level, "alert_reason": alert.reason, "kind": alert.kind, "alert": alert}


def _tested(trend: Record) -> HowTested | None:
    """Return how a woodland was tested; None where it was not, and for an older version's test."""
    if not math.isfinite(trend["tested_slope"]):
        return None
    return HowTested(
        slope=trend["tested_slope"],
        se=trend["tested_se"],
        degrees_of_freedom=trend["degrees_of_freedom"],
        memory=trend["memory"],
        look=trend["look"] or 0,
        q_allowed=trend["q_allowed"],
        p_mann_kendall=trend["p_mann_kendall"],
        decline_probability=trend["decline_probability"],
        posterior_slope=trend["posterior_slope"],
        posterior_sd=trend["posterior_sd"],
        method=trend["method"],
    )


def with_weather(
    lines: Sequence[WoodlandLine], rows: Sequence[Record], rule: WeatherRule
) -> tuple[WoodlandLine, ...]:
    """Return the woodlands with their years of extreme heat and drought; rows of `latest_weather_year`."""
    days: dict[str, dict[int, int]] = defaultdict(dict)
    for row in rows:
        days[row["woodland_id"]][row["year"]] = row["compound_days"]
    return tuple(
        replace(
            line,
            has_weather=line.id in days,
            extreme_years=tuple(y for y, n in sorted(days[line.id].items()) if n >= rule.extreme_days),
        )
        if line.id in days
        else line
        for line in lines
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
