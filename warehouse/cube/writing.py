"""Writing into a sensor's group: scenes appended, and pixels never read filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from monitoring.errors import WarehouseError
from warehouse.cube.layout import (
    IS_READ,
    PROVENANCE,
    TEXT,
    UNCHANGING,
    array_of,
    column,
    content,
    extend,
    layers_of,
    provenance,
)
from warehouse.cube.observation import Observation, content_of
from warehouse.cube.reading import by_chunk


@dataclass(frozen=True)
class Filling:
    """What one scene has to add for pixels that were never read."""

    row: int
    """Place of the scene on the time axis."""
    observation: Observation
    """Of K pixels."""
    is_wanted: NDArray[np.bool_]
    """(K,) True where the pixel was never read."""


def append_rows(group: zarr.Group, batch: Sequence[Observation], index: NDArray[np.int64]) -> None:
    """Append observations of the stored pixels of `index`, at most a chunk of times in memory at once."""
    before, width = array_of(group, IS_READ).shape
    order = np.argsort(index, kind="stable").astype(np.int64)
    is_read = np.zeros(width, bool)
    is_read[index] = True
    extend(
        group,
        {
            **provenance(batch),
            "content": np.array([content_of(each, order) for each in batch], dtype=TEXT),
            "pixels_read": np.full(len(batch), _leading(is_read), np.int32),
        },
    )
    sensor = batch[0].scene.sensor
    layers = [name for name in layers_of(sensor) if any(name in each.layers for each in batch)]
    for name in (*layers_of(sensor), IS_READ):
        array = array_of(group, name)
        array.resize((before + len(batch), *array.shape[1:]))
    for rows in by_chunk(np.arange(before, before + len(batch))):
        some = batch[rows[0] - before : rows[-1] - before + 1]
        for name in layers:
            array_of(group, name)[rows[0] : rows[-1] + 1] = _spread(group, name, some, index)
        array_of(group, IS_READ)[rows[0] : rows[-1] + 1] = np.broadcast_to(is_read, (len(rows), width))


def _spread(
    group: zarr.Group, name: str, some: Sequence[Observation], index: NDArray[np.int64]
) -> NDArray[Any]:
    """Return (T, stored pixels, ...) of one layer, the fill value where nothing was read."""
    array = array_of(group, name)
    spread = np.full((len(some), *array.shape[1:]), array.fill_value, array.dtype)
    for row, each in enumerate(some):
        if name in each.layers:
            spread[row, index] = each.layers[name]
    return spread


def fill_rows(group: zarr.Group, fillings: Sequence[Filling], index: NDArray[np.int64]) -> None:
    """Write what is wanted into the stored pixels of `index`, (K,), a chunk of times at once."""
    by_row = {filling.row: filling for filling in fillings}
    pixels_read = column(group, "pixels_read")
    for rows in by_chunk(np.array(sorted(by_row), np.int64)):
        some = [by_row[int(row)] for row in rows]
        names = {name: None for filling in some for name in filling.observation.layers}
        for name in names:
            _fill_chunk(group, name, some, index)
        is_read = _mark_read(group, some, index)
        pixels_read[rows] = [_leading(is_read[filling.row - rows[0]]) for filling in some]
    array_of(group, "pixels_read")[:] = pixels_read


def _fill_chunk(group: zarr.Group, name: str, some: Sequence[Filling], index: NDArray[np.int64]) -> None:
    array = array_of(group, name)
    first, low = some[0].row, int(index.min())
    where = (slice(first, some[-1].row + 1), slice(low, int(index.max()) + 1))
    values = content(array, where).copy()
    for filling in some:
        if name in filling.observation.layers:
            wanted = filling.is_wanted
            values[filling.row - first, index[wanted] - low] = filling.observation.layers[name][wanted]
    array[where] = values


def _mark_read(group: zarr.Group, some: Sequence[Filling], index: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Note the pixels of `index` as read; return the marks of the rows from the first filling to the last."""
    array = array_of(group, IS_READ)
    first = some[0].row
    rows = slice(first, some[-1].row + 1)
    is_read = content(array, rows).copy()
    for filling in some:
        is_read[filling.row - first, index] = True
    array[rows] = is_read
    return is_read


def refuse_change(group: zarr.Group, fillings: Sequence[Filling]) -> None:
    """Raise WarehouseError where a scene is not what it was when it was first read."""
    columns = {name: column(group, name) for name in UNCHANGING}
    for filling in fillings:
        for name, stored in columns.items():
            before, now = stored[filling.row], PROVENANCE[name].of(filling.observation)
            if before != now:
                raise WarehouseError(
                    f"scene {filling.observation.scene.id}: {name} {now}, first read with {before}; "
                    "pixels of two versions of one scene never mix"
                )


def _leading(is_read: NDArray[np.bool_]) -> int:
    """Return how many True values there are before the first False one."""
    return len(is_read) if is_read.all() else int(is_read.argmin())
