"""Spatial error: the variance of a woodland's mean when the errors of its cells are alike nearby."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, sparse

from monitoring.errors import ModelError
from monitoring.grid import PIXEL_SIZE_M

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Cells of a padded box above which a woodland's box is not transformed whole: 128 MiB of float64.
MOST_BOX_CELLS = 2**24
#: Pairs of cells above which they are not taken one by one.
MOST_PAIRS = 2**27
#: Cells or pairs worked on at a time: 16 MiB of float64.
BATCH = 2**21


@dataclass(frozen=True)
class Correlation:
    """How alike the errors of two cells are: rho(d) = (1 - nugget) exp(-d / range_m), and rho(0) = 1."""

    nugget: float
    """Share 0-1 of the error variance that is independent from cell to cell."""
    range_m: float
    """Distance over which the rest falls to 1/e, metres."""

    def __post_init__(self) -> None:
        if not 0 <= self.nugget <= 1:
            raise ModelError(f"correlation: nugget {self.nugget:g} must be between 0 and 1")
        if not self.range_m > 0:
            raise ModelError(f"correlation: range {self.range_m:g} m must be above 0")


#: Errors that are the same everywhere, for where nothing else is known: the largest sd a mean can have.
#: The range is finite so that a card can state it; over 100 km the correlation is still 0.9999.
FULLY_CORRELATED = Correlation(nugget=0.0, range_m=1e9)


def mean_variance(
    weights: sparse.csr_array,
    column: NDArray[np.integer],
    row: NDArray[np.integer],
    sd: Array,
    how: Correlation,
) -> Array:
    """Return (W,) the variance of each woodland's weighted mean, NaN where none of its cells has an sd.

    weights (W, N) not below 0; column, row (N,) of 10 m cells; sd (N,) of each cell's error: where it is NaN
    the cell is left out of the mean. The double sum over all pairs of cells, to rounding: pair by pair where
    that is little work, else by a Fourier transform of the woodland's box. Only where both would be too much
    (more than 11,585 cells, in a box of more than 2**24 with its padding) cells are merged into squares until
    the box fits; errors within a square are then taken for equal: as a rule a variance somewhat too large.
    """
    cells = _cells_of(weights, column, row, sd)
    alike = np.zeros(cells.n_woodlands)
    if how.nugget < 1:
        for wood, variance in _alike(cells, how.range_m):
            alike[wood] = variance
    independent = np.bincount(cells.wood, cells.share**2, cells.n_woodlands)
    known = np.bincount(cells.wood, minlength=cells.n_woodlands) > 0
    return np.where(known, how.nugget * independent + (1 - how.nugget) * np.maximum(alike, 0.0), np.nan)


@dataclass(frozen=True)
class _Cells:
    """The cells of all woodlands, each (M,), woodland after woodland."""

    n_woodlands: int
    wood: Index
    column: Index
    row: Index
    share: Array
    """Weight in the mean times sd."""

    @property
    def starts(self) -> Index:
        """Where each woodland that has cells begins."""
        return np.flatnonzero(np.diff(self.wood, prepend=-1)).astype(np.int64)

    def of(self, start: int, stop: int) -> _Cells:
        """Return a stretch of them."""
        here = slice(start, stop)
        return _Cells(self.n_woodlands, self.wood[here], self.column[here], self.row[here], self.share[here])


def _cells_of(
    weights: sparse.csr_array, column: NDArray[np.integer], row: NDArray[np.integer], sd: Array
) -> _Cells:
    n_woodlands = weights.shape[0]
    wood = np.repeat(np.arange(n_woodlands), np.diff(weights.indptr))
    keep = (weights.data > 0) & np.isfinite(sd[weights.indices])
    wood, place, weight = wood[keep], weights.indices[keep], weights.data[keep]
    total = np.bincount(wood, weight, n_woodlands)
    share = weight * sd[place] / total[wood]
    return _Cells(n_woodlands, wood, column[place].astype(np.int64), row[place].astype(np.int64), share)


def _alike(cells: _Cells, range_m: float) -> Iterator[tuple[Index, Array]]:
    """Yield (woodlands, their variances) of errors correlated by exp(-d / range), each woodland once."""
    if not len(cells.wood):
        return
    boxes = _boxes(cells)
    n_pairs, n_padded = boxes.n_cells**2, boxes.height * boxes.width
    direct = n_pairs <= np.where(n_padded > MOST_BOX_CELLS, MOST_PAIRS, n_padded)
    merged = ~direct & (n_padded > MOST_BOX_CELLS)
    for number in np.flatnonzero(direct).tolist():
        one = boxes.cells(number)
        yield one.wood[:1], np.array([_pair_by_pair(one, range_m)])
    for number in np.flatnonzero(merged).tolist():
        one = boxes.cells(number)
        yield one.wood[:1], np.array([_by_squares(one, range_m)])
    yield from _by_transform(boxes, np.flatnonzero(~direct & ~merged), PIXEL_SIZE_M / range_m)


@dataclass(frozen=True)
class _Boxes:
    """The bounding box of every woodland that has cells, each (V,)."""

    all_cells: _Cells
    start: Index
    n_cells: Index
    west: Index
    south: Index
    height: Index
    width: Index
    """Padded to twice the box, so that no shift within it meets its own end: lengths that transform fast."""

    def cells(self, number: int) -> _Cells:
        """Return the cells of one woodland."""
        return self.all_cells.of(self.start[number], self.start[number] + self.n_cells[number])


def _boxes(cells: _Cells) -> _Boxes:
    start = cells.starts
    west, south = np.minimum.reduceat(cells.column, start), np.minimum.reduceat(cells.row, start)
    width = np.maximum.reduceat(cells.column, start) - west + 1
    height = np.maximum.reduceat(cells.row, start) - south + 1
    n_cells = np.diff(start, append=len(cells.wood))
    return _Boxes(cells, start, n_cells, west, south, _padded(height), _padded(width))


def _padded(lengths: Index) -> Index:
    """Return fast lengths of at least twice the given ones less 1."""
    distinct, position = np.unique(lengths, return_inverse=True)
    fast = [fft.next_fast_len(2 * int(length) - 1, real=True) for length in distinct]
    return np.array(fast, np.int64)[position.ravel()]


def _pair_by_pair(cells: _Cells, range_m: float) -> float:
    total, step = 0.0, max(BATCH // len(cells.wood), 1)
    for first in range(0, len(cells.wood), step):
        some = cells.of(first, first + step)
        dx = some.column[:, None] - cells.column
        dy = some.row[:, None] - cells.row
        rho = np.exp(np.hypot(dx, dy) * (-PIXEL_SIZE_M / range_m))
        total += float(some.share @ rho @ cells.share)
    return total


def _by_squares(cells: _Cells, range_m: float) -> float:
    """Return the variance of one woodland with its cells merged into the smallest squares whose box fits."""
    edge = 1
    column, row = cells.column - cells.column.min(), cells.row - cells.row.min()
    while _padded(column // edge + 1).max() * _padded(row // edge + 1).max() > MOST_BOX_CELLS:
        edge *= 2
    coarse = _Cells(1, np.zeros_like(cells.wood), column // edge, row // edge, cells.share)
    ((_, variance),) = _by_transform(_boxes(coarse), np.zeros(1, np.int64), edge * PIXEL_SIZE_M / range_m)
    return float(variance[0])


def _by_transform(boxes: _Boxes, chosen: Index, decay: float) -> Iterator[tuple[Index, Array]]:
    """Yield (woodlands, variances) of some boxes, those of one size together; decay: cell edge / range.

    With S the transform of the shares in their padded box and K that of the correlation with the cell at the
    origin, the double sum is the mean of |S|**2 K over all frequencies (Wiener and Khinchin, Parseval).
    """
    shape = np.column_stack([boxes.height, boxes.width])[chosen]
    sizes, group = np.unique(shape, axis=0, return_inverse=True)
    for number, (height, width) in enumerate(sizes.tolist()):
        members = chosen[group.ravel() == number]
        kernel = _kernel(height, width, decay)
        step = max(BATCH // (height * width), 1)
        for first in range(0, len(members), step):
            some = members[first : first + step]
            wood = boxes.all_cells.wood[boxes.start[some]]
            yield wood, _power(_grids(boxes, some, height, width)) @ kernel


def _kernel(height: int, width: int, decay: float) -> Array:
    """Return the transform of exp(-distance x decay) on a torus, flat; `_power` @ it is the double sum."""
    dy, dx = (np.minimum(np.arange(n), n - np.arange(n)) for n in (height, width))
    spectrum = fft.rfft2(np.exp(np.hypot(dy[:, None], dx) * -decay)).real
    twice = np.full(width // 2 + 1, 2.0)  # a real transform states each pair of frequencies once,
    twice[0] = 1.0  # the constant and, of an even length, the highest once in all
    if width % 2 == 0:
        twice[-1] = 1.0
    return np.asarray((spectrum * twice).ravel() / (height * width))


def _grids(boxes: _Boxes, some: Index, height: int, width: int) -> Array:
    """Return (B, height, width) the shares of some woodlands in their padded boxes."""
    count = boxes.n_cells[some]
    slot = np.repeat(np.arange(len(some)), count)
    offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    at = boxes.start[some][slot] + offset
    cells = boxes.all_cells
    y, x = cells.row[at] - boxes.south[some][slot], cells.column[at] - boxes.west[some][slot]
    flat = np.bincount((slot * height + y) * width + x, cells.share[at], len(some) * height * width)
    return np.asarray(flat.reshape(len(some), height, width), np.float64)


def _power(grids: Array) -> Array:
    """Return (B, F) the squared amplitude of each grid at every frequency."""
    spectrum = fft.rfft2(grids).reshape(len(grids), -1)
    return np.asarray(spectrum.real**2 + spectrum.imag**2)
