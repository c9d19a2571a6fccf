"""A moved edge, run again: only the new ground is read, and the old polygon's history stays what it was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from ingest_world import as_new_process, write_woods

from flows.archive import make_archive
from flows.estimating.estimate import estimate_block
from flows.ingesting.ingest import ingest_block
from flows.load import load_season
from flows.modelling.training import keep
from flows.releases.loading import load_release
from flows.workspace import Workspace, open_workspace
from models.heads.fitting import Fitting, fit_head
from models.heads.head import Head
from models.heads.samples import Labels
from monitoring.errors import BoundaryError
from monitoring.scenes import Sensor
from monitoring.seasons import Season
from monitoring.series import PixelSeries
from monitoring.woodlands import boundary_digest
from warehouse.cube import find_cube, open_cube
from warehouse.publish import publish
from warehouse.reader import read

WriteSettings = Callable[..., Path]
SEASONS = (Season(2023, 4), Season(2024, 4))
NOW, LATER = datetime(2025, 6, 1, tzinfo=UTC), datetime(2025, 7, 1, tzinfo=UTC)
STILL, MOVING = "HF-001", "HF-002"


def run(workspace: Workspace, season: Season, now: datetime) -> int:
    """Run a season as the flow does, up to the snapshot; return how many scenes were read."""
    ingested = [ingest_block(workspace, block, season, now) for block in workspace.blocks.values()]
    staged = [
        estimate_block(workspace, workspace.blocks[one.block_id], season, one.listing) for one in ingested
    ]
    load_season(workspace, season, ingested, staged, now)
    publish(workspace.warehouse, workspace.published)
    return sum(one.n_read for one in ingested)


def some_head(workspace: Workspace) -> Head:
    """A head that fits the encoder; what it predicts is of no matter here."""
    random = np.random.default_rng(1)
    embeddings = random.normal(size=(60, workspace.encoder_card.dims)).astype(np.float32)
    labels = Labels(
        ids=tuple(f"S{number}" for number in range(60)),
        value=100 + random.normal(size=60),
        coordinates=np.column_stack([random.uniform(-3, 0, 60), random.uniform(51, 54, 60)]),
        effort=np.full((60, 1), 8000.0),
        year=np.full(60, 2023, np.int64),
    )
    how = Fitting(candidates=("mean",))
    return fit_head(embeddings, labels, workspace.target, workspace.encoder_card, how)


def cells_of(workspace: Workspace) -> list[tuple[int, int]]:
    """The (column, row) of each pixel of the one block, in its order."""
    (block,) = workspace.blocks.values()
    return list(zip(block.pixels.column.tolist(), block.pixels.row.tolist(), strict=True))


def stored(workspace: Workspace) -> PixelSeries:
    (block,) = workspace.blocks.values()
    cube = find_cube(workspace.cube, block)
    assert cube is not None
    return cube.read(SEASONS[0].start, SEASONS[-1].end)


def widened(path: Path) -> Path:
    """The same woodlands, one with an edge 5 m further out."""
    frame = gpd.read_file(path).to_crs(32630)
    is_moving = frame["wood_id"] == MOVING
    frame.loc[is_moving, "geometry"] = frame.loc[is_moving, "geometry"].buffer(5)
    out = path.with_name("second.gpkg")
    frame.to_crs(4326).to_file(out, driver="GPKG", layer="woodlands")
    return out


def estimates(workspace: Workspace) -> list[tuple[object, ...]]:
    """Every estimate ever recorded, by woodland, season, polygon, value and inputs."""
    names = ("woodland_id", "season", "boundary", "mean", "sd", "inputs_hash", "recorded_at")
    with read(workspace.published) as reader:
        return [tuple(row[name] for name in names) for row in reader.tables.estimates().select(*names).rows]


@pytest.mark.slow
def test_a_moved_edge_is_backfilled_from_its_new_pixels_only(
    tmp_path: Path, write_settings: WriteSettings
) -> None:
    years = [season.year for season in SEASONS]
    archive = make_archive(tmp_path / "archive", years=years, processes=1).directory
    first = write_woods(tmp_path / "first.gpkg", archive / "woodlands.gpkg", [STILL, MOVING])
    before = open_workspace(str(write_settings(tmp_path, archive, woodlands=first)))
    keep(before, some_head(before), NOW)
    n_scenes = [run(as_new_process(before), season, NOW) for season in SEASONS]
    old_cells, old_series = cells_of(before), stored(before)
    old_estimates = estimates(before)
    assert len(old_estimates) == 4

    second = widened(first)
    where = {"warehouse": before.warehouse, "published": before.published}
    assert load_release(second, "2", None, **where, now=LATER, wait_s=0) is not None
    with pytest.raises(BoundaryError, match="name its file instead"):
        assert as_new_process(before).blocks

    after = open_workspace(str(write_settings(tmp_path, archive, woodlands=second)))
    (block,) = after.blocks.values()
    cells = cells_of(after)
    is_new = np.array([cell not in set(old_cells) for cell in cells])
    assert 0 < is_new.sum() < len(old_cells) / 2
    grown = open_cube(after.cube, block)
    lacking = grown.lacking(grown.held())
    assert len(lacking) == sum(n_scenes)
    # each scene is read for this ground, and for nothing else
    assert all(sorted(places) == np.flatnonzero(is_new).tolist() for places in lacking.values())

    assert [run(as_new_process(after), season, LATER) for season in SEASONS] == n_scenes
    assert open_cube(after.cube, block).lacking(grown.held()) == {}
    series = stored(after)
    for sensor in Sensor:
        assert np.array_equal(series.of(sensor).values[:, ~is_new], old_series.of(sensor).values)

    found = estimates(after)
    assert set(old_estimates) < set(found)
    (moving,) = (wood for wood in after.woodlands if wood.id == MOVING)
    boundary = boundary_digest(moving.geometry)
    assert {row[1] for row in found if row[2] == boundary} == {season.id for season in SEASONS}
    with read(after.published) as reader:
        spoken = [row for row in reader.tables.estimates(MOVING).rows if row["is_current"]]
        assert [row["season"] for row in reader.history(MOVING)] == [season.id for season in SEASONS]
    assert {row["boundary"] for row in spoken} == {boundary}
    assert [run(as_new_process(after), season, LATER) for season in SEASONS] == [0, 0]
    assert estimates(after) == found
