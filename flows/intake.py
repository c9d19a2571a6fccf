"""Intake: scenes that the cube does not hold are read, many at once, and committed in batches."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from flows.ledger import Failure, Ledger, ledger_path, read_ledger, write_ledger
from flows.listing import LeftOut, without_secrets
from flows.progress import advance
from flows.sources.addresses import shown
from flows.sources.assets.pixels import ScenePixels
from flows.sources.assets.reading import AssetFailure, UnreadScene, read_scenes
from flows.workspace import Workspace
from monitoring.errors import WarehouseError
from monitoring.grid import Block
from monitoring.scenes import CLOUD_BAND, Scene
from warehouse.cube import Cube, Observation

#: Scenes held in memory before they are committed to the cube.
SCENES_PER_COMMIT = 16

Outcome = ScenePixels | UnreadScene


@dataclass(frozen=True)
class Intake:
    """What came of bringing scenes into a cube."""

    n_read: int
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

    A scene held for a part of the block's pixels is read at the others only.
    """
    path = ledger_path(workspace.staging, block.id)
    ledger = read_ledger(path)
    due, waiting = _due(scenes, _unheld(cube, scenes), ledger, now)
    unread: list[UnreadScene] = []
    refused: list[LeftOut] = []
    for order in _orders(cube, due):
        for batch, changed in _committed(cube, _read(workspace, block, order), order, now):
            unread += [outcome for outcome in batch if isinstance(outcome, UnreadScene)]
            refused += changed
            advance(label, len(batch), len(due))
    recovered = {scene.id for scene in due} - {one.scene.id for one in unread}
    after = ledger.noting([_failure(one, f) for one in unread for f in one.failures], recovered, now)
    if after != ledger:
        write_ledger(path, after)
    is_remote = [any(failure.is_remote for failure in one.failures) for one in unread]
    n_read = len(due) - len(unread) - len(refused)
    return Intake(n_read, (*waiting, *refused, *map(_left_out, unread)), sum(is_remote))


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


def _due(
    scenes: Sequence[Scene], unheld: Sequence[Scene], ledger: Ledger, now: datetime
) -> tuple[list[Scene], list[LeftOut]]:
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
    """Return the new scenes, then those that lack pixels, grouped by which."""
    lacking = cube.lacking(due)
    orders = [_Order(tuple(scene for scene in due if scene.id not in lacking), None)]
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
        sign=workspace.sign,
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
