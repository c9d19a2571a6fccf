"""What a report gathers of an assessment beyond slopes: alerts and their lives, gates, contrasts, weather."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from shapely import box

from flows.assessing.evidence import Evidence
from flows.assessing.find import Findings, find
from flows.assessing.histories import Histories
from flows.reporting.alerts import alert_lines
from flows.reporting.assessed import artefact_lines, park_trend_lines
from flows.reporting.calibration import calibration_of
from flows.reporting.contrasts import contrast_lines
from flows.reporting.woodlands import with_weather, woodland_lines
from monitoring.alerts.alert import Level
from monitoring.alerts.looking import events_of_look
from monitoring.calibration.figures import Measure
from monitoring.science import AlertRule, Science
from monitoring.seasons import Season
from monitoring.targets import Target
from monitoring.trends.sites import Site, site_of
from monitoring.trends.year_tests import least_squares
from monitoring.weather.years import WeatherYears
from monitoring.woodlands import Status, Woodland
from reports.contrasted import ContrastLine
from warehouse.reader import Reader, read
from warehouse.records import (
    AlertRow,
    Assessment,
    BalanceRow,
    CalibrationRow,
    ContrastRow,
    EstimateRow,
    GateFindingRow,
    ModelRow,
    ParkTrendRow,
    RunRow,
    TrendRow,
    WeatherYearRow,
)
from warehouse.staging import write_estimates
from warehouse.writer import open_writer

NOW = datetime(2026, 1, 15, 3, tzinfo=UTC)
SEASON = Season(2025, 4)
SCIENCE = Science()
YEARS = range(2017, 2026)
JUDGED = Assessment("2025-Q4", "richness", "encoder-1", "richness-1", "config-1", "series-1", "run-1")
#: Vale and Moor have six ancient woodlands, of which Vale's first loses four taxa a year, and eight others.
WOODS = tuple(
    Woodland(
        f"w{number:02d}",
        f"Wood {number}",
        ("Vale", "Moor")[number % 2],
        Status.ASNW if number < 12 else Status.OTHER,
        box(0.01 * number, 50, 0.01 * number + 0.005, 50.005),
        2.0 + 0.1 * number,
    )
    for number in range(28)
)
SITES = {wood.id: site_of(wood, "broadleaved", 100.0, f"block of {wood.park}") for wood in WOODS}


def estimates() -> list[EstimateRow]:
    rng = np.random.default_rng(3)
    return [
        EstimateRow(
            woodland_id=wood.id,
            season=f"{year}-Q4",
            target="richness",
            encoder="encoder-1",
            head="richness-1",
            config_hash="config-1",
            inputs_hash="inputs-1",
            mean=80.0 - 4.0 * (number == 0) * (year - 2017) + rng.normal(0, 0.8),
            sd=3.0,
            sd_place=2.0,
            sd_year=1.0,
            coverage=1.0,
            applicable_share=1.0,
            n_pixels=100,
            n_s2=30.0,
            n_s1_ascending=12.0,
            n_s1_descending=12.0,
            run_id="run-1",
        )
        for number, wood in enumerate(WOODS)
        for year in YEARS
    ]


def weather() -> tuple[WeatherYears, ...]:
    years = np.array(YEARS)
    days = np.where(np.isin(years, (2018, 2022)), 6, 0)
    return tuple(WeatherYears(wood.id, years, days, days, days, "cell 7") for wood in WOODS)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Reader, Findings]]:
    """A warehouse with one assessment, as the service judges and records it, and what was found."""
    path = tmp_path_factory.mktemp("service") / "warehouse.duckdb"
    with open_writer(path, now=NOW) as writer:
        writer.load_woodlands(WOODS, now=NOW)
        card = json.dumps({"target": "richness"})
        writer.load_models(
            [ModelRow("encoder", "encoder-1", "{}", "00"), ModelRow("head", "richness-1", card, "00")],
            now=NOW,
        )
        science = '{"estimation": {"min_applicable_share": 0.8}}'
        writer.record_run(RunRow("run-1", "2025-Q4", "config-1", science, "0.1.0", NOW))
        writer.load_estimates(write_estimates(path.parent / "staged.parquet", estimates()), now=NOW)
    with read(path) as reader:
        histories = Histories(reader.series("richness"), SITES, reader.seen_years("richness", up_to=SEASON))
    found = find(histories, SCIENCE, SEASON, Target("richness", "taxa"), evidence=Evidence(weather=weather()))
    fall = replace(
        found.alerts[0], id="fall", woodland_id="w01", kind="fall", level=Level.PROVISIONAL, season="2025-Q4"
    )
    alerts = [*found.alerts, fall]
    names = {wood.id for wood in WOODS}
    events = events_of_look({}, alerts, {}, names, AlertRule(), "2025-Q4", "run-1", NOW)
    with open_writer(path, now=NOW) as writer:
        writer.load_trends([TrendRow(JUDGED, each) for each in found.trends], now=NOW)
        writer.load_contrasts([ContrastRow(JUDGED, each) for each in found.contrasts], now=NOW)
        writer.load_balances([BalanceRow(JUDGED, each) for each in found.balance], now=NOW)
        writer.load_park_trends([ParkTrendRow(JUDGED, each) for each in found.park_trends], now=NOW)
        writer.load_gate_findings([GateFindingRow.of_finding(JUDGED, each) for each in found.gates], now=NOW)
        rows = [row for each in found.weather for row in WeatherYearRow.of_years(JUDGED, each)]
        writer.load_weather_years(rows, now=NOW)
        writer.record_look([AlertRow(JUDGED, alert) for alert in alerts], events, now=NOW)
    with read(path) as reader:
        yield reader, found


def contrasts_of(
    reader: Reader, park: str = "", sites: dict[str, Site] | None = None
) -> tuple[ContrastLine, ...]:
    lines = woodland_lines(reader, "richness", park, SEASON, SITES)
    return contrast_lines(reader, "richness", park, SEASON, lines, sites or SITES, SCIENCE)


def test_the_decliner_is_flagged_with_its_test_and_the_life_of_its_alert(
    found: tuple[Reader, Findings],
) -> None:
    lines = {line.id: line for line in woodland_lines(found[0], "richness", "", SEASON, SITES)}
    first = lines["w00"]
    trend = next(trend for trend in found[1].trends if trend.woodland_id == "w00")
    assert first.tested is not None
    assert first.tested.slope == trend.tested_slope
    assert (first.tested.look, first.tested.q_allowed) == (1, 0.05)
    assert first.alert is not None
    assert (first.level, first.alert.level) == ("CONFIRMED", "CONFIRMED")
    assert (first.alert.state, first.alert.raised_season) == ("open", "2025-Q4")


def test_a_fall_in_a_season_that_is_not_final_flags_no_woodland(found: tuple[Reader, Findings]) -> None:
    lines = {line.id: line for line in woodland_lines(found[0], "richness", "", SEASON, SITES)}
    assert (lines["w01"].level, lines["w01"].alert) == ("", None)
    levels = {alert.woodland_id: alert.level for alert in alert_lines(found[0], "richness", "Moor")}
    assert levels["w01"] == "PROVISIONAL"
    assert "w00" not in levels


def test_the_yearly_differences_shown_are_those_that_were_tested(found: tuple[Reader, Findings]) -> None:
    lines = contrasts_of(found[0])
    assert [line.park for line in lines] == ["Moor", "Vale", "all parks"]
    for line, tested in zip(lines, found[1].contrasts, strict=True):
        years = np.array([year.year for year in line.years])
        values = np.array([year.difference for year in line.years])
        assert least_squares(years, values, 0.95)[0] == pytest.approx(tested.slope, rel=1e-9)
        assert line.n_pairs == tested.n_pairs > 0
        assert {row.property for row in line.balance} >= {"log_area", "level"}


def test_years_that_were_not_tested_are_not_shown(found: tuple[Reader, Findings]) -> None:
    moved = {name: replace(site, leaf_type="conifer") for name, site in SITES.items() if name < "w14"}
    assert {line.years for line in contrasts_of(found[0], sites=SITES | moved)} == {()}


def test_the_report_of_a_park_has_its_own_contrast_and_that_of_all_parks(
    found: tuple[Reader, Findings],
) -> None:
    assert [line.park for line in contrasts_of(found[0], "Vale")] == ["Vale", "all parks"]
    trends = park_trend_lines(found[0], "richness", "Vale")
    assert {line.park for line in trends} == {"", "Vale"}
    assert len(trends) == 2 * 3 * 2


def test_a_park_is_told_of_the_gates_that_may_reach_it(found: tuple[Reader, Findings]) -> None:
    reader, names = found[0], {wood.id: wood.name for wood in WOODS if wood.park == "Vale"}
    every = artefact_lines(reader, "richness", "", SITES, {wood.id: wood.name for wood in WOODS})
    own = artefact_lines(reader, "richness", "Vale", SITES, names)
    assert len(every) == len(found[1].gates)
    assert {line.gate for line in own} == {line.gate for line in every} == {f"G{n}" for n in range(1, 7)}
    assert "Moor" not in {line.of for line in own}


def test_the_years_of_heat_and_drought_are_those_of_the_woodland(found: tuple[Reader, Findings]) -> None:
    lines = woodland_lines(found[0], "richness", "", SEASON, SITES)
    marked = with_weather(lines, found[0].weather_years("richness"), SCIENCE.weather)
    assert {line.extreme_years for line in marked} == {(2018, 2022)}
    assert all(line.has_weather for line in marked)
    assert with_weather(lines, (), SCIENCE.weather) == lines


@pytest.mark.parametrize(
    ("figures", "share", "power", "command"),
    [
        ({}, math.nan, math.nan, "underwood calibrate"),
        ({"share_with_a_confirmed": 0.04, "seed": 7}, 0.04, math.nan, "underwood calibrate --seed 7"),
        (
            {
                "figures": [
                    {
                        "measure": Measure.FOUND,
                        "by_rule": 0.7,
                        "world": "as given",
                    },
                    {"measure": "something new"},
                ]
            },
            math.nan,
            0.7,
            "underwood calibrate",
        ),
    ],
)
def test_a_calibration_may_lack_any_figure(
    tmp_path: Path, figures: dict[str, object], share: float, power: float, command: str
) -> None:
    path = tmp_path / "warehouse.duckdb"
    with open_writer(path, now=NOW) as writer:
        writer.load_calibration(CalibrationRow(NOW, "config-1", json.dumps(figures)), now=NOW)
    with read(path) as reader:
        made = calibration_of(reader, "config-2")
    assert made is not None
    assert (made.share_with_a_confirmed, made.power) == pytest.approx((share, power), nan_ok=True)
    assert (made.command, made.calibrated_on, made.is_current) == (command, "15 January 2026", False)
    assert len(made.lines) == len(figures.get("figures", ()))  # type: ignore[arg-type]


def test_without_a_calibration_there_is_none(found: tuple[Reader, Findings]) -> None:
    assert calibration_of(found[0], "config-1") is None
