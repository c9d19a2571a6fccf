"""The life of an alert by hand, through the command line, on a small warehouse."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from flows.cli import app
from flows.commands import alerts as commands
from flows.operating.contacts import add_contact, erase_contact
from flows.workspace import open_workspace
from monitoring.alerts.alert import Confidence, Course, Level, Severity
from monitoring.alerts.looking import events_of_look
from monitoring.corroboration.evidence import Corroboration
from monitoring.corroboration.evidence import Verdict as Says
from monitoring.errors import AlertError, ContactError, LeaseHeldError, WarehouseError
from monitoring.gates.finding import GateFinding, Scope, State
from monitoring.science import AlertRule
from warehouse.lease import lease
from warehouse.publish import lease_path
from warehouse.reader import read
from warehouse.records import AlertRow, CorroborationRow, GateFindingRow, TrendRow, WeatherYearRow
from warehouse.writer import open_writer

sys.path.append(str(Path(__file__).parents[1] / "warehouse"))  # the small world of the warehouse's own tests
import warehouse_world as world


class Service:
    """A published warehouse with alerts on both woodlands, and the command line on it."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "underwood.toml"
        self.config.write_text('catalogue = "c.json"\nwoodlands = "w.gpkg"\nhome = "home"\n', "utf-8")
        self.workspace = open_workspace(str(self.config))
        self.contacts = self.workspace.settings.home / "contacts.json"
        self.rowan, self.hazel = (add_contact(self.contacts, name).id for name in ("Rowan", "Hazel"))

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["--config", str(self.config), "alerts", *arguments], env={"USER": ""})

    def rows(self, *arguments: str) -> list[dict[str, object]]:
        answer = self.run(*arguments, "--format", "json")
        assert answer.exit_code == 0, (answer.output, answer.exception)
        rows: list[dict[str, object]] = json.loads(answer.stdout)
        return rows

    def done(self, *arguments: str) -> str:
        answer = self.run(*arguments, "--by", "Rowan")
        assert answer.exit_code == 0, (answer.output, answer.exception)
        return answer.stdout

    def refused(self, *arguments: str) -> str:
        answer = self.run(*arguments)
        assert isinstance(answer.exception, AlertError | WarehouseError), answer.output
        assert "\n" not in str(answer.exception)
        return str(answer.exception)


def fill(warehouse: Path, published: Path) -> None:
    """Ash Copse is CONFIRMED, Birch Holt on WATCH."""
    judged = world.assessment()
    ash = replace(
        world.alert_row("a").alert,
        severity=Severity.MODERATE,
        confidence=Confidence.CORROBORATED,
        course=Course.SUSTAINED,
        cause="felling in 2021",
    )
    birch = replace(world.alert_row("b").alert, level=Level.WATCH, q=0.15, held_by="G2")
    figures = {"tested_slope": -1.8, "tested_se": 0.2, "degrees_of_freedom": float("inf"), "look": 2,
               "q_allowed": 0.038, "decline_probability": 0.97, "posterior_slope": -1.7,
               "posterior_sd": 0.3}  # fmt: skip
    trend = replace(world.trend_row("a").trend, **figures)
    passed = GateFinding("G4", "eras", Scope.ALL, "", State.PASSED, "no era carries it (3 eras)", {"n": 3.0})
    held = GateFinding("G2", "observation counts", Scope.WOODLAND, "b", State.RED, "fewer scenes since 2022")
    falls = Corroboration("a", "nbr", Says.AGREES, 0, world.NAN, "NBR falls too (-0.012 a year)", "indices")
    with open_writer(warehouse, now=world.NOW) as writer:
        world.prepare(writer)
        world.load(writer, warehouse.parent, world.history())
        writer.load_trends([TrendRow(judged, trend), world.trend_row("b", q=0.15)], now=world.NOW)
        events = events_of_look({}, [ash, birch], {}, {"a", "b"}, AlertRule(), "2025-Q4", "run-1", world.NOW)
        writer.record_look([AlertRow(judged, ash), AlertRow(judged, birch)], events, now=world.NOW)
        writer.load_gate_findings(
            [GateFindingRow.of_finding(judged, each) for each in (passed, held)], now=world.NOW
        )
        writer.load_corroborations([CorroborationRow(judged, falls)], now=world.NOW)
        writer.load_weather_years([WeatherYearRow(judged, "a", 2018, 30, 40, 12, "cell 7")], now=world.NOW)
        writer.publish(published)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What such a service keeps."""
    home = tmp_path_factory.mktemp("filled") / "home"
    (home / "published").mkdir(parents=True)
    fill(home / "warehouse.duckdb", home / "published" / "underwood.duckdb")
    return home


@pytest.fixture
def service(home: Path, tmp_path: Path) -> Service:
    shutil.copytree(home, tmp_path / "home")
    service = Service(tmp_path)
    assert service.workspace.warehouse.is_file()
    assert service.workspace.published.is_file()
    return service


def ids(rows: list[dict[str, object]]) -> list[object]:
    return [row["id"] for row in rows]


def test_alerts_alone_lists_what_stands_as_before(service: Service) -> None:
    assert ids(service.rows()) == ids(service.rows("list")) == ["alert-a", "alert-b"]
    assert "CONFIRMED" in service.run().stdout
    assert service.rows("--park", "Elsewhere") == []


def test_a_list_can_be_of_one_level_or_state_and_come_as_a_table_of_commas(service: Service) -> None:
    assert ids(service.rows("list", "--level", "watch")) == ["alert-b"]
    assert ids(service.rows("list", "--status", "dismissed")) == []
    answer = service.run("list", "--format", "csv").stdout
    assert [row["severity"] for row in csv.DictReader(io.StringIO(answer))] == ["moderate", "moderate"]
    assert "no alert is retracted" in service.run("list", "--status", "retracted").stdout


def test_a_whole_life_by_hand(service: Service) -> None:
    assert "acknowledged by Rowan" in service.done("ack", "alert-a", "--note", "seen")
    assert "assigned to Hazel by Rowan" in service.done("assign", "alert-a", "--to", "Hazel")
    assert "field result not found" in service.done("field", "alert-a", "--result", "not found")
    assert service.rows("list", "--level", "CONFIRMED")[0]["assignee"] == service.hazel
    service.done("dismiss", "alert-a", "--reason", "nothing to be seen")
    assert ids(service.rows()) == ["alert-b"]
    assert ids(service.rows("list", "--status", "dismissed")) == ["alert-a"]
    service.done("reopen", "alert-a", "--reason", "a second visit found stumps")
    (shown,) = service.rows("show", "alert-a")
    assert (shown["state"], shown["field_result"]) == ("open", "not found")
    events = shown["events"]
    assert isinstance(events, list)
    assert [event["kind"] for event in events] == [
        "raised", "acknowledged", "assigned", "field result", "dismissed", "reopened",
    ]  # fmt: skip
    assert "a second visit found stumps" in service.run("show", "alert-a").stdout
    with read(service.workspace.warehouse) as kept, read(service.workspace.published) as seen:
        assert [e.number for e in kept.alert_events()] == [e.number for e in seen.alert_events()]


def test_an_explanation_says_figures_gates_evidence_and_history(service: Service) -> None:
    service.done("ack", "alert-a", "--note", "on my way")
    said = service.run("explain", "alert-a").stdout
    for line in (
        "Ash Copse (a), Vale: CONFIRMED alert, acknowledged.",
        "standard error 0.2, endless degrees of freedom",
        "q over the family 0.01; at yearly look 2 it had to reach 0.038.",
        "a decline is 97 % probable",
        "G4 eras: passed. no era carries it (3 eras)",
        "A known cause: felling in 2021.",
        "Other evidence: corroborated.",
        "- NBR falls too (-0.012 a year): agrees [indices]",
        "Most days of both heat and drought: 2018 (12 days).",
        "1. 2026-01-15 raised at 2025-Q4 as CONFIRMED, q 0.01",
        "acknowledged by Rowan: on my way",
    ):
        assert line in said
    assert "G2" not in said
    assert "Held below CONFIRMED by G2." in service.run("explain", "alert-b").stdout


def test_the_beginning_of_an_id_is_enough_when_it_is_one_alerts_alone(service: Service) -> None:
    assert "2 alerts have an id that begins so" in service.refused("ack", "alert", "--by", "Rowan")
    for rubbish in ("", "x", "; drop table alert", "\x1b[2J"):
        assert "no alert has an id that begins so" in service.refused("show", rubbish)
    service.done("dismiss", "alert-a", "--reason", "felled")
    assert "alert-a" in service.run("show", "alert-a").stdout


def test_what_cannot_be_done_is_one_line_and_changes_nothing(service: Service) -> None:
    before = service.workspace.published.read_bytes()
    assert "nobody did it" in service.refused("ack", "alert-a")
    assert "a reason is needed" in service.refused("dismiss", "alert-a", "--reason", " ", "--by", "Rowan")
    assert "it is open" in service.refused("reopen", "alert-a", "--reason", "x", "--by", "Rowan")
    assert service.run("field", "alert-a", "--result", "maybe").exit_code == 2
    assert service.workspace.published.read_bytes() == before


def test_while_somebody_else_writes_a_command_waits_then_says_who(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "LEASE_WAIT_S", 0.1)
    with lease(lease_path(service.workspace.warehouse)):
        answer = service.run("ack", "alert-a", "--by", "Rowan")
    assert isinstance(answer.exception, LeaseHeldError)
    assert "waited 0.1 s" in str(answer.exception)


def test_a_snapshot_without_its_warehouse_can_be_read_but_not_acted_on(service: Service) -> None:
    service.workspace.warehouse.unlink()
    assert len(service.rows()) == 2
    assert "only a snapshot of it is here" in service.refused("ack", "alert-a", "--by", "Rowan")
    assert not service.workspace.warehouse.exists()


def test_the_log_knows_people_by_id_and_they_can_be_forgotten(service: Service) -> None:
    service.done("assign", "alert-a", "--to", "hazel", "--note", "on 2026-01-15")
    with read(service.workspace.published) as seen:
        event = seen.alert_events(alert_id="alert-a")[-1]
    assert (event.actor, event.assignee) == (service.rowan, service.hazel)
    assert "Hazel" in service.run("show", "alert-a").stdout
    erase_contact(service.contacts, service.hazel)
    for told in (service.run("explain", "alert-a").stdout, service.run("show", "alert-a").stdout):
        assert service.hazel in told
        assert "Hazel" not in told


def test_who_is_no_contact_and_notes_that_reach_a_person_are_refused(service: Service) -> None:
    before = service.workspace.published.read_bytes()
    for refused in (
        ("ack", "alert-a", "--by", "Alder"),
        ("assign", "alert-a", "--to", "alder@vale.example", "--by", "Rowan"),
        ("ack", "alert-a", "--by", "Rowan", "--note", "ring 01865 275000"),
        ("dismiss", "alert-a", "--by", "Rowan", "--reason", "ask hazel@vale.example"),
    ):
        error = service.run(*refused).exception
        assert isinstance(error, ContactError)
        assert "\n" not in str(error)
        assert "@" not in str(error)
    assert service.workspace.published.read_bytes() == before
