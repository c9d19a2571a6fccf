"""A season on published embeddings: from a store to the warehouse, and nothing mixed on the way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import zarr
from published_service import (
    NORTH,
    WEST,
    WOODS,
    content_of,
    truth_of,
    write_config,
    write_world,
)
from published_world import EPSG, Field, write_store
from pyproj import Transformer

from flows.estimating.estimate import EstimateReceipt, estimate_block
from flows.ingesting.ingest import IngestReceipt, ingest_block
from flows.ingesting.listing import read_listing
from flows.load import LoadReceipt, load_season
from flows.modelling.training import gather, train
from flows.sources.field_samples.reading import read_samples
from flows.workspace import Workspace, open_workspace
from monitoring.errors import CardMismatchError, SeasonError, WarehouseError
from monitoring.scenes import Sensor
from monitoring.seasons import Season
from warehouse.reader import read

Underwood = Callable[..., Any]

SEASON = Season(2024, 4)
NOW = datetime(2026, 1, 15, tzinfo=UTC)


@pytest.fixture(scope="module")
def content() -> Field:
    """Two years of them."""
    return content_of((2023, 2024))


@pytest.fixture(scope="module")
def world(content: Field, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store, woodlands and field samples."""
    folder = tmp_path_factory.mktemp("world")
    return write_world(folder, content)


@pytest.fixture(scope="module")
def trained(world: Path) -> Path:
    """The world's service with a head trained on the store."""
    train(open_workspace(str(write_config(world))), NOW)
    return world


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained service that a test may change."""
    shutil.copytree(trained, tmp_path / "w", ignore=shutil.ignore_patterns("staging"))
    return tmp_path / "w"


def workspace_of(folder: Path, **more: str) -> Workspace:
    return open_workspace(str(write_config(folder, **more)))


def ingest(workspace: Workspace, season: Season = SEASON) -> IngestReceipt:
    (block,) = workspace.blocks.values()
    return ingest_block(workspace, block, season, NOW)


def run(
    workspace: Workspace, season: Season = SEASON, now: datetime = NOW
) -> tuple[IngestReceipt, EstimateReceipt, LoadReceipt]:
    (block,) = workspace.blocks.values()
    ingested = ingest_block(workspace, block, season, NOW)
    staged = estimate_block(workspace, block, season, ingested.listing)
    return ingested, staged, load_season(workspace, season, [ingested], [staged], now)


def history(workspace: Workspace) -> dict[str, dict[str, Any]]:
    with read(workspace.warehouse) as reader:
        return {row["woodland_id"]: dict(row) for row in reader.history()}


def change(folder: Path, name: str, where: tuple[Any, ...], value: float) -> None:
    array = zarr.open_group(folder / "v1.1", mode="r+")[f"utm30/{name}"]
    assert isinstance(array, zarr.Array)
    array[where] = value


def test_a_season_goes_from_the_store_to_the_warehouse(folder: Path) -> None:
    workspace = workspace_of(folder)
    ingested, _, loaded = run(workspace)
    assert (ingested.n_scenes, ingested.n_read, ingested.problems, loaded.problems) == (0, 0, (), ())
    rows = history(workspace)
    assert set(rows) == set(WOODS)
    for wood in ("oak", "ash", "edge"):
        assert rows[wood]["mean"] == pytest.approx(truth_of(wood, 2024), abs=1.0)
        assert rows[wood]["coverage"] == pytest.approx(1.0)
        assert rows[wood]["n_pixels"] == WOODS[wood][2] ** 2
    assert rows["pond"]["coverage"] == pytest.approx(0.75, abs=1e-3)
    assert {row["encoder"] for row in rows.values()} == {"geotessera-1.1-cambridge"}
    assert not (workspace.cube).exists()


def test_unknown_observation_counts_are_null_and_the_gate_says_that_it_did_not_judge_them(
    folder: Path,
) -> None:
    workspace = workspace_of(folder)
    run(workspace)
    columns = "n_s2, n_s1_ascending, n_s1_descending"
    with duckdb.connect(str(workspace.warehouse), read_only=True) as warehouse:
        assert set(warehouse.execute(f"select {columns} from estimate").fetchall()) == {(None, None, None)}
    with read(workspace.warehouse) as reader:
        checks = reader.quality()
    unjudged = {row["column_name"] for row in checks if row["expectation"] == "observations_not_judged"}
    assert unjudged == {"n_s2", "n_s1_ascending", "n_s1_descending"}
    assert not [row for row in checks if row["gate"] == "estimates" and row["column_name"] in unjudged
                and row["expectation"] != "observations_not_judged"]  # fmt: skip
    (source,) = [row for row in checks if row["expectation"] == "source_is_what_the_card_says"]
    assert "TESSERA 1.1, variant cambridge, build 0.11.0" in json.loads(source["observed"])


def test_counts_that_the_store_states_are_kept_and_judged(folder: Path, content: Field) -> None:
    counts = np.full(content.scales.shape, 20, np.uint16)
    row, column, edge = WOODS["ash"]
    counts[:, row : row + edge, column : column + edge] = 2
    shutil.rmtree(folder / "v1.1")
    write_store(folder / "v1.1", replace(content, counts={"s2_obs_count": counts}))
    workspace = workspace_of(folder)
    _, _, loaded = run(workspace)
    (problem,) = loaded.problems
    assert "woodland ash 2024-Q4: quarantined: 2 clear optical observations a pixel, 3 needed" in problem
    rows = history(workspace)
    assert set(rows) == {"oak", "pond", "edge"}
    assert rows["oak"]["n_s2"] == pytest.approx(20)
    assert np.isnan(rows["oak"]["n_s1_ascending"])


def test_running_a_season_again_adds_nothing_and_reads_no_chunk(folder: Path) -> None:
    workspace = workspace_of(folder)
    first, staged, _ = run(workspace)
    shutil.rmtree(folder / "v1.1" / "utm30" / "embeddings")
    again, staged_again, loaded = run(workspace)
    assert (again.listing, staged_again.inputs_hash) == (first.listing, staged.inputs_hash)
    assert loaded.n_rows_added == 0


@pytest.mark.parametrize("changed", ["a code", "a scale", "the build", "the address"])
def test_the_inputs_hash_names_the_address_the_build_and_every_byte(folder: Path, changed: str) -> None:
    before = run(workspace_of(folder))[1]
    store, more = folder / "v1.1", {}
    row, column, _ = WOODS["oak"]
    if changed == "a code":
        array = zarr.open_group(store, mode="r+")["utm30/embeddings"]
        assert isinstance(array, zarr.Array)
        change(folder, "embeddings", (1, 64, row, column), int(np.asarray(array[1, 64, row, column])) ^ 1)
    elif changed == "a scale":
        array = zarr.open_group(store, mode="r+")["utm30/scales"]
        assert isinstance(array, zarr.Array)
        change(
            folder, "scales", (1, row, column), np.nextafter(np.float32(array[1, row, column]), np.float32(1))
        )
    elif changed == "the build":
        zarr.open_group(store, mode="r+").attrs["geoemb:build_version"] = "0.11.1"
    else:
        (folder / "mirror").mkdir()
        shutil.move(store, folder / "mirror" / "v1.1")
        more = {"catalogue": "mirror/v1.1"}
    shutil.rmtree(folder / "service" / "staging")
    after = run(workspace_of(folder, **more))[1]
    assert after.inputs_hash != before.inputs_hash


def test_a_pixel_published_later_is_found_by_the_next_run(folder: Path, content: Field) -> None:
    row, column, _ = WOODS["oak"]
    change(folder, "scales", (1, row, column), np.inf)
    workspace = workspace_of(folder)
    run(workspace)
    assert history(workspace)["oak"]["n_pixels"] == 399
    change(folder, "scales", (1, row, column), float(content.scales[1, row, column]))
    run(workspace, now=NOW + timedelta(days=1))
    assert history(workspace)["oak"]["n_pixels"] == 400


def test_a_corrupt_scale_costs_its_pixel_and_is_said(folder: Path) -> None:
    row, column, _ = WOODS["oak"]
    change(folder, "scales", (1, slice(row, row + 2), column), 7e20)
    workspace = workspace_of(folder)
    ingested, _, _ = run(workspace)
    (problem,) = ingested.problems
    assert "2 of 2325 pixels" in problem
    assert "corrupt scale" in problem
    assert history(workspace)["oak"]["n_pixels"] == 398
    with read(workspace.warehouse) as reader:
        assert [row["gate"] for row in reader.quarantined()] == ["published"]


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_a_season_that_is_not_a_calendar_year_is_refused(folder: Path, quarter: int) -> None:
    with pytest.raises(SeasonError, match=f"2024-Q{quarter}: published embeddings are of calendar years"):
        ingest(workspace_of(folder), Season(2024, quarter))


def test_a_year_that_is_not_published_is_refused_in_words(folder: Path) -> None:
    receipt = ingest(workspace_of(folder), Season(2025, 4))
    assert "no pixel has an embedding of 2025" in receipt.refused
    assert "2325 not published" in receipt.refused
    assert receipt.problems[0].startswith("block 32630-")


def test_what_was_read_and_then_lost_is_not_guessed(folder: Path) -> None:
    workspace = workspace_of(folder)
    (block,) = workspace.blocks.values()
    receipt = ingest(workspace)
    (kept,) = (workspace.staging / SEASON.id).glob("*.npz")
    kept.write_bytes(kept.read_bytes()[:-100])
    with pytest.raises(WarehouseError, match="ingest the season again"):
        estimate_block(workspace, block, SEASON, receipt.listing)


def test_training_takes_each_samples_own_year_and_counts_years_that_are_not_published(
    trained: Path, content: Field
) -> None:
    workspace = workspace_of(trained)
    assert workspace.settings.samples is not None
    samples = read_samples(workspace.settings.samples, workspace.target).samples
    gathered = gather(workspace, samples, NOW)
    missing = np.isnan(gathered.embeddings).any(axis=1)
    years = np.array([sample.year for sample in gathered.samples])
    assert missing[years == 2019].all()
    assert missing[years != 2019].mean() < 0.1  # a few samples fell into the pond
    card = workspace.head.card
    assert (card.encoder_id, card.n_dropped) == ("geotessera-1.1-cambridge", int(missing.sum()))
    assert card.domain.years == (2023, 2024)
    assert card.scores.r2.estimate is not None
    assert card.scores.r2.estimate > 0.8
    to_zone = Transformer.from_crs(4326, EPSG, always_xy=True)
    for sample, embedding in list(zip(gathered.samples, gathered.embeddings, strict=True))[:20]:
        easting, northing = to_zone.transform(sample.longitude, sample.latitude)
        row, column = int((NORTH - northing) // 10), int((easting - WEST) // 10)
        if sample.year != 2019:
            np.testing.assert_array_equal(embedding, content.value(row, column, sample.year - 2023))


def test_a_head_of_one_variant_refuses_the_embeddings_of_another(folder: Path, content: Field) -> None:
    root = {"geotessera:source_store": "s3://bucket/v1.1/dclimate.icechunk"}
    write_store(folder / "v1.1-dclimate", content, root=root)
    other = workspace_of(folder, catalogue="v1.1-dclimate", encoder="geotessera-1.1-dclimate")
    with pytest.raises(
        CardMismatchError, match=r"belongs to encoder geotessera-1\.1-cambridge, not to geotessera"
    ):
        run(other)
    with pytest.raises(CardMismatchError, match="say dclimate"):
        ingest(workspace_of(folder, catalogue="v1.1-dclimate"))
    computed = workspace_of(folder, encoder="tessera-v2-nano", source="simulated")
    with pytest.raises(CardMismatchError, match="belongs to encoder geotessera"):
        _ = computed.head


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"source": "planetary-computer"}, "embeddings are read, with source = 'geotessera'"),
        ({"encoder": "tessera-v2-nano"}, "embeddings are computed, not with source = 'geotessera'"),
    ],
)
def test_an_encoder_and_a_source_that_disagree_are_refused(
    folder: Path, more: dict[str, str], said: str
) -> None:
    with pytest.raises(CardMismatchError, match=said):
        ingest(workspace_of(folder, **more))


def test_training_on_a_store_of_another_variant_is_refused(folder: Path) -> None:
    with pytest.raises(
        CardMismatchError, match=r"say cambridge; encoder geotessera-1\.1-dclimate needs dclimate"
    ):
        train(workspace_of(folder, encoder="geotessera-1.1-dclimate"), NOW)


def test_estimates_of_two_variants_stand_beside_each_other_and_are_never_one_series(
    folder: Path, content: Field
) -> None:
    first = workspace_of(folder)
    run(first, Season(2023, 4))
    write_store(folder / "v1.1-dclimate", content)
    other = workspace_of(folder, catalogue="v1.1-dclimate", encoder="geotessera-1.1-dclimate")
    train(other, NOW)
    run(other, SEASON)
    with read(other.warehouse) as reader:
        rows = reader.history()
        (series, *_) = reader.series("richness")
    assert {(row["season"], row["encoder"]) for row in rows} == {("2024-Q4", "geotessera-1.1-dclimate")}
    assert series.years.tolist() == [2024]


def test_the_listing_holds_no_scene_and_names_what_was_read(folder: Path) -> None:
    workspace = workspace_of(folder)
    listing = read_listing(Path(ingest(workspace).listing))
    assert listing.scenes == ()
    assert len(listing.published) == 64
    assert [check.expectation for check in listing.checks] == [
        "source_is_what_the_card_says",
        "scales_are_sound",
        "pixels_have_an_embedding",
        "observations_are_counted",
    ]
    (check,) = [check for check in listing.checks if check.expectation == "pixels_have_an_embedding"]
    assert check.observed == "2225 embedded, 100 water"
    (check,) = [check for check in listing.checks if check.expectation == "observations_are_counted"]
    assert all(sensor.value in check.observed for sensor in Sensor)


@pytest.mark.slow
def test_the_command_line_runs_seasons_on_published_embeddings(
    world: Path, tmp_path: Path, underwood: Underwood
) -> None:
    folder = tmp_path / "w"
    shutil.copytree(world, folder, ignore=shutil.ignore_patterns("service", "v1.1"))
    write_store(folder / "v1.1", content_of((2022, 2023, 2024)))
    config = str(write_config(folder))
    for arguments in (
        ("train",),
        ("doctor",),
        ("backfill", "--from", "2022-Q4", "--to", "2024-Q4", "--final-only"),
    ):
        done = underwood("--config", config, *arguments, cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr
    answer = underwood("--config", config, "history", "oak", "--format", "json", cwd=folder)
    means = {row["season"]: row["mean"] for row in json.loads(answer.stdout)}
    assert means == {
        f"{year}-Q4": pytest.approx(truth_of("oak", year), abs=1.0) for year in (2022, 2023, 2024)
    }
    out = folder / "report.pdf"
    asked = ("report", "--season", "2024-Q4", "--at", "2026-02-15", "--out", str(out))
    report = underwood("--config", config, *asked, cwd=folder)
    assert report.returncode == 0, report.stderr
    provisional = underwood("--config", config, "run", "--season", "2024-Q3", cwd=folder)
    assert provisional.returncode == 2
    assert provisional.stderr.strip().splitlines()[-1].startswith("underwood: season 2024-Q3: published")
