"""Vegetation indices of each acquisition and woodland: a quality series beside richness, staged by quarter.

Scenes of a quarter are staged once, whichever of the four seasons they belong to comes first.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from flows.listing import LeftOut
from flows.sources.assets.angles import scene_factors
from flows.workspace import Workspace
from monitoring.clear import ClearRule, clear_observations
from monitoring.errors import PixelReadError, UnreachableError, WarehouseError
from monitoring.grid import Block
from monitoring.indices import MIN_COVERAGE, UNCLEAR_CLASSES, index_values
from monitoring.scenes import ANGLES, Scene, Sensor
from monitoring.seasons import Season
from monitoring.series import SensorSeries
from warehouse.cube import Cube
from warehouse.records import IndexRow
from warehouse.staging import read_rows, write_rows

#: Documents of view angles asked for at once.
DOCUMENTS_AT_ONCE = 8


def stage_indices(
    workspace: Workspace, block: Block, cube: Cube, season: Season, scenes: Sequence[Scene]
) -> tuple[LeftOut, ...]:
    """Stage the indices of every optical scene not staged yet; return the scenes whose angles fail.

    A scene without usable angles, though it offers some, is tried again in the next run: reflectance seen
    from the side does not stand beside what was adjusted.
    """
    optical = [scene for scene in scenes if scene.sensor is Sensor.S2]
    paths = {indices_path(workspace.staging, block, quarter_of(scene)) for scene in optical}
    kept = {path: _kept(path) for path in paths}
    staged = {row.scene_id for rows in kept.values() for row in rows}
    new = {scene.id: scene for scene in optical if scene.id not in staged}
    found: dict[Path, list[IndexRow]] = defaultdict(list)
    failed: list[LeftOut] = []
    for row in _rows(workspace, block, cube, season, new):
        if isinstance(row, LeftOut):
            failed.append(row)
        else:
            found[indices_path(workspace.staging, block, quarter_of(new[row.scene_id]))].append(row)
    for path, rows in found.items():
        every = sorted((*kept[path], *rows), key=lambda row: (row.scene_id, row.woodland_id, row.index_name))
        write_rows(path, IndexRow, every)
    return tuple(failed)


def _rows(
    workspace: Workspace, block: Block, cube: Cube, season: Season, scenes: Mapping[str, Scene]
) -> Iterator[IndexRow | LeftOut]:
    """Yield the indices of the scenes, a few scenes in memory at once."""
    if not scenes:
        return
    everywhere = np.arange(len(block.pixels))
    for part in cube.batches(Sensor.S2, season.start, season.end, everywhere):
        for outcome in _of_scenes(workspace, block, scenes, part.keep(scenes)):
            yield from [outcome] if isinstance(outcome, LeftOut) else outcome


def quarter_of(scene: Scene) -> str:
    """Return the quarter a scene was acquired in, such as `2024-Q2`."""
    return f"{scene.acquired_at.year}-Q{(scene.acquired_at.month + 2) // 3}"


def indices_path(staging: Path, block: Block, quarter: str) -> Path:
    """Return where the indices of a block's quarter lie; other woodlands or outlines make another file."""
    shape = hashlib.sha256(repr((block.woodland_ids, block.pixels.digest)).encode())
    shape.update(block.coverage.data.tobytes())
    return staging / "indices" / block.id / f"{quarter}.{shape.hexdigest()[:12]}.parquet"


def _kept(path: Path) -> tuple[IndexRow, ...]:
    try:
        return read_rows(path, IndexRow) if path.exists() else ()
    except WarehouseError:
        return ()  # damaged: computed again


def _of_scenes(
    workspace: Workspace, block: Block, scenes: Mapping[str, Scene], optical: SensorSeries
) -> list[list[IndexRow] | LeftOut]:
    clear = clear_observations(optical, ClearRule(UNCLEAR_CLASSES))

    def of(at: int) -> list[IndexRow] | LeftOut:
        scene = scenes[optical.scene_ids[at]]
        if not _is_seen(block, clear[at]):
            return []
        try:
            factors = scene_factors(scene, block.pixels, workspace.document)
        except (PixelReadError, UnreachableError) as error:
            return LeftOut(ANGLES, scene.id, f"{error}; its vegetation indices wait")
        values = index_values(
            scene, optical.values[at], clear[at], factors, block.woodland_ids, block.coverage
        )
        return [IndexRow.of(value) for value in values]

    with ThreadPoolExecutor(DOCUMENTS_AT_ONCE) as readers:
        return list(readers.map(of, range(len(optical.scene_ids))))


def _is_seen(block: Block, clear: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> bool:
    """True where enough of any woodland is clear; else the angles need not be fetched."""
    share = (block.coverage @ clear) / block.coverage.sum(axis=1)
    return bool((share >= MIN_COVERAGE).any())
