"""Rebuild: an old estimate computed again is the same to the last bit, or what is not the same is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest
from ingest_world import write_woods
from published_service import WOODS, content_of, write_config, write_samples, write_world
from typer.testing import CliRunner, Result

from flows.cli import app
from flows.estimating.estimate import estimate_block
from flows.ingesting.ingest import ingest_block
from flows.load import load_season
from flows.modelling.promotion import promote_head
from flows.modelling.training import Lesson, fit_from_cube, keep
from flows.provenance.rebuild import FIGURES, Rebuilt, rebuild
from flows.workspace import Workspace, open_workspace
from models.heads.fitting import Fitting, fit_head
from models.heads.head import Head
from models.heads.samples import Labels
from monitoring.errors import SettingsError, WarehouseError
from monitoring.seasons import Season
from warehouse.answering.provenance import read_chain
from warehouse.content import content_digest
from warehouse.publish import publish

WriteSettings = Callable[..., Path]

SEASON = Season(2024, 4)
NOW = datetime(2025, 3, 15, 3, tzinfo=UTC)
LATER = NOW + timedelta(days=300)
BETWEEN = "2025-04-01"
#: Woodlands of the first park of the archive, far apart.
FAR_APART = ["HF-002", "HF-011", "HF-023"]


def as_new_process(config: Path) -> Workspace:
    """The service with nothing opened yet."""
    known = open_workspace(str(config))
    return Workspace(known.settings, known.science)


def run_season(workspace: Workspace, now: datetime) -> None:
    """Ingest, estimate, load and publish the season, as the flow does."""
    blocks = workspace.blocks.values()
    ingested = [ingest_block(workspace, block, SEASON, now) for block in blocks]
    staged = [estimate_block(workspace, workspace.blocks[r.block_id], SEASON, r.listing) for r in ingested]
    load_season(workspace, SEASON, ingested, staged, now)
    publish(workspace.warehouse, workspace.published)


def rebuilt(config: Path, as_of: datetime | None = None) -> dict[str, Rebuilt]:
    """Every estimate of the season that held then, rebuilt, by woodland."""
    workspace = as_new_process(config)
    with read_chain(workspace.published) as chain:
        names = [row["woodland_id"] for row in chain.estimates_of_season(SEASON.id)]
        rows = [row for name in names for row in chain.estimates(name, SEASON.id, None, as_of)]
        return {each.woodland_id: each for each in rebuild(workspace, chain, rows)}


def underwood(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--config", str(config), *arguments])


def change(published: Path, statement: str, values: Sequence[object] = ()) -> None:
    """Change a snapshot behind everybody's back."""
    with duckdb.connect(str(published)) as connection:
        connection.execute(statement, values)


# --- a service on published embeddings: seconds


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A service with one season of four woodlands by its first head, and the ids of both of its heads."""
    folder = write_world(tmp_path_factory.mktemp("made"), content_of((2024,)))
    write_samples(folder / "samples.csv", years=[2024], n=400)
    workspace = open_workspace(str(write_config(folder)))
    first, second = (fitted(workspace, name) for name in ("ridge", "mean"))
    run_season(workspace, NOW)
    return folder, first, second


def fitted(workspace: Workspace, candidate: str) -> str:
    assert workspace.settings.samples is not None
    lesson = Lesson(workspace.target, workspace.settings.samples, candidates=(candidate,))
    return keep(workspace, fit_from_cube(workspace, lesson, NOW), NOW).name


@pytest.fixture
def config(made: tuple[Path, str, str], tmp_path: Path) -> Path:
    """The settings of a copy of that service that a test may change."""
    shutil.copytree(made[0], tmp_path / "w")
    return write_config(tmp_path / "w", catalogue=str(made[0] / "v1.1"))


def test_every_woodland_of_a_season_rebuilds_to_the_last_bit(config: Path) -> None:
    found = rebuilt(config)
    assert set(found) == set(WOODS)
    for outcome in found.values():
        assert (outcome.trouble, outcome.notes, outcome.is_equal) == ("", (), True)
        assert {figure.column for figure in outcome.figures} == set(FIGURES)
        assert next(f.stored for f in outcome.figures if f.column == "mean") is not None


def test_nothing_is_written_by_a_rebuild(config: Path) -> None:
    workspace = as_new_process(config)
    before = content_digest(workspace.warehouse), sorted(workspace.settings.home.rglob("*"))
    done = underwood(config, "rebuild", "--all-of", SEASON.id)
    assert done.exit_code == 0, done.output
    assert "4 rebuilt: 4 equal bit for bit" in done.stderr
    assert (content_digest(workspace.warehouse), sorted(workspace.settings.home.rglob("*"))) == before


def test_an_old_estimate_rebuilds_with_its_old_head_after_another_was_promoted(
    config: Path, made: tuple[Path, str, str]
) -> None:
    _, first, second = made
    promote_head(as_new_process(config), second, LATER)
    run_season(as_new_process(config), LATER)
    for as_of, head in ((NOW, first), (None, second)):
        with read_chain(as_new_process(config).published) as chain:
            (row,) = chain.estimates("oak", SEASON.id, "richness", as_of)
        assert row["head"] == head
        assert all(outcome.is_equal for outcome in rebuilt(config, as_of).values())
    done = underwood(config, "rebuild", f"oak/{SEASON.id}", "--as-of", BETWEEN, "--format", "json")
    assert done.exit_code == 0
    assert {row["equal"] for row in json.loads(done.stdout)} == {True}


def test_a_figure_off_by_its_last_bit_is_found_out(config: Path) -> None:
    published = as_new_process(config).published
    (mean,) = duckdb.connect(str(published)).execute(
        "select mean from current_estimate where woodland_id = 'ash'"
    ).fetchone()  # fmt: skip
    tampered = float(np.nextafter(mean, np.inf))
    change(published, "update current_estimate set mean = ? where woodland_id = 'ash'", [tampered])
    found = rebuilt(config)
    assert {name for name, outcome in found.items() if not outcome.is_equal} == {"ash"}
    (figure,) = (figure for figure in found["ash"].figures if not figure.is_equal)
    assert (figure.column, figure.stored, figure.rebuilt) == ("mean", tampered, mean)
    done = underwood(config, "rebuild", "--all-of", SEASON.id)
    assert done.exit_code == 1
    assert repr(tampered)[:8] in done.stdout.replace("\n", "")
    assert "3 equal bit for bit, 1 not equal" in done.stderr


def test_a_head_that_is_not_kept_any_more_is_named(config: Path, made: tuple[Path, str, str]) -> None:
    workspace = as_new_process(config)
    shutil.rmtree(workspace.shelf.path(made[1]))
    done = underwood(config, "rebuild", f"oak/{SEASON.id}")
    assert done.exit_code == 1
    assert f"head '{made[1]}': not among the heads of richness" in done.stderr
    assert "1 could not be rebuilt" in done.stderr


def test_other_weights_of_the_same_name_are_refused(config: Path, made: tuple[Path, str, str]) -> None:
    change(as_new_process(config).published, "update model_card set sha256 = 'f00d' where id = ?", [made[1]])
    assert {"recorded is f00d" in each.trouble for each in rebuilt(config).values()} == {True}


def test_choices_that_are_not_those_of_the_estimate_are_refused(config: Path) -> None:
    change(as_new_process(config).published, "update run set science = '{}'")
    assert all("its recorded choices are" in each.trouble for each in rebuilt(config).values())


def test_inputs_that_are_not_known_any_more_make_no_rebuild(config: Path) -> None:
    shutil.rmtree(as_new_process(config).staging)
    troubles = {each.trouble.partition("are known any more")[2] for each in rebuilt(config).values()}
    assert troubles == {": no scene of its block is recorded and no listing is staged"}


def test_another_version_of_the_code_is_told_and_rebuilds(config: Path) -> None:
    change(as_new_process(config).published, "update run set code_version = '0.0.1'")
    done = underwood(config, "rebuild", f"oak/{SEASON.id}")
    assert done.exit_code == 0
    assert "note: version 0.0.1 then" in done.stderr


def test_one_estimate_or_one_season_is_asked_for(config: Path) -> None:
    for arguments in ([], ["oak/2024-Q4", "--all-of", "2024-Q4"]):
        assert isinstance(underwood(config, "rebuild", *arguments).exception, SettingsError)
    unknown = underwood(config, "rebuild", "elm/2024-Q4").exception
    assert isinstance(unknown, WarehouseError)
    assert str(unknown) == "estimate of richness for woodland 'elm' in 2024-Q4: not in the warehouse"


# --- a service on the scenes of the simulated archive


@pytest.fixture(scope="module")
def observed(
    tmp_path_factory: pytest.TempPathFactory, one_year: Callable[[int], Path], write_settings: WriteSettings
) -> Path:
    """The settings of a service with one season of three woodlands, made from scenes."""
    folder = tmp_path_factory.mktemp("observed")
    archive = one_year(SEASON.year)
    woods = write_woods(folder / "woods.gpkg", archive / "woodlands.gpkg", FAR_APART)
    config = write_settings(folder, archive, woodlands=woods, device="cpu")
    workspace = open_workspace(str(config))
    keep(workspace, some_head(workspace), NOW)
    run_season(workspace, NOW)
    return config


def some_head(workspace: Workspace) -> Head:
    """A head that fits the encoder; what it predicts is of no matter here."""
    random = np.random.default_rng(1)
    embeddings = random.normal(size=(60, workspace.encoder_card.dims)).astype(np.float32)
    labels = Labels(
        ids=tuple(f"S{number}" for number in range(60)),
        value=100 + 5 * embeddings[:, 0] + random.normal(size=60),
        coordinates=np.column_stack([random.uniform(-3, 0, 60), random.uniform(51, 54, 60)]),
        effort=np.full((60, 1), 8000.0),
        year=np.full(60, 2024, np.int64),
    )
    how = Fitting(candidates=("ridge",))
    return fit_head(embeddings, labels, workspace.target, workspace.encoder_card, how)


@pytest.fixture
def service(
    observed: Path, tmp_path: Path, one_year: Callable[[int], Path], write_settings: WriteSettings
) -> Path:
    """The settings of a copy of that service that a test may damage."""
    home = observed.parent
    shutil.copytree(home / "service", tmp_path / "service")
    archive = one_year(SEASON.year)
    return write_settings(tmp_path, archive, woodlands=home / "woods.gpkg", device="cpu")


@pytest.mark.slow
def test_what_was_made_from_scenes_rebuilds_from_the_cube_alone(service: Path) -> None:
    workspace = as_new_process(service)
    shutil.rmtree(workspace.staging)
    shutil.rmtree(workspace.looks)
    found = rebuilt(service)
    assert set(found) == set(FAR_APART)
    assert [outcome.trouble for outcome in found.values()] == ["", "", ""]
    assert all(outcome.is_equal for outcome in found.values())
    assert not workspace.staging.exists()


@pytest.mark.slow
def test_the_recorded_scenes_are_used_and_none_that_came_later_or_was_replaced(service: Path) -> None:
    published = as_new_process(service).published
    later = "'2025-05-01'::timestamp"
    copies = "select season, block_id, source, 'later-' || scene_id, {} from season_scene limit 3"
    change(published, "insert into scene select * replace ('later-' || id as id) from scene")
    change(published, f"insert into season_scene {copies.format(later)}")
    assert all(outcome.is_equal for outcome in rebuilt(service).values())


@pytest.mark.slow
def test_a_scene_that_is_not_recorded_any_more_makes_it_no_rebuild(service: Path) -> None:
    workspace = as_new_process(service)
    shutil.rmtree(workspace.staging)
    change(
        workspace.published,
        "delete from season_scene where scene_id = (select min(scene_id) from season_scene)",
    )
    (trouble,) = {outcome.trouble.partition(";")[2] for outcome in rebuilt(service).values()}
    assert trouble == " 28 scenes were recorded for the block-season by then"


@pytest.mark.slow
def test_a_cube_that_is_gone_is_told_in_one_line(service: Path) -> None:
    shutil.rmtree(as_new_process(service).cube)
    done = underwood(service, "rebuild", "--all-of", SEASON.id)
    assert done.exit_code == 1
    assert "is not there any more" in done.stderr
    assert "3 could not be rebuilt" in done.stderr
    assert not as_new_process(service).cube.exists()
