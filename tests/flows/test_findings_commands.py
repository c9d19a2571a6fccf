"""What `parks`, `contrasts` and `gates` show of an assessment, on a small published warehouse."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from flows.cli import app
from flows.workspace import open_workspace
from monitoring.gates.finding import GateFinding, Scope, State
from monitoring.trends.parks import ParkTrend
from warehouse.records import GateFindingRow
from warehouse.records.assessments import ParkTrendRow
from warehouse.writer import open_writer

sys.path.append(str(Path(__file__).parents[1] / "warehouse"))  # the small world of the warehouse's own tests
import warehouse_world as world

PASSED = GateFinding("G2", "observation counts", Scope.ALL, "", State.PASSED, "counts explain nothing")
RED_PARK = GateFinding("G6", "applicable share", Scope.PARK, "Vale", State.RED, "the share falls")
QUIET_WOOD = GateFinding("G4", "era left out", Scope.WOODLAND, "a", State.PASSED, "stays a decline")
RED_WOOD = replace(QUIET_WOOD, of="b", state=State.RED, reason="turns without 2018-2021")


def the_whole() -> ParkTrend:
    numbers = {field.name: 0.5 for field in fields(ParkTrend) if field.type == "float"}
    return ParkTrend(
        **{**numbers, "slope_low": 0.1, "slope_high": 0.9},
        scope="whole", park="", woodland_class="all", weighting="area", n_woodlands=2, n_years=9,
        warning="", method="least squares",
    )  # fmt: skip


class Service:
    """A published warehouse with an assessment, and the command line on it."""

    def __init__(
        self,
        folder: Path,
        assessed: Path,
        findings: Sequence[GateFinding],
        parks: Sequence[ParkTrend] = (),
    ) -> None:
        self.config = folder / "underwood.toml"
        self.config.write_text('catalogue = "c.json"\nwoodlands = "w.gpkg"\nhome = "home"\n', "utf-8")
        workspace = open_workspace(str(self.config))
        workspace.warehouse.parent.mkdir(parents=True)
        shutil.copy(assessed, workspace.warehouse)
        judged = world.assessment()
        with open_writer(workspace.warehouse, now=world.NOW) as writer:
            writer.load_gate_findings(
                [GateFindingRow.of_finding(judged, each) for each in findings], now=world.NOW
            )
            writer.load_park_trends([ParkTrendRow(judged, each) for each in parks], now=world.NOW)
            writer.publish(workspace.published)

    def run(self, *arguments: str, form: str = "json") -> Result:
        return CliRunner().invoke(app, ["--config", str(self.config), *arguments, "--format", form])


@pytest.fixture(scope="module")
def assessed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with an assessment that no gate has looked at."""
    path = tmp_path_factory.mktemp("assessed") / "warehouse.duckdb"
    with open_writer(path, now=world.NOW) as writer:
        world.prepare(writer)
        world.load(writer, path.parent, world.history())
        writer.load_trends([world.trend_row("a"), world.trend_row("b")], now=world.NOW)
        writer.load_park_trends([ParkTrendRow(world.assessment(), the_whole())], now=world.NOW)
    return path


@pytest.fixture(scope="module")
def with_woods(tmp_path_factory: pytest.TempPathFactory, assessed: Path) -> Service:
    """A service of which a gate speaks of two woodlands."""
    return Service(tmp_path_factory.mktemp("woods"), assessed, (PASSED, QUIET_WOOD, RED_WOOD))


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory, assessed: Path) -> Service:
    """A service of which no gate has found anything."""
    return Service(tmp_path_factory.mktemp("without"), assessed, ())


def test_a_red_gate_of_a_park_is_shown_and_ends_with_status_one(assessed: Path, tmp_path: Path) -> None:
    answer = Service(tmp_path, assessed, (PASSED, RED_PARK)).run("gates")
    assert answer.exit_code == 1
    assert [(row["gate"], row["of"], row["state"]) for row in json.loads(answer.stdout)] == [
        ("G2", "", "passed"),
        ("G6", "Vale", "red"),
    ]


def test_a_red_gate_of_one_woodland_is_shown_and_no_failure_of_all(with_woods: Service) -> None:
    answer = with_woods.run("gates")
    assert answer.exit_code == 0
    assert [row["of"] for row in json.loads(answer.stdout)] == ["", "b"]


def test_all_gates_are_shown_when_asked(with_woods: Service) -> None:
    answer = with_woods.run("gates", "--all")
    assert [row["of"] for row in json.loads(answer.stdout)] == ["", "a", "b"]


def test_the_whole_is_called_the_whole(without: Service) -> None:
    answer = without.run("parks")
    assert answer.exit_code == 0
    (row,) = json.loads(answer.stdout)
    assert (row["park"], row["n_woodlands"], row["slope"]) == ("the whole", 2, 0.5)
    assert "series_hash" not in row


def test_the_table_of_parks_gives_slope_and_error_on_one_line_and_warns_where_p_is_too_small(
    without: Service, assessed: Path, tmp_path: Path
) -> None:
    quiet = without.run("parks", form="table")
    assert "0.50 ± 0.40" in quiet.stdout
    assert "too small" not in quiet.stdout
    remembered = replace(the_whole(), scope="park", park="Vale", memory=0.4, warning="p is too small")
    told = Service(tmp_path, assessed, (), (remembered,)).run("parks", form="table")
    assert "memory above 0.1: the years are not exchangeable there, and p is too small" in told.stdout


def test_two_ways_to_look_again_at_contrasts_are_wrong_use(without: Service) -> None:
    answer = without.run("contrasts", "--variants", "--mixed-model")
    assert answer.exit_code == 2
    assert "one at a time" in answer.stderr


@pytest.mark.parametrize("command", ["contrasts", "gates"])
def test_nothing_found_is_an_empty_list(without: Service, command: str) -> None:
    answer = without.run(command)
    assert (answer.exit_code, json.loads(answer.stdout)) == (0, [])
