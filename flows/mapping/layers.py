"""Layers of a map: values of 10 m cells as cloud-optimised GeoTIFFs, in memory; and a picture of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.io import MemoryFile
from rasterio.shutil import copy as copy_raster
from rasterio.transform import Affine
from rasterio.windows import Window

from monitoring.estimates import PixelEstimates
from monitoring.grid import PIXEL_SIZE_M, PixelSet
from reports.ramp import png, ramp

#: Edge of a tile, cells: rasters longer than this get overviews.
TILE = 256
#: Most bytes of decoded tiles that GDAL keeps; it would take 5 % of the machine's memory.
CACHE_BYTES = 64 * 1024**2
#: Byte of a cell of which nothing is known.
NO_NUMBER = 255
#: Bytes 0 ... 254 are colours of the mean.
N_COLOURS = 255
#: Percentiles of the mean between which the colours run; beyond them they stay the same.
COLOUR_PERCENTILES = (2.0, 98.0)
#: Outside and inside the area of applicability: red and blue, told apart by any colour vision.
OUTSIDE, INSIDE = (215, 48, 39, 255), (69, 117, 180, 255)
NOWHERE = (0, 0, 0, 0)
#: Longer side of the picture, pixels at most.
PREVIEW_PX = 1024

Colour = tuple[int, int, int, int]


@dataclass(frozen=True)
class Piece:
    """What the head says of N cells of one UTM zone."""

    cells: PixelSet
    mean: NDArray[np.float32]
    """(N,) target's unit; NaN where nothing is known."""
    sd: NDArray[np.float32]
    """(N,) of one standard sample about the mean; NaN where nothing is known."""
    applicable: NDArray[np.uint8]
    """(N,) 1 inside the area of applicability, 0 outside, 255 where nothing is known."""

    @property
    def known(self) -> NDArray[np.bool_]:
        """(N,) True where there is an estimate."""
        return np.isfinite(self.mean)

    def at(self, positions: NDArray[np.int64]) -> Piece:
        """Return the cells at some positions, in their order."""
        cells = self.cells.at(positions)
        return Piece(cells, self.mean[positions], self.sd[positions], self.applicable[positions])


def piece_of(cells: PixelSet, estimates: PixelEstimates) -> Piece:
    """Return what a map keeps of estimates."""
    known = np.isfinite(estimates.mean)
    mean, sd = (np.where(known, part, np.nan).astype(np.float32) for part in (estimates.mean, estimates.sd))
    return Piece(cells, mean, sd, np.where(known, estimates.applicable, NO_NUMBER).astype(np.uint8))


def gathered(pieces: Sequence[Piece]) -> Piece:
    """Return all cells of one UTM zone, each once, in row-major order from north to south.

    Blocks share cells where their woodlands touch: the first piece that knows something of a cell counts.
    """
    column = np.concatenate([piece.cells.column for piece in pieces])
    row = np.concatenate([piece.cells.row for piece in pieces])
    together = Piece(
        PixelSet(pieces[0].cells.epsg, column, row),
        np.concatenate([piece.mean for piece in pieces]),
        np.concatenate([piece.sd for piece in pieces]),
        np.concatenate([piece.applicable for piece in pieces]),
    )
    order = np.lexsort((~together.known, column, -row.astype(np.int64)))
    is_new = np.diff(column[order], prepend=column[order[:1]] - 1) != 0
    is_new |= np.diff(row[order], prepend=row[order[:1]]) != 0
    return together.at(order[is_new])


@dataclass(frozen=True)
class Frame:
    """The grid of a map: the 10 m cells of a UTM zone inside a box."""

    epsg: int
    west: int
    """Column of the first cell: easting of its west edge / 10 m."""
    north: int
    """Row of the first line: northing of its south edge / 10 m."""
    width: int
    height: int

    @property
    def transform(self) -> Affine:
        """From (column, line) of the map to metres of the zone."""
        size = PIXEL_SIZE_M
        return Affine(size, 0.0, self.west * size, 0.0, -size, (self.north + 1) * size)

    @property
    def bbox(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees, WGS 84."""
        size = PIXEL_SIZE_M
        west, north = self.west * size, (self.north + 1) * size
        edges = (west, north - self.height * size, west + self.width * size, north)
        found = Transformer.from_crs(self.epsg, 4326, always_xy=True).transform_bounds(*edges)
        return (found[0], found[1], found[2], found[3])

    def places(self, cells: PixelSet) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (N,) columns and (N,) lines of cells in the map, from its north-west corner."""
        return cells.column.astype(np.int64) - self.west, self.north - cells.row.astype(np.int64)


def frame_of(cells: PixelSet) -> Frame:
    """Return the smallest grid that holds all cells."""
    west, north = int(cells.column.min()), int(cells.row.max())
    width, height = int(cells.column.max()) - west + 1, north - int(cells.row.min()) + 1
    return Frame(cells.epsg, west, north, width, height)


@dataclass(frozen=True)
class Colours:
    """How the mean becomes colours: byte = (mean - low) / step, 0 ... 254."""

    low: float
    """Mean at byte 0, target's unit."""
    step: float
    """Target's unit per byte, above 0."""

    def code(self, mean: NDArray[Any]) -> NDArray[np.uint8]:
        """Return bytes of the same shape; 255 where the mean is NaN."""
        known = np.isfinite(mean)
        codes = np.rint((np.where(known, mean, self.low) - self.low) / self.step).clip(0, N_COLOURS - 1)
        return np.where(known, codes, NO_NUMBER).astype(np.uint8)


def colours_of(pieces: Sequence[Piece]) -> Colours:
    """Return colours that run over the known means of all pieces; a single value gets the first colour."""
    means = np.concatenate([piece.mean[piece.known] for piece in pieces])
    low, high = (float(end) for end in np.percentile(means.astype(np.float64), COLOUR_PERCENTILES))
    return Colours(low, (high - low) / (N_COLOURS - 1) if high > low else 1.0)


@dataclass(frozen=True)
class Layer:
    """One raster of a map."""

    name: str
    values: NDArray[Any]
    """(N,) of the cells."""
    nodata: float
    resampling: Literal["AVERAGE", "MODE"]
    """How overviews are made; both leave out cells of which nothing is known."""
    table: Mapping[int, Colour] | None = None
    """Colour of each byte."""
    scale: Colours | None = None
    """What brings bytes back to the target's unit."""


def layers(piece: Piece, colours: Colours) -> Iterator[Layer]:
    """Yield the rasters of a map."""
    yield Layer("mean", piece.mean, np.nan, "AVERAGE")
    yield Layer("sd", piece.sd, np.nan, "AVERAGE")
    yield Layer("mean-colours", colours.code(piece.mean), NO_NUMBER, "AVERAGE", _ramp_table(), colours)
    inside = {0: OUTSIDE, 1: INSIDE, NO_NUMBER: NOWHERE}
    yield Layer("applicability", piece.applicable, NO_NUMBER, "MODE", inside)


def _ramp_table() -> dict[int, Colour]:
    table: dict[int, Colour] = {NO_NUMBER: NOWHERE}
    for code, (red, green, blue, opacity) in enumerate(ramp(N_COLOURS).tolist()):
        table[code] = (red, green, blue, opacity)
    return table


def cog(layer: Layer, cells: PixelSet, frame: Frame, description: str) -> bytes:
    """Return a layer as the bytes of a cloud-optimised GeoTIFF; the same layer gives the same bytes.

    It is made in memory, compressed and tile by tile: GDAL says nothing of what does not fit on a disk.
    """
    with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES), MemoryFile() as draft, MemoryFile() as final:
        _write_draft(draft, layer, cells, frame, description)
        copy_raster(
            draft.name,
            final.name,
            driver="COG",
            COMPRESS="DEFLATE",
            PREDICTOR="NO" if layer.table else "YES",
            BLOCKSIZE=TILE,
            OVERVIEWS="IGNORE_EXISTING",
            OVERVIEW_RESAMPLING=layer.resampling,
        )
        return bytes(final.read())


def _write_draft(file: MemoryFile, layer: Layer, cells: PixelSet, frame: Frame, description: str) -> None:
    profile = {
        "driver": "GTiff",
        "width": frame.width,
        "height": frame.height,
        "count": 1,
        "dtype": layer.values.dtype,
        "crs": f"EPSG:{frame.epsg}",
        "transform": frame.transform,
        "nodata": layer.nodata,
        "tiled": True,
        "blockxsize": TILE,
        "blockysize": TILE,
        "compress": "deflate",
        "sparse_ok": True,
    }
    with file.open(**profile) as raster:
        raster.set_band_description(1, description)
        if layer.table:
            raster.write_colormap(1, layer.table)
        if layer.scale:
            raster.offsets, raster.scales = (layer.scale.low,), (layer.scale.step,)
        for window, tile in _tiles(layer, cells, frame):
            raster.write(tile, 1, window=window)


def _tiles(layer: Layer, cells: PixelSet, frame: Frame) -> Iterator[tuple[Window, NDArray[Any]]]:
    """Yield every tile that holds a cell, once, with its place."""
    column, line = frame.places(cells)
    number = line // TILE * -(-frame.width // TILE) + column // TILE
    order = np.argsort(number, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(number[order])) + 1):
        left, top = (int(axis[members[0]]) // TILE * TILE for axis in (column, line))
        shape = min(TILE, frame.height - top), min(TILE, frame.width - left)
        tile = np.full(shape, layer.nodata, layer.values.dtype)
        tile[line[members] - top, column[members] - left] = layer.values[members]
        yield Window(left, top, shape[1], shape[0]), tile


def preview(piece: Piece, frame: Frame, colours: Colours) -> bytes:
    """Return a picture of the mean as a PNG file, transparent where nothing is known.

    At most 1,024 pixels long: of large maps a pixel is the mean of the known cells in a square, of small ones
    a cell is a square of pixels.
    """
    palette = np.vstack([ramp(N_COLOURS), np.array([NOWHERE], np.uint8)])
    picture = palette[colours.code(_thinned(piece, frame))]
    enlarged = max(1, PREVIEW_PX // max(picture.shape[:2]))
    return png(picture.repeat(enlarged, axis=0).repeat(enlarged, axis=1))


def _thinned(piece: Piece, frame: Frame) -> NDArray[np.float64]:
    """Return (Y, X) means of the known cells in the squares that a picture shows; NaN where none is."""
    step = -(-max(frame.width, frame.height) // PREVIEW_PX)
    height, width = -(-frame.height // step), -(-frame.width // step)
    column, line = frame.places(piece.cells)
    square, known = line // step * width + column // step, piece.known
    total = np.bincount(square[known], piece.mean[known], height * width)
    count = np.bincount(square[known], minlength=height * width)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).reshape(height, width)
