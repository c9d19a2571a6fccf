"""The log of alerts as it is kept: it grows with each look, and the views say where it led."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from warehouse_world import NAN, NOW, alert_row, assessment, filled, trend_row

from monitoring.alerts.alert import Alert, Level
from monitoring.alerts.events import AlertEvent, EventKind, FieldResult
from monitoring.alerts.life import act, state_of
from monitoring.alerts.looking import events_of_look
from monitoring.errors import AlertError, WarehouseError
from monitoring.gates.finding import GateFinding, Scope, State
from monitoring.science import AlertRule
from monitoring.trends.matching import BalanceRow as Balance
from monitoring.trends.parks import ParkTrend
from warehouse.content import content_digest
from warehouse.reader import read
from warehouse.records import AlertRow, BalanceRow, CalibrationRow, GateFindingRow, ParkTrendRow
from warehouse.writer import Writer, open_writer

LATER = NOW + timedelta(days=1)


def raised(level: Level = Level.CONFIRMED, season: str = "2025-Q4") -> Alert:
    return replace(alert_row("a").alert, level=level, season=season)


def look(writer: Writer, alerts: list[Alert], season: str, q: float = 0.01) -> int:
    """Record one look as an assessment does."""
    judged = assessment(season, f"series-{season}")
    writer.load_trends([trend_row("a", judged), trend_row("b", judged)], now=NOW)
    lives = writer.reader.alert_lives("richness")
    events = events_of_look(lives, alerts, {"a": q}, {"a", "b"}, AlertRule(), season, "run-1", NOW)
    return writer.record_look([AlertRow(judged, alert) for alert in alerts], events, now=NOW)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return filled(tmp_path / "warehouse.duckdb")


def test_a_look_recorded_twice_is_there_once(path: Path) -> None:
    with open_writer(path, now=NOW) as writer:
        assert [look(writer, [raised()], "2025-Q4") for _ in range(2)] == [2, 0]


def test_the_view_says_what_the_fold_says_at_every_step(path: Path) -> None:
    steps: list[tuple[str, Level | None, float, EventKind | None]] = [
        ("2024-Q4", Level.WATCH, 0.1, EventKind.ACKNOWLEDGED),
        ("2025-Q2", Level.PROVISIONAL, NAN, EventKind.ASSIGNED),
        ("2025-Q4", Level.CONFIRMED, 0.01, EventKind.FIELD_RESULT),
        ("2026-Q4", None, 0.5, EventKind.DISMISSED),
        ("2027-Q4", None, 0.5, None),
        ("2028-Q2", Level.PROVISIONAL, NAN, None),
        ("2028-Q4", None, 0.5, EventKind.REOPENED),
    ]
    with open_writer(path, now=NOW) as writer:
        for season, level, q, kind in steps:
            look(writer, [] if level is None else [raised(level, season)], season, q)
            if kind:
                state = writer.reader.alert_lives("richness")["alert-a"]
                assignee = "Hazel" if kind is EventKind.ASSIGNED else ""
                result = FieldResult.CONFIRMED if kind is EventKind.FIELD_RESULT else None
                event = act(state, kind, "Rowan", LATER, assignee=assignee, result=result, note="so")
                writer.load_alert_events([event], now=LATER)
            life = writer.reader.alert_lives("richness")["alert-a"]
            (row,) = writer.reader.alert_states("richness")
            assert (row["state"], row["level"]) == (life.status, life.level)
            assert (row["raised_season"], row["seen_season"]) == (life.first_raised, life.last_seen)
            assert (row["assignee"], row["field_result"]) == (life.assignee, life.field_result or "")
            assert (row["n_events"], row["raised_at"]) == (life.n_events, life.raised_at)
            assert len(writer.reader.alerts()) == life.is_standing


def test_the_figures_shown_are_those_of_the_level_it_stands_at(path: Path) -> None:
    with open_writer(path, now=NOW) as writer:
        look(writer, [raised()], "2025-Q4")
        look(writer, [replace(raised(Level.PROVISIONAL, "2026-Q2"), reason="fell within a year")], "2026-Q2")
        (row,) = writer.reader.alerts()
    assert (row["level"], row["season"]) == ("CONFIRMED", "2025-Q4")


def test_two_people_at_once_the_second_is_told_and_nothing_is_rewritten(path: Path) -> None:
    with open_writer(path, now=NOW) as writer:
        look(writer, [raised()], "2025-Q4")
        state = writer.reader.alert_lives("richness")["alert-a"]
        first, second = (act(state, EventKind.ACKNOWLEDGED, who, LATER) for who in ("Rowan", "Hazel"))
        assert [writer.load_alert_events([first], now=LATER) for _ in range(2)] == [1, 0]
        with pytest.raises(WarehouseError, match="event 2 is recorded already: acknowledged by Rowan"):
            writer.load_alert_events([second], now=LATER)
        assert [event.actor for event in writer.reader.alert_events()] == ["underwood", "Rowan"]


def test_a_look_of_which_one_event_cannot_be_leaves_no_alert_behind(path: Path) -> None:
    with open_writer(path, now=NOW) as writer:
        look(writer, [raised()], "2025-Q4")
    before = content_digest(path)
    with open_writer(path, now=NOW) as writer:
        (event,) = writer.reader.alert_events()
        judged = assessment("2026-Q2", "series-2")
        rows = [AlertRow(judged, raised(Level.PROVISIONAL, "2026-Q2"))]
        with pytest.raises(AlertError, match="event 3 where 2 comes next"):
            writer.record_look(rows, [replace(event, number=3)], now=NOW)
        with pytest.raises(WarehouseError, match="alert x: an event of an alert that is not recorded"):
            writer.load_alert_events([replace(event, alert_id="x")], now=NOW)
    assert content_digest(path) == before


def test_an_event_comes_back_as_it_went_in(path: Path) -> None:
    with open_writer(path, now=NOW) as writer:
        look(writer, [raised()], "2025-Q4")
        (kept,) = writer.reader.alert_events("richness", alert_id="alert-a")
    assert kept == AlertEvent(
        "alert-a", 1, "a", "richness", EventKind.RAISED, NOW, "underwood", "2025-Q4", Level.CONFIRMED,
        0.01, run_id="run-1",
    )  # fmt: skip
    assert state_of([kept]).is_standing


def test_a_season_is_one_look_however_often_it_is_assessed(path: Path) -> None:
    with open_writer(path, now=NOW) as writer:
        seasons = ("2024-Q4", "2025-Q4", "2025-Q4")
        assert [writer.count_look(assessment(season), now=NOW) for season in seasons] == [1, 1, 0]
        assert [row["number"] for row in writer.reader.looks("richness")] == [1, 2]
        numbers = [writer.reader.look_number("richness", season) for season in ("2024-Q4", "2026-Q4")]
        assert numbers == [1, 3]
        assert writer.reader.look_number("ph", "2024-Q4") == 1
        with pytest.raises(WarehouseError, match="CHECK"):
            writer.count_look(assessment("2025-Q2"), now=NOW)


def test_what_an_assessment_found_is_kept_whole_and_the_latest_shows(path: Path) -> None:
    park = ParkTrend(
        "park", "Vale", "all", "area", 2, 9, -1.0, -2.0, 0.0, 0.02, -30.0, -2.5, 0.01, 0.02, NAN, NAN, NAN,
        NAN, 0.1, "", "yearly means",
    )  # fmt: skip
    balance = Balance("Vale", "elevation_m", 3, 5, 80.0, 120.0, -0.7, 80.0, 81.0, -0.02, True, True)
    gate = GateFinding(
        "G1", "reference sites", Scope.PARK, "Vale", State.RED, "they fall", {"p": 0.001, "t": NAN}
    )
    with open_writer(path, now=NOW) as writer:
        for judged in (assessment("2024-Q4"), assessment()):
            added = [
                writer.load_park_trends([ParkTrendRow(judged, park)], now=NOW),
                writer.load_balances([BalanceRow(judged, balance)], now=NOW),
                writer.load_gate_findings([GateFindingRow.of_finding(judged, gate)], now=NOW),
            ]
            assert added == [1, 1, 1]
        assert writer.load_calibration(CalibrationRow(NOW, "config-1", '{"rate": 0.04}'), now=NOW) == 1
    with read(path) as reader:
        found = (
            reader.park_trends("richness"),
            reader.balances("richness"),
            reader.gate_findings("richness"),
        )
        assert [[row["season"] for row in rows] for rows in found] == [["2025-Q4"]] * 3
        assert found[2][0]["figures"] == '{"p": 0.001, "t": null}'
        assert [row["figures"] for row in reader.calibrations()] == ['{"rate": 0.04}']
