"""Reading a sensor's group: rows by time, pixels by place, and what was never read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from monitoring.scenes import Sensor
from monitoring.series import SensorSeries
from warehouse.cube.layout import CHUNK_TIMES, IS_READ, TEXT, array_of, column, content
from warehouse.cube.observation import CLOUD_UNKNOWN, HeldScene


def texts(group: zarr.Group, name: str) -> list[str]:
    """Return one text per scene, (T,)."""
    return [str(text) for text in column(group, name)]


@dataclass(frozen=True)
class Rows:
    """Some of a group's scenes in (acquired_at, id) order."""

    places: NDArray[np.int64]
    """(T,) places on the stored time axis."""
    time: NDArray[np.int64]
    """(T,) moments sensed, seconds since 1970, UTC."""
    ids: tuple[str, ...]

    def batches(self, size: int) -> Iterator[Rows]:
        """Yield the scenes in turns of at most `size`."""
        for first in range(0, len(self.ids), size):
            turn = slice(first, first + size)
            yield Rows(self.places[turn], self.time[turn], self.ids[turn])


def rows_between(group: zarr.Group, start: datetime | None, end: datetime | None) -> Rows:
    """Return the scenes acquired in [start, end); None sets no bound."""
    time = column(group, "time")
    inside = np.ones(len(time), bool)
    if start is not None:
        inside &= time >= start.timestamp()
    if end is not None:
        inside &= time < end.timestamp()
    places = np.flatnonzero(inside)
    ids = column(group, "scene_id")[places] if len(places) else np.empty(0, TEXT)
    order = np.lexsort((ids, time[places]))
    return Rows(places[order], time[places[order]], tuple(str(scene_id) for scene_id in ids[order]))


def held_scenes(group: zarr.Group, sensor: Sensor) -> Iterator[HeldScene]:
    """Yield every scene of a group in (acquired_at, id) order."""
    time, orbit = column(group, "time"), column(group, "relative_orbit")
    names = ("scene_id", "platform", "tile", "acquisition", "source")
    told = {name: texts(group, name) for name in names}
    for row in rows_between(group, None, None).places:
        yield HeldScene(
            id=told["scene_id"][row],
            sensor=sensor,
            platform=told["platform"][row],
            relative_orbit=int(orbit[row]),
            tile=told["tile"][row],
            acquired_at=datetime.fromtimestamp(int(time[row]), UTC),
            acquisition=told["acquisition"][row],
            source=told["source"][row],
        )


def read_rows(group: zarr.Group, sensor: Sensor, rows: Rows, index: NDArray[np.int64]) -> SensorSeries:
    """Return some scenes of the stored pixels of `index`; cloud is None where none is known."""
    is_optical = sensor is Sensor.S2
    cloud = take(group, "cloud_probability", rows.places, index) if is_optical else None
    return SensorSeries(
        sensor=sensor,
        acquired_at=rows.time.astype("datetime64[s]"),
        scene_ids=rows.ids,
        values=take(group, "values", rows.places, index),
        scl=take(group, "scl", rows.places, index) if is_optical else None,
        cloud=cloud if cloud is not None and (cloud != CLOUD_UNKNOWN).any() else None,
    )


def take(group: zarr.Group, name: str, rows: NDArray[np.int64], index: NDArray[np.int64]) -> NDArray[Any]:
    """Return (T, N, ...) of the times of `rows` and the stored pixels of `index`, each in the order given.

    Each chunk is read once. Where `index` is -1, the pixel was never stored: the fill value.
    """
    array = array_of(group, name)
    if not len(rows) or not (index >= 0).any():
        return np.full((len(rows), len(index), *array.shape[2:]), array.fill_value, array.dtype)
    times, low = np.sort(rows), int(index[index >= 0].min())
    span = slice(low, int(index.max()) + 1)
    values = content(array, (_as_slice(times), span))
    if not np.array_equal(rows, times):
        values = values[np.searchsorted(times, rows)]
    return _pick(values, index - low, array.fill_value)


def _as_slice(times: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Return a slice for neighbours, which is read without a detour."""
    first, last = int(times[0]), int(times[-1])
    return slice(first, last + 1) if last - first + 1 == len(times) else times


def _pick(values: NDArray[Any], places: NDArray[np.int64], fill: Any) -> NDArray[Any]:
    """Return the pixels of `places`, the fill value where a place is negative; axis 1 is the pixels."""
    if values.shape[1] == len(places) and bool((places == np.arange(len(places))).all()):
        return values
    picked = values[:, places.clip(min=0)]
    picked[:, places < 0] = fill
    return picked


def unread(
    group: zarr.Group, index: NDArray[np.int64], among: NDArray[np.int64] | None = None
) -> dict[int, NDArray[np.int64]]:
    """Return row -> (K,) places within `index` that were never read, for the rows that lack any.

    `among` are the rows asked about, ascending; None asks about all.
    """
    pixels_read = column(group, "pixels_read")
    is_stored = bool(len(index)) and int(index.min()) >= 0
    complete = pixels_read > int(index.max(initial=-1)) if is_stored else np.zeros(len(pixels_read), bool)
    lacking: dict[int, NDArray[np.int64]] = {}
    last = np.empty(0, np.int64)
    asked = np.arange(len(complete)) if among is None else among
    for rows in by_chunk(asked[~complete[asked]]):
        for row, is_read in zip(rows, take(group, IS_READ, rows, index), strict=True):
            places = np.flatnonzero(~is_read)
            # Nearly always the same pixels are new to every scene: one array serves them all.
            last = last if np.array_equal(places, last) else places
            if len(last):
                lacking[int(row)] = last
    return lacking


def by_chunk(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield runs of ascending rows that lie in one chunk of times."""
    if len(rows):
        yield from np.split(rows, np.flatnonzero(np.diff(rows // CHUNK_TIMES)) + 1)
