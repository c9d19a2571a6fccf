"""Vegetation indices of each acquisition and woodland: a quality series beside richness, staged by quarter.

Scenes of a quarter are staged once, whichever of the four seasons they belong to comes first.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
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
from monitoring.series import PixelSeries, SensorSeries
from warehouse.records import IndexRow
from warehouse.staging import read_rows, write_rows

#: Documents of view angles asked for at once.
DOCUMENTS_AT_ONCE = 8


def stage_indices(
    workspace: Workspace, block: Block, scenes: Sequence[Scene], series: PixelSeries
) -> tuple[LeftOut, ...]:
    """Stage the indices of every optical scene not staged yet; return the scenes whose angles fail.

    series: the scenes' pixels. A scene without usable angles, though it offers some, is tried again in the
    next run: reflectance seen from the side does not stand beside what was adjusted.
    """
    failed: list[LeftOut] = []
    quarters: dict[str, list[Scene]] = defaultdict(list)
    for scene in scenes:
        if scene.sensor is Sensor.S2:
            quarters[quarter_of(scene)].append(scene)
    clear = clear_observations(series.s2, ClearRule(UNCLEAR_CLASSES))
    row = {scene_id: number for number, scene_id in enumerate(series.s2.scene_ids)}
    for quarter, members in sorted(quarters.items()):
        path = indices_path(workspace.staging, block, quarter)
        kept = _kept(path)
        new = [scene for scene in members if scene.id not in {each.scene_id for each in kept}]
        found, blind = _of_scenes(workspace, block, new, series.s2, clear, row)
        failed += blind
        if found:
            rows = sorted(
                (*kept, *found), key=lambda each: (each.scene_id, each.woodland_id, each.index_name)
            )
            write_rows(path, IndexRow, rows)
    return tuple(failed)


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
    workspace: Workspace,
    block: Block,
    scenes: Sequence[Scene],
    optical: SensorSeries,
    clear: np.ndarray[tuple[int, int], np.dtype[np.bool_]],
    row: dict[str, int],
) -> tuple[list[IndexRow], list[LeftOut]]:
    def of(scene: Scene) -> list[IndexRow] | LeftOut:
        at = row[scene.id]
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
        outcomes = list(readers.map(of, scenes))
    found = [one for outcome in outcomes if isinstance(outcome, list) for one in outcome]
    return found, [outcome for outcome in outcomes if isinstance(outcome, LeftOut)]


def _is_seen(block: Block, clear: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> bool:
    """True where enough of any woodland is clear; else the angles need not be fetched."""
    share = (block.coverage @ clear) / block.coverage.sum(axis=1)
    return bool((share >= MIN_COVERAGE).any())
