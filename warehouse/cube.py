"""The pixel cube: every observation of a block's woodland pixels, appended once, in Icechunk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import zarr
from numpy.typing import NDArray

from monitoring.errors import WarehouseError
from monitoring.grid import Block
from monitoring.scenes import Scene, Sensor
from monitoring.series import PixelSeries, SensorSeries
from warehouse.cube_layout import array_of, extend, lay_out, provenance, values_dtype
from warehouse.lease import lease

_BRANCH = "main"
#: How long an append waits for another append to the same block.
_APPEND_WAIT_S = 600.0


@dataclass(frozen=True)
class Observation:
    """What one scene shows of a block's N pixels."""

    scene: Scene
    values: NDArray[np.uint16] | NDArray[np.float32]
    """(N, B): uint16 offset-removed reflectance, 0 = missing; float32 linear power, NaN = missing."""
    scl: NDArray[np.uint8] | None = None
    """(N,) scene classification, Sentinel-2 only."""


@dataclass(frozen=True)
class Cube:
    """One block's observations on disk; open it with `open_cube`."""

    path: Path
    block: Block
    repository: icechunk.Repository

    def scene_ids(self, sensor: Sensor) -> frozenset[str]:
        """Ids of the scenes already held for a sensor."""
        with _refusals(self.path):
            return frozenset(self._texts(sensor, "scene_id"))

    def append(self, observations: Sequence[Observation]) -> int:
        """Store the scenes not yet held, all in one commit; return how many there were.

        A scene id already held, or seen earlier in the batch, is skipped; nothing new makes no commit.
        WarehouseError, with nothing stored, for a wrong shape or dtype, a second data source, or a full disk.
        """
        for observation in observations:
            self._refuse_misfit(observation)
        with lease(_lease_path(self.path), wait_s=_APPEND_WAIT_S), _refusals(self.path):
            new = {sensor: self._unseen(sensor, observations) for sensor in Sensor}
            added = sum(len(batch) for batch in new.values())
            if added:
                self._refuse_second_source([o.scene for batch in new.values() for o in batch])
                self._commit(new)
            return added

    def read(self, start: datetime, end: datetime) -> PixelSeries:
        """Return what was acquired in [start, end), each sensor in (acquired_at, id) order."""
        with _refusals(self.path):
            store = self.repository.readonly_session(_BRANCH).store
            series = [_read_sensor(_group(store, sensor), sensor, start, end) for sensor in Sensor]
        return PixelSeries(*series)

    def _texts(self, sensor: Sensor, name: str) -> list[str]:
        store = self.repository.readonly_session(_BRANCH).store
        return _texts(_group(store, sensor), name)

    def _unseen(self, sensor: Sensor, observations: Sequence[Observation]) -> list[Observation]:
        held = self.scene_ids(sensor)
        first = {o.scene.id: o for o in reversed(observations) if o.scene.sensor is sensor}
        new = [observation for scene_id, observation in first.items() if scene_id not in held]
        return sorted(new, key=lambda o: (o.scene.acquired_at, o.scene.id))

    def _commit(self, new: dict[Sensor, list[Observation]]) -> None:
        session = self.repository.writable_session(_BRANCH)
        for sensor, batch in new.items():
            if batch:
                extend(zarr.open_group(session.store, path=sensor.value, mode="r+"), _arrays(batch))
        counts = ", ".join(f"{len(batch)} {sensor.value}" for sensor, batch in new.items())
        session.commit(f"append {counts}")

    def _refuse_misfit(self, observation: Observation) -> None:
        scene, values, scl = observation.scene, observation.values, observation.scl
        n, bands = len(self.block.pixels), len(scene.sensor.bands)
        dtype = values_dtype(scene.sensor)
        if values.shape != (n, bands) or values.dtype != dtype:
            raise WarehouseError(
                f"scene {scene.id}: values {values.shape} {values.dtype}, expected ({n}, {bands}) {dtype}"
            )
        if (scl is not None) != (scene.sensor is Sensor.S2):
            raise WarehouseError(f"scene {scene.id}: scl belongs to every Sentinel-2 scene and to no other")
        if scl is not None and (scl.shape != (n,) or scl.dtype != np.uint8):
            raise WarehouseError(f"scene {scene.id}: scl {scl.shape} {scl.dtype}, expected ({n},) uint8")

    def _refuse_second_source(self, scenes: Sequence[Scene]) -> None:
        """Catalogues differ in calibration and masks, so a series of two sources has steps no wood made."""
        held = {source for sensor in Sensor for source in self._texts(sensor, "source")}
        sources = sorted(held | {scene.source for scene in scenes})
        if len(sources) > 1:
            raise WarehouseError(f"cube {self.path.name}: sources {' and '.join(sources)} never mix")


def open_cube(root: Path, block: Block) -> Cube:
    """Return the block's cube at `root/<block id>-<pixel digest>/`, made empty where there is none.

    The name holds the digest of the pixel set: when the woodlands of a block change, so do its pixels, and
    the changed set is another repository. Local files survive kill -9 at any moment: a repository appears by
    one rename, an append by one commit.
    """
    # Icechunk warns of concurrent commits on local files at every opening; the lease rules them out.
    icechunk.set_logs_filter("error")
    path = root / f"{block.id}-{block.pixels.digest}"
    with _refusals(path):
        if not path.is_dir():
            _create(path, block)
        repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(path)))
        return Cube(path, block, repository)


def _create(path: Path, block: Block) -> None:
    with lease(_lease_path(path), wait_s=_APPEND_WAIT_S):
        if path.is_dir():
            return
        draft = path.with_name(f".{path.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(draft)))
        session = repository.writable_session(_BRANCH)
        lay_out(zarr.group(session.store), block)
        session.commit(f"lay out block {block.id}")
        draft.rename(path)


def _lease_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.lease")


def _arrays(batch: Sequence[Observation]) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {"values": np.stack([o.values for o in batch])}
    classes = [o.scl for o in batch if o.scl is not None]
    if classes:
        arrays["scl"] = np.stack(classes)
    return arrays | provenance([o.scene for o in batch])


def _group(store: icechunk.IcechunkStore, sensor: Sensor) -> zarr.Group:
    return zarr.open_group(store, path=sensor.value, mode="r")


def _texts(group: zarr.Group, name: str) -> list[str]:
    return [str(text) for text in np.asarray(array_of(group, name)[:])]


def _read_sensor(group: zarr.Group, sensor: Sensor, start: datetime, end: datetime) -> SensorSeries:
    time = np.asarray(array_of(group, "time")[:], np.int64)
    ids = np.array(_texts(group, "scene_id"), dtype=np.dtypes.StringDType())
    inside = np.flatnonzero((time >= start.timestamp()) & (time < end.timestamp()))
    order = inside[np.lexsort((ids[inside], time[inside]))]
    return SensorSeries(
        sensor=sensor,
        acquired_at=time[order].astype("datetime64[s]"),
        scene_ids=tuple(str(scene_id) for scene_id in ids[order]),
        values=_take(array_of(group, "values"), order),
        scl=_take(array_of(group, "scl"), order) if sensor is Sensor.S2 else None,
    )


def _take(array: zarr.Array[Any], order: NDArray[np.int64]) -> NDArray[Any]:
    """Return the times of `order` in that order, reading each chunk once."""
    if not len(order):
        return np.empty((0, *array.shape[1:]), array.dtype)
    stored = np.sort(order)
    try:
        values = np.asarray(array.oindex[stored])
    except ValueError as error:  # what the checksum of a chunk raises
        raise WarehouseError(f"cube array {array.path}: {error}") from error
    in_place = bool((order == stored).all())
    return values if in_place else values[np.searchsorted(stored, order)]


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Turn what storage raises into one WarehouseError line."""
    try:
        yield
    except (icechunk.IcechunkError, OSError) as error:
        # Icechunk draws its errors as trees: the first line, after a cross, is what went wrong.
        lines = [line.strip().removeprefix("x ") for line in str(error).splitlines() if line.strip()]
        raise WarehouseError(f"cube {path}: {lines[0] if lines else type(error).__name__}") from error
