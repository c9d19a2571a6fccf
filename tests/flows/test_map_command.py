"""`underwood map` from a store of embeddings to a folder of rasters: the map says what the estimates say."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import geopandas as gpd
import numpy as np
import pystac
import pytest
import rasterio
import typer
from published_world import DIMS, EPSG, NAN, Field, write_store
from pyproj import Transformer
from shapely import box
from typer.testing import CliRunner

from flows.commands import maps
from flows.commands.session import Session
from flows.estimating.estimate import rows_of, season_embeddings
from flows.ingesting.ingest import ingest_block
from flows.ingesting.listing import read_listing
from flows.mapping.mapping import park_area, woodland_area, write_map
from flows.modelling.training import Lesson, fit_from_cube, keep
from flows.workspace import Workspace, open_workspace
from models.encoders.quantise import quantise
from monitoring.errors import SettingsError, WarehouseError
from monitoring.seasons import Season

SEASON, NOW = Season(2024, 4), datetime(2026, 1, 15, tzinfo=UTC)
WEST, NORTH, EDGE = 500_000, 5_900_000, 96
#: Woodland id -> (row, column, edge) in pixels; the pond holds five lines without embeddings.
WOODS = {"oak": (4, 4, 20), "pond": (40, 50, 20)}
#: Metres taken off the edges, so that degrees and back touch no further pixel.
SLIVER_M = 0.01


def richness_at(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The planted truth: expected taxa at a pixel."""
    return 40 + 12 * np.sin(rows / 30) + 8 * np.cos(columns / 20)


def write_embeddings(path: Path) -> None:
    rows, columns = np.mgrid[:EDGE, :EDGE]
    signals = np.array([richness_at(rows, columns) / 40, np.sin(rows / 9), np.ones_like(rows)], np.float64)
    values = np.einsum("khw,kd->hwd", signals, np.random.default_rng(3).normal(size=(3, DIMS)))
    codes, scales = quantise(values.astype(np.float32).reshape(-1, DIMS))
    field = Field(
        np.moveaxis(codes.reshape(1, EDGE, EDGE, DIMS), -1, 1),
        scales.reshape(1, EDGE, EDGE).copy(),
        (2024,),
        WEST,
        NORTH,
    )
    row, column, edge = WOODS["pond"]
    field.scales[:, row : row + 5, column : column + edge] = NAN
    write_store(path, field)


def write_samples(path: Path) -> None:
    random = np.random.default_rng(5)
    rows, columns = random.integers(0, EDGE, (2, 160))
    to_degrees = Transformer.from_crs(EPSG, 4326, always_xy=True)
    longitude, latitude = to_degrees.transform(WEST + 10 * columns + 5, NORTH - 10 * rows - 5)
    taxa = richness_at(rows, columns) + random.normal(0, 1, 160)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sample_id", "longitude", "latitude", "year", "richness", "reads"])
        for i in range(160):
            writer.writerow([f"S{i}", longitude[i], latitude[i], 2024, round(float(taxa[i]), 3), 10_000])


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The settings of a service with a store, two woodlands and a trained head."""
    folder = tmp_path_factory.mktemp("world")
    write_embeddings(folder / "v1.1")
    write_samples(folder / "samples.csv")
    squares = [
        box(WEST + 10 * c, NORTH - 10 * (r + e), WEST + 10 * (c + e), NORTH - 10 * r).buffer(-SLIVER_M)
        for r, c, e in WOODS.values()
    ]
    table = {"wood_id": list(WOODS), "name": list(WOODS), "status": "ASNW", "park": "Vale"}
    gpd.GeoDataFrame(table, geometry=squares, crs=EPSG).to_file(folder / "woodlands.gpkg")
    chosen = {
        "catalogue": "v1.1", "source": "geotessera", "encoder": "geotessera-1.1-cambridge",
        "woodlands": "woodlands.gpkg", "samples": "samples.csv", "home": "service",
    }  # fmt: skip
    path = folder / "underwood.toml"
    path.write_text("".join(f'{key} = "{value}"\n' for key, value in chosen.items()), "utf-8")
    service = open_workspace(str(path))
    lesson = Lesson(service.target, folder / "samples.csv", candidates=("ridge",))
    keep(service, fit_from_cube(service, lesson, NOW), NOW)
    return path


@pytest.fixture(scope="module")
def workspace(config: Path) -> Workspace:
    """The service."""
    return open_workspace(str(config))


def test_the_mean_of_a_map_is_the_estimate_of_its_woodland(workspace: Workspace, tmp_path: Path) -> None:
    (block,) = workspace.blocks.values()
    listing = read_listing(Path(ingest_block(workspace, block, SEASON, NOW).listing))
    embedded = season_embeddings(workspace, block, SEASON, listing, "inputs")
    estimates = {row.woodland_id: row for row in rows_of(workspace, block, SEASON, "inputs", *embedded)}
    for wood in WOODS:
        area = woodland_area(workspace, wood)
        (folder,) = write_map(workspace, area, SEASON, tmp_path / wood, NOW).folders
        with rasterio.open(folder / "mean.tif") as raster:
            mean = raster.read(1)
            assert raster.bounds[0] == WEST + 10 * WOODS[wood][1]
            assert raster.bounds[3] == NORTH - 10 * WOODS[wood][0]
        assert mean.shape == (20, 20)
        assert np.nanmean(mean, dtype=np.float64) == pytest.approx(estimates[wood].mean, rel=1e-4)
        assert np.isfinite(mean).sum() == estimates[wood].n_pixels
        with rasterio.open(folder / "applicability.tif") as raster:
            inside = raster.read(1)
        share = (inside == 1).sum() / (inside != 255).sum()
        assert share == pytest.approx(estimates[wood].applicable_share, abs=1e-4)


def test_a_map_shows_the_planted_richness_and_leaves_out_what_nobody_saw(
    workspace: Workspace, tmp_path: Path
) -> None:
    (folder,) = write_map(workspace, park_area(workspace, "Vale"), SEASON, tmp_path / "vale", NOW).folders
    with rasterio.open(folder / "mean.tif") as raster:
        mean = raster.read(1)
    assert mean.shape == (56, 66)
    rows, columns = np.mgrid[4:60, 4:70]
    known = np.isfinite(mean)
    assert known.sum() == 20 * 20 + 15 * 20
    assert not known[36:41].any()
    assert np.abs(mean - richness_at(rows, columns))[known].max() < 3
    item = pystac.Item.from_file(str(folder / "item.json"))
    assert item.properties["underwood:head"] == workspace.head.card.id
    assert item.properties["underwood:encoder"] == "geotessera-1.1-cambridge"


def test_a_folder_that_may_not_be_replaced_is_refused_before_anything_is_read(
    workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    nowhere = Season(2019, 4)  # nothing is published for it: reading it would be refused too
    with pytest.raises(WarehouseError, match="is there already; --force"):
        write_map(workspace, park_area(workspace, "Vale"), nowhere, tmp_path, NOW)


def test_a_season_without_embeddings_is_one_line(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match=r"^map of Vale 2019-Q4: [^\n]+$"):
        write_map(workspace, park_area(workspace, "Vale"), Season(2019, 4), tmp_path / "m", NOW)
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_the_folder_it_wrote(config: Path, tmp_path: Path) -> None:
    app = typer.Typer()
    app.callback()(lambda: None)
    maps.add_commands(app)
    out = tmp_path / "oak"
    arguments = ["map", "--woodland", "oak", "--season", "2024-Q4", "--out", str(out)]
    done = CliRunner().invoke(app, arguments, obj=Session(config, debug=False))
    assert (done.exit_code, done.output) == (0, f"{out}\n")
    assert (out / "item.json").is_file()


@pytest.mark.parametrize(("woodland", "park"), [(None, None), ("oak", "Vale")])
def test_a_map_is_of_one_woodland_or_of_one_park(woodland: str | None, park: str | None) -> None:
    with pytest.raises(SettingsError, match=r"^map: name one of --woodland and --park$"):
        maps.write(cast(typer.Context, None), "2024-Q4", Path("out"), woodland, park)
