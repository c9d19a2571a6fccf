"""`underwood calibrate`: figures with their bounds, with and without a service, kept for the reports."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
from click.testing import Result
from shapely import box
from typer.testing import CliRunner

from flows.assessing.calibrating import last_calibration, record_calibration
from flows.cli import app
from flows.sources.boundaries.woodlands import read_woodlands
from flows.workspace import open_workspace
from monitoring.calibration.figures import Asked, Figure, Measure
from monitoring.calibration.worlds import World
from monitoring.errors import SettingsError, TrendError
from monitoring.science import AlertRule, TrendTest
from monitoring.woodlands import Woodland
from warehouse.reader import read
from warehouse.writer import open_writer

sys.path.append(str(Path(__file__).parents[1] / "warehouse"))  # the small world of the warehouse's own tests
import warehouse_world as world

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SHORT = ("--woodlands", "40", "--parks", "2", "--sims", "2")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


class Service:
    """A published warehouse with two woodlands, too few to fit any noise to, and the command line on it."""

    def __init__(self, folder: Path, woodlands: Sequence[Woodland] = world.WOODLANDS) -> None:
        self.config = folder / "underwood.toml"
        self.config.write_text('catalogue = "c.json"\nwoodlands = "w.gpkg"\nhome = "home"\n', "utf-8")
        self.workspace = open_workspace(str(self.config))
        self.workspace.warehouse.parent.mkdir(parents=True, exist_ok=True)
        with open_writer(self.workspace.warehouse, now=NOW) as writer:
            writer.load_woodlands(woodlands, now=NOW)
            writer.load_models(world.MODELS, now=NOW)
            writer.record_run(world.RUN)
            writer.publish(self.workspace.published)

    def calibrate(self, *arguments: str) -> Result:
        done = run("--config", str(self.config), "calibrate", *SHORT, "--reference", *arguments)
        assert done.exit_code == 0, (done.output, done.exception)
        return done

    @property
    def last(self) -> Mapping[str, Any] | None:
        with read(self.workspace.published) as reader:
            return last_calibration(reader)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    return Service(tmp_path_factory.mktemp("service"))


@pytest.fixture(scope="module")
def figures(service: Service) -> list[dict[str, object]]:
    done = service.calibrate("--years", "8", "--years", "9", "--no-store", "--format", "json")
    assert "40 woodlands in 2 parks, reference noise: own noise 3.4 % of a level of 50" in done.stderr
    assert service.last is None
    rows: list[dict[str, object]] = json.loads(done.stdout)
    return rows


def test_every_measure_is_given_over_each_number_of_years(figures: list[dict[str, object]]) -> None:
    measured = {(row["measure"], row["years"]) for row in figures}
    for measure in ("any CONFIRMED", "false share", "power", "false PROVISIONAL"):
        assert {(measure, 8), (measure, 9)} <= measured
    assert {row["measure"] for row in figures} == {str(measure) for measure in Measure}


def test_no_figure_is_given_twice(figures: list[dict[str, object]]) -> None:
    names = [(row["measure"], row["world"], row["years"]) for row in figures]
    assert len(names) == len(set(names))


def test_power_is_held_to_its_bound_in_one_world_only(figures: list[dict[str, object]]) -> None:
    promised = [row for row in figures if row["measure"] == "power" and row["bound"]]
    assert [(row["world"], row["years"]) for row in promised] == [
        ("unequal noise, 5 % decline by 0.6 sd a year", 9)
    ]
    assert str(promised[0]["bound"]).startswith("at least 0.7")


@pytest.mark.slow
def test_the_figures_are_recorded_and_published_for_the_reports(tmp_path: Path) -> None:
    service = Service(tmp_path)
    done = service.calibrate()
    assert f"recorded in {service.workspace.warehouse} and published" in done.stderr
    last = service.last
    assert last is not None
    assert last["n_worlds"] == 2
    assert 0 <= last["share_with_a_confirmed"] <= 1
    assert last["note"] == "40 woodlands in 2 parks, 9 years, reference noise"


def test_the_last_record_counts_and_tells_what_was_simulated(tmp_path: Path) -> None:
    service = Service(tmp_path)
    for rate, month in ((0.01, 3), (0.04, 4)):
        found = Figure(Measure.ANY_CONFIRMED, "as given", 9, 1000, rate, at_most=0.07)
        asked = Asked(World(), TrendTest(), AlertRule(), sims=1000, seed=1)
        record_calibration(service.workspace, asked, [found], NOW.replace(month=month), "reference noise")
    last = service.last
    assert last is not None
    assert (last["n_worlds"], last["share_with_a_confirmed"]) == (1000, 0.04)
    assert last["note"] == "2000 woodlands in 15 parks, 9 years, reference noise"
    assert last["world"]["noise_fraction"] == 0.034
    assert last["figures"][0]["measure"] == "any CONFIRMED"
    assert last["figures"][0]["is_kept"] is True
    assert last["figures"][0]["alone"] is None


def test_noise_cannot_be_fitted_to_histories_that_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = run("calibrate", "--fitted", *SHORT)
    assert isinstance(refused.exception, SettingsError)
    assert "there is no settings file" in str(refused.exception)


def test_too_few_histories_fall_back_to_the_reference_unless_they_were_asked_for(tmp_path: Path) -> None:
    woods = {"wood_id": ["a", "b"], "name": ["Ash Copse", "Birch Holt"], "status": "ASNW", "park": "Vale"}
    squares = [box(west, 50.9, west + 0.01, 50.91) for west in (-1.6, -1.5)]
    path = tmp_path / "w.gpkg"
    gpd.GeoDataFrame(woods, geometry=squares, crs=4326).to_file(path)
    service = Service(tmp_path, read_woodlands(path).woodlands)
    refused = run("--config", str(service.config), "calibrate", "--fitted", *SHORT)
    assert isinstance(refused.exception, TrendError)
    assert "0 woodlands with 5 years and a control" in str(refused.exception)
