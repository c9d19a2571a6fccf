"""Sampling a raster at points: only the internal tiles under the points are read, each once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from flows.sources.assets.grids import Grid
from monitoring.errors import PixelReadError

#: Most bytes of tiles that one band's pixels may lie in.
MAX_GATHER_BYTES = 2 * 1024**3
#: Decoded tiles of one band that are held at a time, bytes; more are read in turns.
HELD_BYTES = 32 * 1024**2

Cells = NDArray[np.int64]
Floats = NDArray[np.float64]


class Method(StrEnum):
    """How a point between cell centres gets its value."""

    NEAREST = "nearest"
    """The cell that holds the point: for classes."""
    BILINEAR = "bilinear"
    """The weighted mean of the four nearest centres: a plain gather where the point is a centre."""


class TileSource(Protocol):
    """One band whose internal tiles can be read."""

    grid: Grid
    tile_shape: tuple[int, int]
    """Rows and columns of a tile."""
    kind: str
    """The values' type by its numpy name."""
    nodata: float | None
    bands: int
    """Bands in the same file."""

    def read_tiles(self, rows: Cells, columns: Cells) -> NDArray[Any]:
        """Return (K, height, width) of the K tiles named in row-major order, padded at the raster's edges."""


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


@dataclass(frozen=True, eq=False)
class Plan:
    """Where the values of N points lie in the tiles of a grid: one plan serves every raster of that grid.

    M of the points lie inside the raster; C is 1 for a gather, 4 for a weighted mean.
    """

    inside: NDArray[np.bool_]
    """(N,) True for the points inside the raster."""
    rows: Cells
    columns: Cells
    """(K,) row and column of each tile that is needed, in row-major order."""
    slot: NDArray[np.int32]
    """(C x M,) which of the K tiles holds the value."""
    within: NDArray[np.int32]
    """(C x M,) its place in that tile, row-major."""
    tile_cells: int
    """Cells of one tile."""
    weights: Floats | None = None
    """(4, M) share of each corner; None for a gather."""
    holder: Cells | None = None
    """(M,) which of the corners is the cell that holds the point; None for a gather."""

    @cached_property
    def place(self) -> Cells:
        """(C x M,) place of each value among all cells of the K tiles."""
        return self.slot.astype(np.int64) * self.tile_cells + self.within


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


def plan_points(
    grid: Grid,
    tile_shape: tuple[int, int],
    easting_m: Floats,
    northing_m: Floats,
    method: Method = Method.BILINEAR,
) -> Plan:
    """Return where N points of the grid's own coordinate system find their values.

    Points that are not finite are outside. Neighbours beyond the edge repeat the edge.
    """
    x, y = (easting_m - grid.west_m) / grid.cell_m, (grid.north_m - northing_m) / grid.cell_m
    inside = (x >= 0) & (x < grid.width) & (y >= 0) & (y < grid.height)
    x, y = x[inside], y[inside]
    if method is Method.NEAREST or _are_centres(x, y):
        return _plan(grid, tile_shape, inside, y.astype(np.int64), x.astype(np.int64))
    rows, row_weights = _neighbours(y, grid.height)
    columns, column_weights = _neighbours(x, grid.width)
    corners = [(i, j) for i in (0, 1) for j in (0, 1)]
    weights = np.stack([row_weights[i] * column_weights[j] for i, j in corners])
    all_rows = np.concatenate([rows[i] for i, _ in corners])
    all_columns = np.concatenate([columns[j] for _, j in corners])
    return _plan(grid, tile_shape, inside, all_rows, all_columns, weights, _holder(x, y))


def _plan(
    grid: Grid,
    tile_shape: tuple[int, int],
    inside: NDArray[np.bool_],
    row: Cells,
    column: Cells,
    weights: Floats | None = None,
    holder: Cells | None = None,
) -> Plan:
    height, width = tile_shape
    needed = np.zeros((-(-grid.height // height), -(-grid.width // width)), bool)
    tile_row, tile_column = row // height, column // width
    needed[tile_row, tile_column] = True
    rows, columns = np.nonzero(needed)
    number = np.full(needed.shape, -1, np.int32)
    number[rows, columns] = np.arange(len(rows))
    slot = number[tile_row, tile_column]
    within = ((row % height) * width + column % width).astype(np.int32)
    return Plan(inside, rows, columns, slot, within, height * width, weights, holder)


def _are_centres(x: Floats, y: Floats) -> bool:
    return bool(np.all(x % 1 == 0.5) and np.all(y % 1 == 0.5))


def _neighbours(at: Floats, size: int) -> tuple[tuple[Cells, Cells], tuple[Any, Any]]:
    """Return the cells before and after each position on one axis, clamped, and their weights."""
    before = np.floor(at - 0.5)
    share = at - 0.5 - before
    first = before.astype(np.int64)
    return (np.clip(first, 0, size - 1), np.clip(first + 1, 0, size - 1)), (1 - share, share)


def _holder(x: Floats, y: Floats) -> Cells:
    """Return which of the four corners, in order (row, column), is the cell that holds the point."""
    lower, right = (y % 1 < 0.5).astype(np.int64), (x % 1 < 0.5).astype(np.int64)
    return 2 * lower + right


def sample(
    source: TileSource, plan: Plan, *, above: float | None = None, zero_counts: bool = False
) -> Sampled:
    """Return one band at the plan's N points.

    The file's nodata value (unless it is 0 and `zero_counts`), values that are not finite and, with `above`,
    values not above it are missing: left out of a weighted mean, and a point is missing where the cell that
    holds it is.
    """
    gathered = _gather(source, plan)
    nodata = None if zero_counts and source.nodata == 0 else source.nodata
    values, missing = _weighed(gathered, plan, _Absent(nodata, above))
    return Sampled(
        _spread(values, plan.inside),
        _spread(missing, plan.inside, True),
        len(plan.rows),
        len(plan.rows) * plan.tile_cells * gathered.itemsize,
    )


def _gather(source: TileSource, plan: Plan) -> NDArray[Any]:
    """Return the (C x M,) values the plan names."""
    count, kind = len(plan.rows), np.dtype(source.kind)
    tile_bytes = plan.tile_cells * kind.itemsize
    if count * tile_bytes > MAX_GATHER_BYTES:
        raise PixelReadError(f"{count} tiles of {tile_bytes} bytes: more than {MAX_GATHER_BYTES} bytes")
    at_a_time = max(HELD_BYTES // tile_bytes, 1)
    if count <= at_a_time:
        return _read(source, plan, 0, count).take(plan.place)
    gathered = np.empty(plan.slot.shape, kind)
    for first, last in _turns(count, at_a_time):
        here = (plan.slot >= first) & (plan.slot < last)
        tiles = _read(source, plan, first, last)
        gathered[here] = tiles.take(plan.place[here] - first * plan.tile_cells)
    return gathered


def _turns(count: int, at_a_time: int) -> Iterator[tuple[int, int]]:
    for first in range(0, count, at_a_time):
        yield first, min(first + at_a_time, count)


def _read(source: TileSource, plan: Plan, first: int, last: int) -> NDArray[Any]:
    if first == last:
        return np.zeros((0,), source.kind)
    return source.read_tiles(plan.rows[first:last], plan.columns[first:last])


def _weighed(gathered: NDArray[Any], plan: Plan, absent: _Absent) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the (M,) values of the points inside, and which are missing."""
    if plan.weights is None or plan.holder is None:
        return gathered, absent.find(gathered)
    values = gathered.reshape(4, -1)
    present = ~absent.find(values)
    weights = plan.weights * present
    total = weights.sum(axis=0)
    missing = ~present[plan.holder, np.arange(len(plan.holder))]
    summed = (weights * np.where(present, values, 0)).sum(axis=0, dtype=np.float64)
    return np.divide(summed, total, out=np.zeros_like(total), where=total > 0), missing


def _spread(values: NDArray[Any], inside: NDArray[np.bool_], fill: Any = 0) -> NDArray[Any]:
    """Return values of the points inside as values of all points."""
    if len(values) == len(inside):
        return values
    whole = np.full(inside.shape, fill, values.dtype)
    whole[inside] = values
    return whole
