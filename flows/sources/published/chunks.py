"""Chunks: the values of scattered pixels, from as few pieces of an array as hold them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from models.encoders.embeddings import Progress

#: Chunks read at once: a remote store answers in a tenth of a second, whatever the size.
READERS = 8
#: Axes of the arrays of a store that names none.
_UNNAMED = {3: ("time", "y", "x"), 4: ("time", "band", "y", "x")}


@dataclass(frozen=True)
class Places:
    """N pixels of an array in one year."""

    axes: tuple[str, str]
    """Names of the axes north-south and east-west."""
    time: int
    """Position on the first axis."""
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]

    def some(self, chosen: NDArray[np.int64]) -> Places:
        """Return some of the pixels."""
        return Places(self.axes, self.time, self.rows[chosen], self.columns[chosen])


def axis_of(array: zarr.Array[Any], name: str) -> int:
    """Return the position of an axis: by its name, or by the published layout where axes have none."""
    stated: Any = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    names = list(stated or _UNNAMED[array.ndim])
    if name not in names:
        raise ValueError(f"{array.name}: its axes are {', '.join(map(str, names))}, needed is {name}")
    return names.index(name)


def gather(array: zarr.Array[Any], places: Places, progress: Progress | None = None) -> NDArray[Any]:
    """Return the values (N, ...) at N pixels; each chunk that holds one of them is read once."""
    row, column = (axis_of(array, axis) for axis in places.axes)
    kept = tuple(size for axis, size in enumerate(array.shape) if axis not in (0, row, column))
    values = np.empty((len(places.rows), *kept), array.dtype)

    def read(members: NDArray[np.int64]) -> int:
        values[members] = _of_one_chunk(array, places.some(members), row, column)
        return len(members)

    done = 0
    with ThreadPoolExecutor(READERS) as readers:
        for count in readers.map(read, _by_chunk(array, places, row, column)):
            done += count
            if progress is not None:
                progress(done, len(places.rows))
    return values


def _by_chunk(array: zarr.Array[Any], places: Places, row: int, column: int) -> Iterator[NDArray[np.int64]]:
    """Yield the positions of the pixels of each chunk."""
    down, across = places.rows // array.chunks[row], places.columns // array.chunks[column]
    order = np.lexsort((across, down))
    edges = np.flatnonzero(np.diff(down[order]) | np.diff(across[order])) + 1
    yield from (members for members in np.split(order, edges) if len(members))


def _of_one_chunk(array: zarr.Array[Any], places: Places, row: int, column: int) -> NDArray[Any]:
    """Return the values (N, ...) at pixels that share a chunk."""
    height, width = array.chunks[row], array.chunks[column]
    top, left = places.rows[0] // height * height, places.columns[0] // width * width
    window: list[Any] = [slice(None)] * array.ndim
    window[0], window[row], window[column] = places.time, slice(top, top + height), slice(left, left + width)
    chunk = np.moveaxis(np.asarray(array[tuple(window)]), (row - 1, column - 1), (0, 1))
    values: NDArray[Any] = chunk[places.rows - top, places.columns - left]
    return values
