"""One block of the cube: opening it, appending to it, reading it; every change is one commit."""

from __future__ import annotations

import atexit
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import icechunk
import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.errors import GroupNotFoundError

from monitoring.errors import WarehouseError
from monitoring.grid import Block, PixelSet
from monitoring.scenes import Scene, Sensor
from monitoring.series import PixelSeries, SensorSeries
from warehouse.cube.layout import CHUNK_TIMES, PROVENANCE, column, grow, lay_out, stored_pixels
from warehouse.cube.observation import HeldScene, Observation, refuse_misfit
from warehouse.cube.reading import held_scenes, read_rows, rows_between, texts, unread
from warehouse.cube.writing import Filling, append_rows, fill_rows, refuse_change
from warehouse.lease import lease

if TYPE_CHECKING:
    import xarray as xr

_BRANCH = "main"
#: How long a commit waits for another one to the same block.
_COMMIT_WAIT_S = 600.0
#: How long a process that has opened a cube rests before it ends.
_REST_S = 0.1


@dataclass(frozen=True, eq=False)
class Cube:
    """One block's observations on disk; open it with `open_cube`."""

    path: Path
    block: Block
    repository: icechunk.Repository
    index: NDArray[np.int64]
    """(N,) place of each pixel of the block on the stored axis, -1 where the cube has not grown to it."""

    def scene_ids(self, sensor: Sensor) -> frozenset[str]:
        """Ids of the scenes of a sensor that were read for every pixel of the block."""
        with _refusals(self.path):
            group = self._group(sensor)
            lacking = unread(group, self.index)
            return frozenset(text for row, text in enumerate(texts(group, "scene_id")) if row not in lacking)

    def held(self) -> tuple[HeldScene, ...]:
        """Return every scene of which at least one pixel was read, by sensor and (acquired_at, id)."""
        with _refusals(self.path):
            return tuple(scene for sensor in Sensor for scene in held_scenes(self._group(sensor), sensor))

    def lacking(self, scenes: Iterable[Scene | HeldScene]) -> dict[str, NDArray[np.int64]]:
        """Return id -> (K,) positions in `block.pixels` never read, for the held scenes that lack any.

        A scene that is not held at all is not among them: it is to be appended. Scenes that lack the same
        pixels mostly share one array.
        """
        wanted = {scene.id for scene in scenes}
        with _refusals(self.path):
            return {
                scene_id: places
                for sensor in Sensor
                for scene_id, places in self._lacking_of(sensor).items()
                if scene_id in wanted
            }

    def append(self, observations: Sequence[Observation]) -> int:
        """Store what is not yet held, all in one commit; return how many scenes had something to store.

        A scene already held, or seen earlier in the batch, is skipped; of one held for a part of the block's
        pixels, the rest is filled in. Nothing new makes no commit. WarehouseError, with nothing stored, for
        a wrong shape or dtype, a second data source, a held scene that has changed, or a full disk.
        """
        return self._keep(observations, np.arange(len(self.index)), may_add=True)

    def fill(self, observations: Sequence[Observation], positions: NDArray[np.int64]) -> int:
        """Store the pixels at `positions` (K,) of scenes already held, in one commit; return how many scenes.

        The observations are of those K pixels, in that order. Only pixels never read are written, so that
        filling again changes nothing. WarehouseError, with nothing stored, for a scene that is not held or
        has changed, positions outside the block, a wrong shape or dtype, or a full disk.
        """
        places = np.asarray(positions, np.int64)
        n = len(self.index)
        if places.ndim != 1 or len(np.unique(places)) != len(places) or not _within(places, n):
            raise WarehouseError(f"cube {self.path.name}: positions must be different and from 0 to {n - 1}")
        return self._keep(observations, places, may_add=False)

    def read(self, start: datetime, end: datetime, positions: NDArray[np.int64] | None = None) -> PixelSeries:
        """Return what was acquired in [start, end), each sensor in (acquired_at, id) order.

        The pixels are the block's, in the block's order, or those at `positions` (K,) of them; a pixel never
        read in a scene is missing there.
        """
        index = self.index if positions is None else self.index[positions]
        with _refusals(self.path):
            store = self._store()
            groups = {sensor: _group(store, sensor) for sensor in Sensor}
            rows = {sensor: rows_between(group, start, end) for sensor, group in groups.items()}
            return PixelSeries(*(read_rows(groups[each], each, rows[each], index) for each in Sensor))

    def batches(
        self, sensor: Sensor, start: datetime, end: datetime, positions: NDArray[np.int64]
    ) -> Iterator[SensorSeries]:
        """Yield what `read` returns of one sensor, for some pixels of the block and a few scenes at once."""
        with _refusals(self.path):
            group = self._group(sensor)
            for rows in rows_between(group, start, end).batches(CHUNK_TIMES):
                yield read_rows(group, sensor, rows, self.index[positions])

    def provenance(self, sensor: Sensor, start: datetime, end: datetime) -> dict[str, NDArray[Any]]:
        """Return what is kept of each scene acquired in [start, end), (T,) each, in the order of `read`."""
        with _refusals(self.path):
            group = self._group(sensor)
            rows = rows_between(group, start, end).places
            return {name: column(group, name)[rows] for name in (*PROVENANCE, "content")}

    def dataset(self, sensor: Sensor) -> xr.Dataset:
        """Return one sensor as xarray sees it, decoded, sorted by time, the block's own pixels; read lazily.

        Scenes lie in the order they were read in. Where older ones came later, xarray's own opening has
        times out of order, which `.sel(time=slice(...))` refuses; this one, or `.sortby("time")`, has not.
        """
        import xarray as xr

        with _refusals(self.path):
            store = self._store()
            opened: xr.Dataset = xr.open_zarr(store, group=sensor.value, consolidated=False, chunks=None)
            rows = rows_between(_group(store, sensor), None, None).places
            return opened.isel(time=rows, pixel=self.index[self.index >= 0])

    def _store(self) -> icechunk.IcechunkStore:
        return self.repository.readonly_session(_BRANCH).store

    def _group(self, sensor: Sensor) -> zarr.Group:
        return _group(self._store(), sensor)

    def _lacking_of(self, sensor: Sensor) -> dict[str, NDArray[np.int64]]:
        group = self._group(sensor)
        ids = texts(group, "scene_id")
        return {ids[row]: places for row, places in unread(group, self.index).items()}

    def _keep(
        self, observations: Sequence[Observation], positions: NDArray[np.int64], *, may_add: bool
    ) -> int:
        for observation in observations:
            refuse_misfit(observation, len(positions))
        if int(self.index.min()) < 0:
            raise WarehouseError(
                f"cube {self.path.name}: it was opened for looking, or before the block grew"
            )
        with lease(_lease_path(self.path), wait_s=_COMMIT_WAIT_S) as held, _refusals(self.path):
            session = self.repository.writable_session(_BRANCH)
            counts = [
                self._keep_sensor(session.store, sensor, observations, positions, may_add=may_add)
                for sensor in Sensor
            ]
            if sum(counts):
                told = ", ".join(f"{n} {sensor.value}" for n, sensor in zip(counts, Sensor, strict=True))
                with held.fenced():
                    session.commit(f"{'append' if may_add else 'fill'} {told}")
            return sum(counts)

    def _keep_sensor(
        self,
        store: icechunk.IcechunkStore,
        sensor: Sensor,
        observations: Sequence[Observation],
        positions: NDArray[np.int64],
        *,
        may_add: bool,
    ) -> int:
        first = {o.scene.id: o for o in reversed(observations) if o.scene.sensor is sensor}
        if not first:
            return 0
        group = zarr.open_group(store, path=sensor.value, mode="r+")
        ids = {text: row for row, text in enumerate(texts(group, "scene_id"))}
        new = sorted(first.keys() - ids.keys(), key=lambda each: (first[each].scene.acquired_at, each))
        if new and not may_add:
            raise WarehouseError(f"scene {new[0]}: not in cube {self.path.name}; append it before filling it")
        places = self.index[positions]
        held = {ids[scene_id]: first[scene_id] for scene_id in first.keys() & ids.keys()}
        lacking = unread(group, places, np.array(sorted(held), np.int64))
        fillings = [
            Filling(row, held[row], np.isin(np.arange(len(places)), wanted))
            for row, wanted in lacking.items()
        ]
        if fillings:
            refuse_change(group, fillings)
            fill_rows(group, fillings, places)
        if new:
            self._refuse_second_source(store, [first[scene_id].scene for scene_id in new])
            append_rows(group, [first[scene_id] for scene_id in new], places)
        return len(new) + len(fillings)

    def _refuse_second_source(self, store: icechunk.IcechunkStore, scenes: Sequence[Scene]) -> None:
        """Catalogues differ in calibration and masks, so a series of two sources has steps no wood made."""
        held = {source for sensor in Sensor for source in texts(_group(store, sensor), "source")}
        sources = sorted(held | {scene.source for scene in scenes})
        if len(sources) > 1:
            raise WarehouseError(f"cube {self.path.name}: sources {' and '.join(sources)} never mix")


def open_cube(root: Path, block: Block) -> Cube:
    """Return the block's cube at `root/<block id>/`, made empty where there is none.

    Pixels that the block has and the cube has not are added to the end of its pixel axis, in one commit;
    `Cube.lacking` then names them for every scene held. Pixels that the block has no more stay stored and are
    not read. Local files survive kill -9 at any moment: a repository appears by one rename, growth and every
    batch of observations by one commit.
    """
    path = root / block.id
    with _refusals(path):
        if not path.is_dir():
            _create(path, block)
        cube = _opened(path, block)
        return cube if not (cube.index < 0).any() else _grown(cube)


def find_cube(root: Path, block: Block) -> Cube | None:
    """Return the block's cube as it is, for looking, or None where there is none; nothing is written."""
    path = root / block.id
    with _refusals(path):
        return _opened(path, block) if path.is_dir() else None


@cache
def _rest_at_exit() -> None:
    """Let Icechunk's threads return from what they last told Python before Python ends.

    Before Python 3.14 a Rust thread that comes back for the interpreter's lock after its end aborts the whole
    process, which then reports failure for work that is done (PyO3/pyo3-async-runtimes, issue 40).
    """
    atexit.register(time.sleep, _REST_S)


def _opened(path: Path, block: Block) -> Cube:
    _rest_at_exit()
    # Icechunk warns of concurrent commits on local files at every opening; the lease rules them out.
    icechunk.set_logs_filter("error")
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(path)))
    stored = _axis(repository.readonly_session(_BRANCH).store)
    if stored.epsg != block.pixels.epsg:
        raise WarehouseError(
            f"cube {path}: its grid is EPSG:{stored.epsg}, the block's EPSG:{block.pixels.epsg}"
        )
    return Cube(path, block, repository, stored.index_of(block.pixels.column, block.pixels.row))


def _axis(store: icechunk.IcechunkStore) -> PixelSet:
    return stored_pixels(_group(store, Sensor.S2))


def _grown(cube: Cube) -> Cube:
    """Add the block's new pixels to the stored axis, unless somebody else just has."""
    pixels = cube.block.pixels
    with lease(_lease_path(cube.path), wait_s=_COMMIT_WAIT_S) as held:
        session = cube.repository.writable_session(_BRANCH)
        stored = _axis(session.store)
        new = np.flatnonzero(stored.index_of(pixels.column, pixels.row) < 0)
        if len(new):
            axis = PixelSet(
                pixels.epsg,
                np.concatenate([stored.column, pixels.column[new]]),
                np.concatenate([stored.row, pixels.row[new]]),
            )
            for sensor in Sensor:
                grow(zarr.open_group(session.store, path=sensor.value, mode="r+"), sensor, axis)
            with held.fenced():
                session.commit(f"grow by {len(new)} pixels to {len(axis)}")
    return _opened(cube.path, cube.block)


def _create(path: Path, block: Block) -> None:
    icechunk.set_logs_filter("error")
    with lease(_lease_path(path), wait_s=_COMMIT_WAIT_S) as held:
        if path.is_dir():
            return
        draft = path.with_name(f".{path.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(draft)))
        session = repository.writable_session(_BRANCH)
        lay_out(zarr.group(session.store), block)
        session.commit(f"lay out block {block.id}")
        with held.fenced():
            draft.rename(path)


def _group(store: icechunk.IcechunkStore, sensor: Sensor) -> zarr.Group:
    """Return a sensor's group; OSError where what Icechunk keeps of it is missing or damaged."""
    try:
        return zarr.open_group(store, path=sensor.value, mode="r")
    except GroupNotFoundError as error:
        raise OSError(f"group {sensor.value}: missing or damaged") from error


def _lease_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.lease")


def _within(places: NDArray[np.int64], n: int) -> bool:
    return bool(((places >= 0) & (places < n)).all())


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Turn what storage raises into one WarehouseError line."""
    try:
        yield
    except (icechunk.IcechunkError, OSError) as error:
        # Icechunk draws its errors as trees: the first line, after a cross, is what went wrong.
        lines = [line.strip().removeprefix("x ") for line in str(error).splitlines() if line.strip()]
        raise WarehouseError(f"cube {path}: {lines[0] if lines else type(error).__name__}") from error
