"""Vegetation indices of each acquisition and woodland: a quality series beside richness, staged by quarter.

Scenes of a quarter are staged once, whichever of the four seasons they belong to comes first.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import numpy as np

from flows.ingesting.ledger import Entry, Failure, ledger_path, read_ledger, write_ledger
from flows.ingesting.listing import LeftOut
from flows.sources.addresses import is_web, shown
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
    workspace: Workspace, block: Block, cube: Cube, season: Season, scenes: Sequence[Scene], now: datetime
) -> tuple[LeftOut, ...]:
    """Stage the indices of every optical scene not staged yet; return the scenes whose angles fail.

    A scene without usable angles, though it offers some, is tried again in a later run, by the waits of a
    ledger of its own: reflectance seen from the side does not stand beside what was adjusted.
    """
    optical = [scene for scene in scenes if scene.sensor is Sensor.S2]
    paths = {indices_path(workspace.staging, block, quarter_of(scene)) for scene in optical}
    kept = {path: _kept(path) for path in paths}
    staged = {row.scene_id for rows in kept.values() for row in rows}
    new = [scene for scene in optical if scene.id not in staged]
    due, waiting = _due(angles_ledger_path(workspace.staging, block), new, now)
    found: dict[Path, list[IndexRow]] = defaultdict(list)
    failed: list[Failure] = []
    for row in _rows(workspace, block, cube, season, due):
        if isinstance(row, Failure):
            failed.append(row)
        else:
            found[indices_path(workspace.staging, block, quarter_of(due[row.scene_id]))].append(row)
    for path, rows in found.items():
        every = sorted((*kept[path], *rows), key=lambda row: (row.scene_id, row.woodland_id, row.index_name))
        write_rows(path, IndexRow, every)
    _note(angles_ledger_path(workspace.staging, block), due, failed, now)
    blind = (LeftOut(ANGLES, each.scene_id, f"{each.error}; its vegetation indices wait") for each in failed)
    return (*waiting, *blind)


def angles_ledger_path(staging: Path, block: Block) -> Path:
    """Return where the ledger of a block's angle documents lies: apart, so that no pixel waits for one."""
    return ledger_path(staging, f"{block.id}.angles")


def _due(path: Path, new: Sequence[Scene], now: datetime) -> tuple[dict[str, Scene], list[LeftOut]]:
    """Return the scenes whose angles may be asked for now, and those left alone for a while."""
    ledger = read_ledger(path)
    due, waiting = {}, []
    for scene in new:
        entry = ledger.waiting(scene.id, [(ANGLES, shown(dict(scene.hrefs).get(ANGLES, "")))], now)
        if entry is None:
            due[scene.id] = scene
        else:
            waiting.append(_waiting(entry))
    return due, waiting


def _waiting(entry: Entry) -> LeftOut:
    said = f"{entry.state} after {entry.attempts} attempts: {entry.error}; its vegetation indices wait"
    return LeftOut(ANGLES, entry.scene_id, said)


def _note(path: Path, due: Mapping[str, Scene], failed: Sequence[Failure], now: datetime) -> None:
    before = read_ledger(path)
    after = before.noting(failed, due.keys() - {each.scene_id for each in failed}, now)
    if after != before:
        write_ledger(path, after)


def _rows(
    workspace: Workspace, block: Block, cube: Cube, season: Season, scenes: Mapping[str, Scene]
) -> Iterator[IndexRow | Failure]:
    """Yield the indices of the scenes, a few scenes in memory at once."""
    if not scenes:
        return
    everywhere = np.arange(len(block.pixels))
    for part in cube.batches(Sensor.S2, season.start, season.end, everywhere):
        for outcome in _of_scenes(workspace, block, scenes, part.keep(scenes)):
            yield from [outcome] if isinstance(outcome, Failure) else outcome


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
) -> list[list[IndexRow] | Failure]:
    clear = clear_observations(optical, ClearRule(UNCLEAR_CLASSES))

    def of(at: int) -> list[IndexRow] | Failure:
        scene = scenes[optical.scene_ids[at]]
        if not _is_seen(block, clear[at]):
            return []
        try:
            factors = scene_factors(scene, block.pixels, workspace.document)
        except (PixelReadError, UnreachableError) as error:
            return _failure(scene, error)
        values = index_values(
            scene, optical.values[at], clear[at], factors, block.woodland_ids, block.coverage
        )
        return [IndexRow.of(value) for value in values]

    with ThreadPoolExecutor(DOCUMENTS_AT_ONCE) as readers:
        return list(readers.map(of, range(len(optical.scene_ids))))


def _failure(scene: Scene, error: PixelReadError | UnreachableError) -> Failure:
    address, named = dict(scene.hrefs).get(ANGLES, ""), f"scene {scene.id}, {ANGLES}: "
    tried = (getattr(each, "attempts", 1) for each in (error.__cause__ or error, error))
    return Failure(
        scene_id=scene.id,
        band=ANGLES,
        address=shown(address),
        attempts=max(tried),
        error=named + str(error).removeprefix(named),
        is_remote=is_web(address),
    )


def _is_seen(block: Block, clear: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> bool:
    """True where enough of any woodland is clear; else the angles need not be fetched."""
    share = (block.coverage @ clear) / block.coverage.sum(axis=1)
    return bool((share >= MIN_COVERAGE).any())
