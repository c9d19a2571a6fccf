"""Promotion: what another head would say is shown first, and changes nothing until it may speak."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from published_service import WOODS, content_of, write_config, write_samples, write_world
from typer.testing import CliRunner, Result

from flows.cli import app
from flows.estimating.estimate import estimate_block
from flows.ingesting.ingest import ingest_block
from flows.load import load_season
from flows.modelling.promotion import compare_heads, promote_head, record_promotion
from flows.modelling.training import Lesson, fit_from_cube, keep
from flows.workspace import Workspace, open_workspace
from monitoring.errors import CardMismatchError, LeaseHeldError, ModelError, UnderwoodError, WarehouseError
from monitoring.seasons import Season
from warehouse.answering.provenance import read_chain
from warehouse.content import content_digest
from warehouse.lease import lease
from warehouse.publish import lease_path
from warehouse.reader import read

NOW = datetime(2026, 1, 15, tzinfo=UTC)
YEARS = (2021, 2022, 2023, 2024)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A service with four years of histories by one head, and another head on its shelf."""
    folder = write_world(tmp_path_factory.mktemp("made"), content_of(YEARS))
    write_samples(folder / "samples.csv", years=list(YEARS), n=600)
    workspace = open_workspace(str(write_config(folder)))
    first, second = (kept(workspace, name) for name in ("ridge", "mean"))
    for year in YEARS:
        run(workspace, Season(year, 4))
    return folder, first, second


def kept(workspace: Workspace, candidate: str) -> str:
    assert workspace.settings.samples is not None
    lesson = Lesson(workspace.target, workspace.settings.samples, candidates=(candidate,))
    head = fit_from_cube(workspace, lesson, NOW)
    return keep(workspace, head, NOW).name


def run(workspace: Workspace, season: Season) -> Path:
    """Ingest, estimate and load a season, as the flow does; return where the estimates are staged."""
    (block,) = workspace.blocks.values()
    ingested = ingest_block(workspace, block, season, NOW)
    staged = estimate_block(workspace, block, season, ingested.listing)
    load_season(workspace, season, [ingested], [staged], NOW)
    return Path(staged.staged)


@pytest.fixture
def service(made: tuple[Path, str, str], tmp_path: Path) -> tuple[Workspace, str, str]:
    """A copy of that service that a test may change."""
    shutil.copytree(made[0], tmp_path / "w", ignore=shutil.ignore_patterns("staging"))
    return open_workspace(str(write_config(tmp_path / "w"))), made[1], made[2]


def fresh(workspace: Workspace) -> Workspace:
    """The same installation as the next process sees it."""
    return Workspace(workspace.settings, workspace.science)


def models(workspace: Workspace, *arguments: object) -> Result:
    config = str(workspace.settings.config_file)
    return CliRunner().invoke(app, ["--config", config, "models", *map(str, arguments)])


def test_the_first_head_speaks_and_a_later_one_waits_for_its_promotion(
    service: tuple[Workspace, str, str],
) -> None:
    workspace, first, second = service
    assert workspace.shelf.promoted == first
    assert workspace.shelf.ids() == sorted((first, second))
    assert workspace.head.card.id == first


def test_a_comparison_changes_nothing_in_the_warehouse_and_promotes_nobody(
    service: tuple[Workspace, str, str],
) -> None:
    workspace, first, second = service
    before = content_digest(workspace.warehouse)
    compared = compare_heads(workspace, second, NOW)
    assert content_digest(workspace.warehouse) == before
    assert workspace.shelf.promoted == first
    assert (compared.now, compared.new.id) == (first, second)
    assert (compared.first, compared.season) == ("2021-Q4", "2024-Q4")


def test_every_woodland_stands_beside_itself_in_the_report(service: tuple[Workspace, str, str]) -> None:
    workspace, _, second = service
    compared = compare_heads(workspace, second, NOW)
    rows = {row.woodland: row for row in compared.woodlands}
    assert set(rows) == set(WOODS)
    with read(workspace.warehouse) as reader:
        means = {one.woodland_id: one.mean.mean() for one in reader.series("richness")}
    for name, row in rows.items():
        assert row.years == len(YEARS)
        assert row.mean_now == pytest.approx(means[name])
    # A head that only knows the mean says the same of every woodland in every year.
    assert len({round(row.mean_new, 6) for row in rows.values()}) == 1
    assert all(row.slope_new == pytest.approx(0, abs=1e-9) for row in rows.values())
    assert all(row.slope_now < -1 for row in rows.values())
    changes = [row.change for row in compared.by_change]
    assert changes == sorted(changes, reverse=True)


def test_after_the_promotion_the_next_runs_load_what_is_staged_already(
    service: tuple[Workspace, str, str],
) -> None:
    workspace, _, second = service
    compare_heads(workspace, second, NOW)
    staged = {path: path.stat().st_mtime_ns for path in workspace.staging.rglob("*.parquet")}
    promote_head(workspace, second, NOW)
    later = fresh(workspace)
    paths = [run(later, Season(year, 4)) for year in YEARS]
    assert all(staged[path] == path.stat().st_mtime_ns for path in paths)
    with read(later.warehouse) as reader:
        assert {row["head"] for row in reader.history()} == {second}
        assert {tuple(one.years.tolist()) for one in reader.series("richness")} == {YEARS}


def test_the_command_shows_the_report_writes_it_and_switches(service: tuple[Workspace, str, str]) -> None:
    workspace, first, second = service
    done = models(workspace, "promote", second)
    assert done.exit_code == 0, done.output
    assert f"head {second} promoted in place of {first}" in done.stderr
    assert "underwood backfill --from 2021-Q4 --to 2024-Q4" in done.stderr
    assert workspace.shelf.promoted == second
    folder = workspace.shelf.path(second)
    report = json.loads((folder / "promotion.json").read_text("utf-8"))
    assert report["summary"]["head now"] == first
    with (folder / "promotion.csv").open(newline="", encoding="utf-8") as file:
        assert {row["woodland"] for row in csv.DictReader(file)} == set(WOODS)
    assert "speaks for richness already" in models(workspace, "promote", second).stdout


def test_a_promotion_is_recorded_with_the_difference_it_was_decided_by(
    service: tuple[Workspace, str, str],
) -> None:
    workspace, first, second = service
    assert models(workspace, "promote", second).exit_code == 0
    with read_chain(workspace.warehouse) as chain:
        (row,) = chain.promotions("richness")
    assert (row["head_from"], row["head"]) == (first, second)
    assert row["encoder_from"] == row["encoder"] == "geotessera-1.1-cambridge"
    report = json.loads((workspace.shelf.path(second) / "promotion.json").read_text("utf-8"))
    assert json.loads(row["figures"]) == report["summary"]
    woodlands = json.loads(row["woodlands"])
    assert woodlands == report["woodlands"]
    assert {each["woodland"] for each in woodlands} == set(WOODS)
    assert {"alert_now", "alert_new", "mean_now", "mean_new"} <= woodlands[0].keys()


def test_while_somebody_loads_nothing_is_promoted(service: tuple[Workspace, str, str]) -> None:
    workspace, first, second = service
    compared = compare_heads(workspace, second, NOW)
    with lease(lease_path(workspace.warehouse)), pytest.raises(LeaseHeldError):
        record_promotion(workspace, compared, NOW, wait_s=0.0)
    assert workspace.shelf.promoted == first


def test_the_command_that_compares_writes_no_report_unless_asked(
    service: tuple[Workspace, str, str], tmp_path: Path
) -> None:
    workspace, first, second = service
    done = models(workspace, "compare", second, "--format", "json")
    assert {row["woodland"] for row in json.loads(done.stdout)} == set(WOODS)
    assert not (workspace.shelf.path(second) / "promotion.json").exists()
    assert models(workspace, "compare", second, "--out", tmp_path / "report").exit_code == 0
    assert (tmp_path / "report" / "promotion.csv").exists()
    assert workspace.shelf.promoted == first


def test_a_head_from_elsewhere_is_kept_before_it_is_promoted(
    service: tuple[Workspace, str, str], tmp_path: Path
) -> None:
    workspace, first, second = service
    shutil.move(workspace.shelf.path(second), tmp_path / "elsewhere")
    assert models(workspace, "compare", tmp_path / "elsewhere").exit_code == 0
    assert workspace.shelf.ids() == sorted((first, second))


def test_an_unknown_head_and_one_of_another_encoder_are_refused(
    service: tuple[Workspace, str, str],
) -> None:
    workspace, first, second = service
    unknown = models(workspace, "promote", "richness-000000000000").exception
    assert isinstance(unknown, ModelError)
    assert "not among the heads of richness" in str(unknown)
    folder = workspace.settings.config_file.parent
    other = open_workspace(str(write_config(folder, encoder="geotessera-1.1-dclimate")))
    with pytest.raises(CardMismatchError):
        promote_head(other, second, NOW)
    assert other.shelf.promoted == first


def test_without_a_history_there_is_nothing_to_compare_and_promotion_says_so(
    service: tuple[Workspace, str, str],
) -> None:
    workspace, _, second = service
    workspace.warehouse.unlink()
    refused = models(workspace, "compare", second).exception
    assert isinstance(refused, UnderwoodError)
    assert isinstance(refused, WarehouseError)
    done = models(workspace, "promote", second)
    assert done.exit_code == 0
    assert "no history yet" in done.stderr
    assert workspace.shelf.promoted == second


def test_every_head_and_encoder_is_listed(service: tuple[Workspace, str, str]) -> None:
    workspace, first, second = service
    rows = {row["head"]: row for row in json.loads(models(workspace, "heads", "--format", "json").stdout)}
    assert {name: row["promoted"] for name, row in rows.items()} == {first: True, second: False}
    assert {name: row["candidate"] for name, row in rows.items()} == {first: "ridge", second: "mean"}
    table = models(workspace).stdout
    assert first.split("-")[0] in table
    both = json.loads(models(workspace, "--format", "json").stdout)
    assert {row["kind"] for row in both} == {"head", "encoder"}
    assert "tessera-v2-nano" in json.dumps(both)


def test_a_damaged_head_is_told_beside_the_others(service: tuple[Workspace, str, str]) -> None:
    workspace, _, second = service
    (workspace.shelf.path(second) / "card.json").write_text("{")
    done = models(workspace, "heads")
    assert done.exit_code == 1
    assert "ridge" in done.stdout
    assert second in done.stderr
