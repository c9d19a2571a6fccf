"""Published grids: which row and column of an array is exactly a pixel of ours, if any is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.grid import PIXEL_SIZE_M, PixelSet

#: Two edges nearer than this are the same edge, metres.
SAME_M = 1e-3
#: False northing of the southern UTM zones, in pixels: the one difference to their northern twins.
SOUTHERN_ROWS = 10_000_000 // PIXEL_SIZE_M
#: EPSG code of a southern UTM zone minus that of its northern twin.
SOUTHERN_EPSG = 100


class OtherGridError(Exception):
    """An array whose pixels are not ours; its text says in what."""


@dataclass(frozen=True)
class PublishedGrid:
    """Where an array of 10 m pixels lies on the UTM-zone grid."""

    epsg: int
    column: int
    """Easting of its west edge / 10 m."""
    row: int
    """Northing of its north edge / 10 m."""
    width: int
    height: int

    def positions(self, pixels: PixelSet) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (N,) rows and columns of the array; both -1 where the pixel is none of its own."""
        south = SOUTHERN_ROWS if pixels.epsg == self.epsg + SOUTHERN_EPSG else 0
        rows = self.row - 1 - (pixels.row.astype(np.int64) - south)
        columns = pixels.column.astype(np.int64) - self.column
        inside = (rows >= 0) & (rows < self.height) & (columns >= 0) & (columns < self.width)
        inside &= pixels.epsg == self.epsg or bool(south)
        return np.where(inside, rows, -1), np.where(inside, columns, -1)


def grid_of_transform(transform: Sequence[float], epsg: int, height: int, width: int) -> PublishedGrid:
    """Return the grid of (a, b, c, d, e, f), the affine transform of pixel corners.

    OtherGridError unless pixels are 10 m, north is up and edges are multiples of 10 m.
    """
    a, b, west, d, e, north = (float(number) for number in transform[:6])
    if not np.allclose((a, b, d, e), (PIXEL_SIZE_M, 0, 0, -PIXEL_SIZE_M), rtol=0, atol=SAME_M):
        raise OtherGridError(
            f"pixels are {a:g} by {-e:g} m, rotation {b:g}, {d:g}; needed are 10 m, north up"
        )
    edges = np.array([west, north]) / PIXEL_SIZE_M
    if not np.allclose(edges, np.rint(edges), rtol=0, atol=SAME_M / PIXEL_SIZE_M):
        raise OtherGridError(f"its corner ({west:g}, {north:g}) is not at multiples of {PIXEL_SIZE_M} m")
    column, row = (int(edge) for edge in np.rint(edges))
    return PublishedGrid(epsg, column, row, width, height)


def grid_of_centres(
    x: NDArray[np.float64], y: NDArray[np.float64], transform: Sequence[float], epsg: int
) -> PublishedGrid:
    """Return the grid of pixel centres x (W,) west to east and y (H,) north to south.

    OtherGridError when the transform does not put the pixel corners half a pixel from the centres, as in the
    stores whose transform was written from the centres themselves.
    """
    grid = grid_of_transform(transform, epsg, len(y), len(x))
    half = PIXEL_SIZE_M / 2
    for name, centres, first, step in (
        ("x", x, grid.column * PIXEL_SIZE_M + half, PIXEL_SIZE_M),
        ("y", y, grid.row * PIXEL_SIZE_M - half, -PIXEL_SIZE_M),
    ):
        _refuse_other_centres(name, centres, first + step * np.arange(len(centres)))
    return grid


def _refuse_other_centres(name: str, centres: NDArray[np.float64], expected: NDArray[Any]) -> None:
    off = np.abs(centres - expected)
    if not (off < SAME_M).all():
        worst = int(np.nan_to_num(off, nan=np.inf).argmax())
        raise OtherGridError(
            f"spatial:transform puts the centre of pixel {worst} at {name} = {expected[worst]:.10g} m, "
            f"the axis {name} at {centres[worst]:.10g} m"
        )
