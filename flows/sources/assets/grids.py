"""Grids: what any raster must be to be read, whoever reads it."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from monitoring.errors import PixelReadError

#: Longest side of a raster that is opened, pixels: a Sentinel-1 RTC scene has about 30,000.
MAX_SIDE_PIXELS = 65_536
#: Farthest that a corner may lie from its zone's origin, metres: the Earth is 40,000 km around.
MAX_PLACE_M = 4e7
#: Largest internal tile or strip that is decoded, bytes: a header that asks for more is a bomb.
MAX_TILE_BYTES = 64 * 1024 * 1024


class Driver(StrEnum):
    """GDAL's name of a format that is read."""

    GEOTIFF = "GTiff"
    JPEG_2000 = "JP2OpenJPEG"

    @property
    def spoken(self) -> str:
        """The format's name in a message."""
        return "GeoTIFF" if self is Driver.GEOTIFF else "JPEG 2000"


@dataclass(frozen=True)
class Grid:
    """A north-up raster's square cells."""

    epsg: int
    """0 where the coordinate reference system has no code."""
    west_m: float
    north_m: float
    cell_m: float
    width: int
    height: int


def north_up_grid(epsg: int, terms: Sequence[float], width: int, height: int) -> Grid:
    """Return the grid of six affine terms (x by column, x by row, west, y by column, y by row, north)."""
    cell, shear_x, west, shear_y, minus_cell, north = terms
    if not all(map(math.isfinite, terms)):
        raise PixelReadError("the geotransform is not finite")
    if max(abs(west), abs(north)) > MAX_PLACE_M:
        raise PixelReadError(f"its corner at {west:g}, {north:g}: at most {MAX_PLACE_M:g} from the origin")
    if shear_x or shear_y:
        raise PixelReadError("the raster is rotated; only north-up rasters are read")
    if not cell > 0 or minus_cell != -cell:
        raise PixelReadError(f"cells of {cell:g} x {-minus_cell:g}: square north-up cells are needed")
    return Grid(epsg, west, north, cell, width, height)


def check_size(width: int, height: int, tile_shape: tuple[int, int], value_bytes: int) -> None:
    """Raise PixelReadError for a raster, or an internal tile, too large to be read."""
    if max(width, height) > MAX_SIDE_PIXELS:
        raise PixelReadError(f"{width} x {height} pixels: at most {MAX_SIDE_PIXELS} on a side are read")
    tile_bytes = math.prod(tile_shape) * value_bytes
    if tile_bytes > MAX_TILE_BYTES:
        raise PixelReadError(f"internal tiles of {tile_bytes} bytes: at most {MAX_TILE_BYTES} are decoded")


def refuse_scaled(scale: float, offset: float) -> None:
    """Raise PixelReadError for a file whose own scale and offset would change the values."""
    if scale != 1 or offset != 0:
        raise PixelReadError(f"values scaled by {scale:g} from {offset:g}: unscaled values are needed")


class BandSource(Protocol):
    """What is known of a file before its values are read."""

    grid: Grid
    kind: str
    bands: int


def check_band(
    source: BandSource,
    epsg: int,
    kinds: Collection[str],
    cells_m: Collection[float],
    *,
    any_zone: bool = False,
) -> None:
    """Raise PixelReadError unless the file is one band of an expected kind, zone and resolution.

    `any_zone` lets every UTM zone pass: a radar scene lies in the zone of its own centre.
    """
    if source.bands != 1:
        raise PixelReadError(f"{source.bands} bands in one file: 1 is needed")
    if source.kind not in kinds:
        raise PixelReadError(f"values of type {source.kind}: {' or '.join(kinds)} is needed")
    found = source.grid.epsg
    if found != epsg and not (any_zone and is_utm(found)):
        needed = "a UTM zone" if any_zone else f"EPSG:{epsg}"
        raise PixelReadError(f"EPSG:{found or 'none'} on file: {needed} is needed")
    if source.grid.cell_m not in cells_m:
        bound = " or ".join(f"{cell:g}" for cell in cells_m)
        raise PixelReadError(f"cells of {source.grid.cell_m:g} m: {bound} m are needed")


def is_utm(epsg: int) -> bool:
    """True for the code of a UTM zone on WGS 84."""
    return 32601 <= epsg <= 32660 or 32701 <= epsg <= 32760
