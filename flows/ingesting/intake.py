"""Intake: scenes that the cube does not hold are read, many at once, and committed in batches."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.ingesting.ledger import Failure, Ledger, ledger_path, read_ledger, write_ledger
from flows.ingesting.listing import LeftOut, without_secrets
from flows.progress import advance
from flows.sources.addresses import shown
from flows.sources.assets.pixels import ScenePixels
from flows.sources.assets.reading import AssetFailure, UnreadScene, read_scenes
from flows.workspace import Workspace
from monitoring.errors import WarehouseError
from monitoring.grid import Block
from monitoring.scenes import CLOUD_BAND, SCL_BAND, Scene, Sensor
from warehouse.cube import Cube, Observation

#: Scenes held in memory before they are committed to the cube.
SCENES_PER_COMMIT = 16
#: What a scene's values depend on besides its files.
_DECIDING = ("baseline", "offset_dn", "offset_from_dn", "offset_rule")
#: How far the catalogue may move a scene's moment before it is no longer recognised as the one held.
_MOVED = timedelta(days=1)

Outcome = ScenePixels | UnreadScene


@dataclass(frozen=True)
class Intake:
    """What came of bringing scenes into a cube."""

    n_read: int
    scenes: tuple[Scene, ...]
    """Those asked for, as their pixels are: one issued anew keeps the offset it was first read with."""
    changed: tuple[LeftOut, ...]
    """Of these, the ones that the catalogue says otherwise of than when they were read."""
    unread: tuple[LeftOut, ...]
    n_unread_remote: int
    """Scenes of a remote source that could not be read: asking again may help."""


@dataclass(frozen=True)
class _Order:
    """Scenes to be read at some of the block's pixels."""

    scenes: tuple[Scene, ...]
    positions: NDArray[np.int64] | None
    """None for all pixels of scenes the cube does not know."""


def take_in(
    workspace: Workspace, block: Block, cube: Cube, scenes: Sequence[Scene], now: datetime, label: str
) -> Intake:
    """Read what the cube lacks of the scenes; what fails goes to the block's ledger and fails nothing else.

    A scene held for a part of the block's pixels is read at the others only, unless it has changed.
    """
    path = ledger_path(workspace.staging, block.id)
    ledger = read_ledger(path)
    held = _as_first_read(cube, scenes)
    told = zip(scenes, held, strict=True)
    changed = {scene.id: why for scene, kept in told if (why := _change(scene, kept))}
    unheld = _unheld(cube, scenes)
    due, waiting = _due([scene for scene in unheld if scene.id not in changed], ledger, now)
    unread: list[UnreadScene] = []
    refused = [_not_mixed(scene, changed[scene.id]) for scene in unheld if scene.id in changed]
    n_barred = len(refused)
    for order in _orders(cube, due):
        for batch, barred in _committed(cube, _read(workspace, block, order), order, now):
            unread += [outcome for outcome in batch if isinstance(outcome, UnreadScene)]
            refused += barred
            advance(label, len(batch), len(due))
    recovered = {scene.id for scene in due} - {one.scene.id for one in unread}
    after = ledger.noting([_failure(one, f) for one in unread for f in one.failures], recovered, now)
    if after != ledger:
        write_ledger(path, after)
    is_remote = [any(failure.is_remote for failure in one.failures) for one in unread]
    lost = {one.scene_id for one in refused}
    return Intake(
        n_read=len(due) - len(unread) - (len(refused) - n_barred),
        scenes=held,
        changed=tuple(_still_used(each, why) for each, why in changed.items() if each not in lost),
        unread=(*waiting, *refused, *map(_left_out, unread)),
        n_unread_remote=sum(is_remote),
    )


def _as_first_read(cube: Cube, scenes: Sequence[Scene]) -> tuple[Scene, ...]:
    """Return the scenes, those that the cube holds with the offset and checksums of their first read.

    A catalogue may issue an item anew under its old id; the pixels kept are those of before.
    """
    facts: dict[str, dict[str, Any]] = {}
    for sensor in Sensor:
        moments = [scene.acquired_at for scene in scenes if scene.sensor is sensor]
        if moments:
            facts |= _facts(cube.provenance(sensor, min(moments) - _MOVED, max(moments) + _MOVED))
    return tuple(replace(scene, **facts.get(scene.id, {})) for scene in scenes)


def _facts(kept: Mapping[str, NDArray[Any]]) -> dict[str, dict[str, Any]]:
    """Return what decides the pixels of each scene held, by id."""
    columns = [kept[name].tolist() for name in ("scene_id", *_DECIDING, "checksums")]
    return {
        scene_id: {
            **dict(zip(_DECIDING, facts, strict=True)),
            "checksums": tuple(json.loads(checksums).items()),
        }
        for scene_id, *facts, checksums in zip(*columns, strict=True)
    }


def _change(scene: Scene, held: Scene) -> str:
    """Return what the catalogue says otherwise of a scene's pixels than before, empty where it does not."""
    now, then = (f"baseline {one.baseline or 'none'}, offset {one.offset_dn}" for one in (scene, held))
    if (now, scene.offset_from_dn) != (then, held.offset_from_dn):
        return f"{now} now, {then} when it was first read"
    stated, bands = dict(scene.checksums), (*scene.sensor.bands, SCL_BAND)
    other = [band for band, was in held.checksums if band in bands and stated.get(band, was) != was]
    return f"other checksums of {', '.join(other)} now than when it was first read" if other else ""


def _still_used(scene_id: str, why: str) -> LeftOut:
    return LeftOut("pixels", scene_id, f"scene {scene_id}: {why}; it is used as it was first read")


def _not_mixed(scene: Scene, why: str) -> LeftOut:
    said = f"scene {scene.id}: {why}; it lacks pixels, and those of two versions of one scene never mix"
    return LeftOut("pixels", scene.id, said)


def _committed(
    cube: Cube, outcomes: Iterable[Outcome], order: _Order, now: datetime
) -> Iterator[tuple[list[Outcome], list[LeftOut]]]:
    """Yield each batch once it is in the cube, with what the cube refused; the next is read meanwhile."""
    with ThreadPoolExecutor(1) as writer:
        written: deque[tuple[list[Outcome], Future[list[LeftOut]]]] = deque()
        for batch in _batches(outcomes, SCENES_PER_COMMIT):
            written.append((batch, writer.submit(_commit, cube, batch, order, now)))
            if len(written) > 1:
                before, commit = written.popleft()
                yield before, commit.result()
        for last, commit in written:
            yield last, commit.result()


def _unheld(cube: Cube, scenes: Sequence[Scene]) -> list[Scene]:
    held = {sensor: cube.scene_ids(sensor) for sensor in {scene.sensor for scene in scenes}}
    return [scene for scene in scenes if scene.id not in held[scene.sensor]]


def _due(unheld: Sequence[Scene], ledger: Ledger, now: datetime) -> tuple[list[Scene], list[LeftOut]]:
    """Return the scenes to read now, and those whose failed assets are left alone for a while."""
    due, waiting = [], []
    for scene in unheld:
        entry = ledger.waiting(scene.id, [(band, shown(href)) for band, href in scene.hrefs], now)
        if entry is None:
            due.append(scene)
        else:
            waiting.append(
                LeftOut("pixels", scene.id, f"{entry.state} after {entry.attempts} attempts: {entry.error}")
            )
    return due, waiting


def _orders(cube: Cube, due: Sequence[Scene]) -> list[_Order]:
    """Return the new scenes sensor by sensor, then those that lack pixels, grouped by which.

    Scenes of one sensor in time order fill the cube's chunks one after the other: a chunk that two commits
    share is written twice, and the first stays on disk.
    """
    lacking = cube.lacking(due)
    new = [scene for scene in due if scene.id not in lacking]
    orders = [_Order(tuple(scene for scene in new if scene.sensor is sensor), None) for sensor in Sensor]
    groups: dict[bytes, list[Scene]] = defaultdict(list)
    for scene in due:
        if scene.id in lacking:
            groups[lacking[scene.id].tobytes()].append(scene)
    orders += [_Order(tuple(group), lacking[group[0].id]) for group in groups.values()]
    return [order for order in orders if order.scenes]


def _read(workspace: Workspace, block: Block, order: _Order) -> Iterator[Outcome]:
    return read_scenes(
        order.scenes,
        block.pixels if order.positions is None else block.pixels.at(order.positions),
        workspace.ranges_of,
        in_flight=workspace.settings.requests_per_host,
        optional=(CLOUD_BAND,) if workspace.clear_rule.max_cloud_probability < 100 else (),
        verify=workspace.settings.verify_files,
    )


def _commit(cube: Cube, batch: Sequence[Outcome], order: _Order, now: datetime) -> list[LeftOut]:
    """Commit a batch; return the scenes the cube refuses, which have changed since it first read them."""
    seen = [_observation(outcome, now) for outcome in batch if isinstance(outcome, ScenePixels)]
    if order.positions is None:
        cube.append(seen)
        return []
    try:
        cube.fill(seen, order.positions)
    except WarehouseError:
        return [refused for one in seen if (refused := _fill_one(cube, one, order.positions))]
    return []


def _fill_one(cube: Cube, one: Observation, positions: NDArray[np.int64]) -> LeftOut | None:
    try:
        cube.fill([one], positions)
    except WarehouseError as error:
        return LeftOut("pixels", one.scene.id, str(error))
    return None


def _observation(read: ScenePixels, now: datetime) -> Observation:
    return Observation(without_secrets(read.scene), read.values, read.scl, read.cloud, now)


def _failure(unread: UnreadScene, failure: AssetFailure) -> Failure:
    address = shown(dict(unread.scene.hrefs).get(failure.band, ""))
    return Failure(
        failure.scene_id, failure.band, address, failure.attempts, failure.error, failure.is_remote
    )


def _left_out(unread: UnreadScene) -> LeftOut:
    return LeftOut("pixels", unread.scene.id, "; ".join(failure.error for failure in unread.failures))


def _batches(outcomes: Iterable[Outcome], size: int) -> Iterator[list[Outcome]]:
    iterator = iter(outcomes)
    while batch := list(islice(iterator, size)):
        yield batch
