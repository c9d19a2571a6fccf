"""The directory of a tiled GeoTIFF: one read of its header as a grid, a coding and the place of each tile."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flows.sources.assets.grids import Grid, check_size
from flows.sources.assets.ranges import Ranges
from flows.sources.assets.tiff.coding import Coding, coding_of, nodata_of, refuse_scaling
from flows.sources.assets.tiff.entries import MAX_TILES, Tag, read_entries
from flows.sources.assets.tiff.head import Head, UncoveredError, form_of
from flows.sources.assets.tiff.place import place_of
from monitoring.errors import PixelReadError


@dataclass(frozen=True, eq=False)
class Directory:
    """The header of one raster."""

    grid: Grid
    coding: Coding
    nodata: float | None
    offsets: NDArray[np.uint64]
    """(tile rows, tile columns) first byte of each tile; with a length of 0, the tile is empty."""
    byte_counts: NDArray[np.uint64]
    """(tile rows, tile columns) packed length of each tile."""
    head_bytes: int
    """Bytes at the file's start that the header takes up."""

    @property
    def layout(self) -> str:
        """Names all but the place of the tiles: equal for the bands of all scenes on one grid."""
        return f"{self.grid} {self.coding} {self.nodata}"

    @property
    def index(self) -> str:
        """Names the place of the tiles."""
        return hashlib.sha256(self.offsets.tobytes() + self.byte_counts.tobytes()).hexdigest()


def parse_directory(ranges: Ranges, head_bytes: int) -> Directory:
    """Return the header as one read gives it, `head_bytes` of it in the first request.

    UncoveredError for what is left to GDAL, PixelReadError naming the asset for what cannot be read.
    """
    try:
        return _directory(Head(ranges, head_bytes))
    except UncoveredError:
        raise
    except PixelReadError as error:
        raise PixelReadError(f"{ranges.name}: {error}") from error.__cause__


def _directory(head: Head) -> Directory:
    form = form_of(head)
    entries = read_entries(head, form)
    coding = coding_of(entries, head, form)
    width, height = entries.number(Tag.WIDTH), entries.number(Tag.HEIGHT)
    check_size(width, height, coding.tile_shape, coding.dtype.itemsize)
    grid = place_of(entries, width, height)
    refuse_scaling(entries)
    nodata = nodata_of(entries, coding.dtype)
    shape = _tiles_in(width, height, coding.tile_shape)
    offsets, counts = entries.index(Tag.TILE_OFFSETS, shape), entries.index(Tag.TILE_BYTE_COUNTS, shape)
    return Directory(grid, coding, nodata, offsets, counts, head.used)


def _tiles_in(width: int, height: int, tile_shape: tuple[int, int]) -> tuple[int, int]:
    shape = -(-height // tile_shape[0]), -(-width // tile_shape[1])
    if math.prod(shape) > MAX_TILES:
        raise PixelReadError(f"{math.prod(shape)} internal tiles: at most {MAX_TILES} are read")
    return shape
