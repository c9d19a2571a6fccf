"""Ingest: each scene is read once, what cannot be read is left out by name, and nothing else suffers."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from ingest_world import write_woods

from flows.ingesting.ingest import ingest_block
from flows.ingesting.listing import LeftOut, Listing, read_listing, write_listing
from flows.workspace import Workspace, open_workspace
from monitoring.errors import WarehouseError
from monitoring.scenes import S2_BANDS, Scene, Sensor
from monitoring.seasons import Season
from warehouse.cube import open_cube

WriteSettings = Callable[..., Path]
SEASON = Season(2025, 4)
#: Woodlands of the first park, far apart.
FAR_APART = ["HF-002", "HF-011", "HF-023"]
NOW = datetime(2026, 1, 15, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def year(one_year: Callable[[int], Path]) -> Path:
    """One year of the simulated archive."""
    return one_year(SEASON.year)


@pytest.fixture
def workspace(tmp_path: Path, year: Path, write_settings: WriteSettings) -> Workspace:
    """A service on a copy of that year that a test may damage."""
    shutil.copytree(year, tmp_path / "archive")
    woods = write_woods(tmp_path / "woods.gpkg", year / "woodlands.gpkg", FAR_APART)
    return open_workspace(str(write_settings(tmp_path, tmp_path / "archive", woodlands=woods)))


def first_block(workspace: Workspace) -> str:
    return min(workspace.blocks)


def band_files(workspace: Workspace, scene: Scene) -> list[Path]:
    return [Path(href) for _, href in scene.hrefs]


def test_a_scene_is_read_once_and_never_again(workspace: Workspace) -> None:
    block = workspace.blocks[first_block(workspace)]
    first, again = (ingest_block(workspace, block, SEASON, NOW) for _ in range(2))
    assert first.n_read == first.n_scenes > 30
    assert again.n_read == 0
    assert read_listing(Path(first.listing)).scene_ids == read_listing(Path(again.listing)).scene_ids
    series = open_cube(workspace.cube, block).read(SEASON.start, SEASON.end)
    assert series.scene_ids == read_listing(Path(first.listing)).scene_ids


def darken(path: Path) -> None:
    """Make every value of a band at most 500, as in deep shade."""
    with rasterio.open(path) as file:
        profile, values = file.profile, file.read()
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.minimum(values, 500))


def test_each_offset_rule_has_a_cube_of_its_own(
    workspace: Workspace, tmp_path: Path, write_settings: WriteSettings
) -> None:
    block = workspace.blocks[first_block(workspace)]
    woods = workspace.settings.woodlands
    settings = write_settings(tmp_path, tmp_path / "archive", woodlands=woods, offset_rule="as-published")
    other = open_workspace(str(settings))
    scene, *_ = (
        each
        for each in workspace.catalogue.scenes(block.pixels.bbox, SEASON.start, SEASON.end)
        if each.sensor is Sensor.S2
    )
    darken(Path(scene.href("B02")))
    first, second = (ingest_block(each, block, SEASON, NOW).n_read for each in (workspace, other))
    assert first == second > 30
    corrected, published = (
        open_cube(each.cube, block).read(SEASON.start, SEASON.end).s2.values for each in (workspace, other)
    )
    dark = published != corrected
    assert set(np.argwhere(dark)[:, 2].tolist()) == {S2_BANDS.index("B02")}
    assert (published[dark] == 500).all()  # left as delivered, where brighter ones have 1000 taken off
    assert (corrected[dark] == 1).all()


def test_a_truncated_band_costs_its_scene_only_and_is_read_when_mended(workspace: Workspace) -> None:
    block = workspace.blocks[first_block(workspace)]
    offered = workspace.catalogue.scenes(block.pixels.bbox, SEASON.start, SEASON.end)
    hurt = next(scene for scene in offered if scene.epsg == block.pixels.epsg)
    file = band_files(workspace, hurt)[0]
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    receipt = ingest_block(workspace, block, SEASON, NOW)
    (problem,) = receipt.problems
    assert hurt.id in problem
    assert "\n" not in problem
    assert hurt.id not in read_listing(Path(receipt.listing)).scene_ids
    file.write_bytes(whole)
    mended = ingest_block(workspace, block, SEASON, NOW)
    assert (mended.n_read, mended.problems) == (1, ())
    assert mended.n_scenes == receipt.n_scenes + 1


def test_a_season_with_too_few_scenes_is_refused_whole(workspace: Workspace) -> None:
    block = workspace.blocks[first_block(workspace)]
    receipt = ingest_block(workspace, block, Season(2024, 4), NOW)
    assert receipt.n_scenes == receipt.n_read == 0
    assert "optical scenes" in receipt.refused
    assert block.id in receipt.problems[0]
    assert "2024-Q4" in receipt.problems[0]
    assert read_listing(Path(receipt.listing)).left_out == ()


def test_a_listing_keeps_no_signature_of_an_address(workspace: Workspace, tmp_path: Path) -> None:
    block = workspace.blocks[first_block(workspace)]
    (scene, *_) = workspace.catalogue.scenes(block.pixels.bbox, SEASON.start, SEASON.end)
    signed = dataclasses.replace(scene, hrefs=(("B04", "https://user:pass@host.example/a.tif?sig=secret"),))
    left_out = (LeftOut("pixels", "other", "damaged"),)
    listing = Listing(block.id, SEASON.id, (signed,), left_out, ())
    path = write_listing(tmp_path / "listing.json", listing)
    assert "secret" not in path.read_text()
    assert "pass" not in path.read_text()
    back = read_listing(path)
    assert back.scenes[0].hrefs == (("B04", "https://host.example/a.tif"),)
    assert dataclasses.replace(back, scenes=(signed,)) == listing


@pytest.mark.parametrize("content", ["", "{}", '{"block_id": 1}', "[]"])
def test_a_damaged_listing_says_what_to_do(tmp_path: Path, content: str) -> None:
    path = tmp_path / "listing.json"
    path.write_text(content)
    with pytest.raises(WarehouseError, match="ingest the season again"):
        read_listing(path)
