"""Sampling a raster at points: only the internal tiles under the points are read, each once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from flows.sources.assets.rasters import Grid
from monitoring.errors import PixelReadError

#: Most bytes of tiles that one band is held in while its pixels are gathered.
MAX_GATHER_BYTES = 2 * 1024**3

Cells = NDArray[np.int64]


class Method(StrEnum):
    """How a point between cell centres gets its value."""

    NEAREST = "nearest"
    """The cell that holds the point: for classes."""
    BILINEAR = "bilinear"
    """The weighted mean of the four nearest centres: a plain gather where the point is a centre."""


@dataclass(frozen=True)
class Sampled:
    """One band at N points."""

    values: NDArray[Any]
    """(N,) in the band's own type for a gather or nearest, else float64; anything where `missing`."""
    missing: NDArray[np.bool_]
    """(N,) True outside the raster and where the cell that holds the point has no value."""
    tiles_read: int
    bytes_read: int
    """Decoded bytes of the tiles."""


@dataclass(frozen=True)
class _Absent:
    """Which values of a band are none."""

    nodata: float | None
    above: float | None

    def find(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = ~np.isfinite(values)
        if self.nodata is not None:
            found |= values == self.nodata
        if self.above is not None:
            found |= values <= self.above
        return found


@dataclass(frozen=True)
class _Tiles:
    """The tiles that were read, found by their number in the raster."""

    stack: NDArray[Any]
    """(K, height, width) of K tiles; edge tiles are padded."""
    slot: NDArray[np.int32]
    """(tile rows, tile columns) position in `stack`, -1 where not read."""

    def gather(self, row: Cells, column: Cells) -> NDArray[Any]:
        height, width = self.stack.shape[1:]
        slot = self.slot[row // height, column // width]
        gathered: NDArray[Any] = self.stack[slot, row % height, column % width]
        return gathered


def sample(
    dataset: Any,
    grid: Grid,
    easting_m: NDArray[np.float64],
    northing_m: NDArray[np.float64],
    method: Method = Method.BILINEAR,
    *,
    band: int = 1,
    above: float | None = None,
) -> Sampled:
    """Return one band at points of the raster's own coordinate system.

    The file's nodata value, values that are not finite and, with `above`, values not above it are missing:
    left out of a weighted mean, and a point is missing where the cell that holds it is. Neighbours beyond
    the edge repeat the edge.
    """
    x, y = (easting_m - grid.west_m) / grid.cell_m, (grid.north_m - northing_m) / grid.cell_m
    inside = (x >= 0) & (x < grid.width) & (y >= 0) & (y < grid.height)
    absent = _Absent(dataset.nodatavals[band - 1], above)
    x, y = x[inside], y[inside]
    if method is Method.NEAREST or _are_centres(x, y):
        values, missing, tiles = _gathered(dataset, band, x, y, absent)
    else:
        values, missing, tiles = _interpolated(dataset, band, grid, x, y, absent)
    return Sampled(
        _spread(values, inside),
        _spread(missing, inside, True),
        len(tiles.stack),
        tiles.stack.nbytes,
    )


def _are_centres(x: NDArray[np.float64], y: NDArray[np.float64]) -> bool:
    return bool(np.all(x % 1 == 0.5) and np.all(y % 1 == 0.5))


def _spread(values: NDArray[Any], inside: NDArray[np.bool_], fill: Any = 0) -> NDArray[Any]:
    """Return values of the points inside as values of all points."""
    whole = np.full(inside.shape, fill, values.dtype)
    whole[inside] = values
    return whole


def _gathered(
    dataset: Any, band: int, x: NDArray[np.float64], y: NDArray[np.float64], absent: _Absent
) -> tuple[NDArray[Any], NDArray[np.bool_], _Tiles]:
    row, column = y.astype(np.int64), x.astype(np.int64)
    tiles = _read_tiles(dataset, band, row, column)
    values = tiles.gather(row, column)
    return values, absent.find(values), tiles


def _interpolated(
    dataset: Any,
    band: int,
    grid: Grid,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    absent: _Absent,
) -> tuple[NDArray[Any], NDArray[np.bool_], _Tiles]:
    rows, row_weights = _neighbours(y, grid.height)
    columns, column_weights = _neighbours(x, grid.width)
    corners = [(i, j) for i in (0, 1) for j in (0, 1)]
    all_rows = np.concatenate([rows[i] for i, _ in corners])
    all_columns = np.concatenate([columns[j] for _, j in corners])
    tiles = _read_tiles(dataset, band, all_rows, all_columns)
    values = tiles.gather(all_rows, all_columns).reshape(4, -1)
    present = ~absent.find(values)
    weights = np.stack([row_weights[i] * column_weights[j] for i, j in corners]) * present
    total = weights.sum(axis=0)
    missing = ~present[_holder(x, y), np.arange(len(x))]
    summed = (weights * np.where(present, values, 0)).sum(axis=0, dtype=np.float64)
    return np.divide(summed, total, out=np.zeros_like(total), where=total > 0), missing, tiles


def _neighbours(at: NDArray[np.float64], size: int) -> tuple[tuple[Cells, Cells], tuple[Any, Any]]:
    """Return the cells before and after each position on one axis, clamped, and their weights."""
    before = np.floor(at - 0.5)
    share = at - 0.5 - before
    first = before.astype(np.int64)
    return (np.clip(first, 0, size - 1), np.clip(first + 1, 0, size - 1)), (1 - share, share)


def _holder(x: NDArray[np.float64], y: NDArray[np.float64]) -> Cells:
    """Return which of the four corners, in order (row, column), is the cell that holds the point."""
    lower, right = (y % 1 < 0.5).astype(np.int64), (x % 1 < 0.5).astype(np.int64)
    return 2 * lower + right


def _read_tiles(dataset: Any, band: int, row: Cells, column: Cells) -> _Tiles:
    height, width = dataset.block_shapes[band - 1]
    across, down = -(-dataset.width // width), -(-dataset.height // height)
    needed = np.zeros((down, across), bool)
    needed[row // height, column // width] = True
    count, dtype = int(needed.sum()), np.dtype(dataset.dtypes[band - 1])
    if count * height * width * dtype.itemsize > MAX_GATHER_BYTES:
        raise PixelReadError(f"{count} tiles of {height} x {width}: more than {MAX_GATHER_BYTES} bytes")
    slot = np.full(needed.shape, -1, np.int32)
    slot[needed] = np.arange(count)
    stack = np.zeros((count, height, width), dtype)
    for tile_row, first, last in _runs(needed):
        _read_run(dataset, band, tile_row, first, last, stack[slot[tile_row, first] :][: last - first])
    return _Tiles(stack, slot)


def _runs(needed: NDArray[np.bool_]) -> Iterator[tuple[int, int, int]]:
    """Yield (tile row, first, last + 1) of each unbroken run of needed tiles: one read each."""
    edges = np.diff(np.pad(needed, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    starts, ends = np.argwhere(edges == 1), np.argwhere(edges == -1)
    for (tile_row, first), (_, last) in zip(starts.tolist(), ends.tolist(), strict=True):
        yield tile_row, first, last


def _read_run(dataset: Any, band: int, tile_row: int, first: int, last: int, into: NDArray[Any]) -> None:
    """Read neighbouring tiles of one tile row into `into` (last - first, height, width)."""
    height, width = into.shape[1:]
    left, top = first * width, tile_row * height
    right, bottom = min(last * width, dataset.width), min(top + height, dataset.height)
    read = dataset.read(band, window=Window(left, top, right - left, bottom - top))
    for position in range(last - first):
        tile = read[:, position * width : (position + 1) * width]
        into[position, : tile.shape[0], : tile.shape[1]] = tile
