"""Rasters through GDAL, for every file that our own reader leaves; and what any file must be to be read."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from flows.sources.addresses import is_web, shown, without_secrets
from monitoring.errors import PixelReadError

#: Longest side of a raster that is opened, pixels: a Sentinel-1 RTC scene has about 30,000.
MAX_SIDE_PIXELS = 65_536
#: Farthest that a corner may lie from its zone's origin, metres: the Earth is 40,000 km around.
MAX_PLACE_M = 4e7
#: Largest internal tile or strip that is decoded, bytes: a header that asks for more is a bomb.
MAX_TILE_BYTES = 64 * 1024 * 1024

#: What rasterio and GDAL raise while opening or reading a damaged or foreign file.
READ_FAILURES = (RasterioError, CRSError, OSError)

Numbers = NDArray[np.int64]

_GDAL_OPTIONS: dict[str, Any] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no directory listing, no side-car files
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif,.tiff,.jp2",
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/http",  # else a failed open is remembered for good
    "GDAL_HTTP_MULTIRANGE": "YES",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MAX_RETRY": 3,
    "GDAL_HTTP_RETRY_DELAY": 0.5,
    "GDAL_HTTP_CONNECTTIMEOUT": 10,
    "GDAL_HTTP_TIMEOUT": 60,
    "GDAL_INGESTED_BYTES_AT_OPEN": 32_768,  # header and index of a COG in one request
    "VSI_CACHE": True,
    "VSI_CACHE_SIZE": 16 * 1024 * 1024,
    "GDAL_PAM_ENABLED": False,
    "PROJ_NETWORK": "OFF",
}


def gdal_environment() -> rasterio.Env:
    """Return the context in which rasters are read; it holds for the thread that enters it."""
    return rasterio.Env(**_GDAL_OPTIONS)


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


@contextmanager
def open_raster(address: str, driver: Driver = Driver.GEOTIFF) -> Iterator[Any]:
    """Open a raster at an absolute path or web address; every failure inside is a PixelReadError."""
    try:
        with rasterio.open(_target(address), driver=driver, sharing=False) as dataset:
            check_size(dataset.width, dataset.height, dataset.block_shapes[0], _bytes_per_value(dataset))
            yield dataset
    except NotGeoreferencedWarning as error:  # raised where warnings are errors
        raise PixelReadError(f"{shown(address)}: no coordinate reference system, no geotransform") from error
    except READ_FAILURES as error:
        message = f"{shown(address)}: cannot be read as {driver.spoken}: {_cause(error)}"
        if "?" in address:
            raise PixelReadError(message) from None  # GDAL's own message may hold a signed address
        raise PixelReadError(message) from error


def _target(address: str) -> str | Path:
    """Return what GDAL may open: a web address, or a regular file (never a connection string of its own)."""
    if is_web(address):
        return address
    path = Path(address)
    if not path.is_file():
        raise PixelReadError(f"{address}: no such file")
    return path.absolute()


def _cause(error: BaseException) -> str:
    """Return the deepest message that rasterio chained, on one line."""
    deepest = error
    while deepest.__cause__ is not None:
        deepest = deepest.__cause__
    text = without_secrets(str(getattr(deepest, "errmsg", "") or deepest)) or type(error).__name__
    return text[:200]


def check_size(width: int, height: int, tile_shape: tuple[int, int], value_bytes: int) -> None:
    """Raise PixelReadError for a raster, or an internal tile, too large to be read."""
    if max(width, height) > MAX_SIDE_PIXELS:
        raise PixelReadError(f"{width} x {height} pixels: at most {MAX_SIDE_PIXELS} on a side are read")
    tile_bytes = math.prod(tile_shape) * value_bytes
    if tile_bytes > MAX_TILE_BYTES:
        raise PixelReadError(f"internal tiles of {tile_bytes} bytes: at most {MAX_TILE_BYTES} are decoded")


def _bytes_per_value(dataset: Any) -> int:
    """Return the size of a value; a kind that numpy has no name for counts as the largest."""
    try:
        return int(np.dtype(dataset.dtypes[0]).itemsize)
    except TypeError:
        return np.dtype(np.complex128).itemsize


def grid_of(dataset: Any) -> Grid:
    """Return the dataset's grid; PixelReadError unless it is georeferenced, north-up and square."""
    if dataset.crs is None:
        raise PixelReadError("no coordinate reference system")
    terms = tuple(map(float, dataset.transform[:6]))
    return north_up_grid(_epsg(dataset.crs.to_wkt()), terms, dataset.width, dataset.height)


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


@lru_cache(maxsize=256)
def _epsg(wkt: str) -> int:
    """Return the EPSG code of a coordinate reference system, 0 where it has none (cached: 3 ms a look-up)."""
    return rasterio.crs.CRS.from_wkt(wkt).to_epsg() or 0


class GdalTiles:
    """The tiles of one band of an open dataset."""

    def __init__(self, dataset: Any, band: int = 1) -> None:
        self.grid = grid_of(dataset)
        self.tile_shape: tuple[int, int] = dataset.block_shapes[band - 1]
        self.kind: str = dataset.dtypes[band - 1]
        self.nodata: float | None = dataset.nodatavals[band - 1]
        self.bands: int = dataset.count
        refuse_scaled(dataset.scales[band - 1], dataset.offsets[band - 1])
        self._dataset, self._band = dataset, band

    def read_tiles(self, rows: Numbers, columns: Numbers) -> NDArray[Any]:
        """Return (K, height, width) of K tiles named in row-major order; edge tiles are padded with 0."""
        stack = np.zeros((len(rows), *self.tile_shape), self.kind)
        for first, last in _runs(rows, columns):
            self._read_run(int(rows[first]), int(columns[first]), stack[first:last])
        return stack

    def _read_run(self, row: int, column: int, into: NDArray[Any]) -> None:
        """Read neighbouring tiles of one tile row into `into`."""
        height, width = self.tile_shape
        left, top = column * width, row * height
        right, bottom = left + len(into) * width, top + height
        right, bottom = min(right, self.grid.width), min(bottom, self.grid.height)
        read = self._dataset.read(self._band, window=Window(left, top, right - left, bottom - top))
        for position, tile in enumerate(into):
            part = read[:, position * width : (position + 1) * width]
            tile[: part.shape[0], : part.shape[1]] = part


def _runs(rows: Numbers, columns: Numbers) -> Iterator[tuple[int, int]]:
    """Yield (first, last + 1) of each unbroken run of tiles of one row: one read each."""
    breaks = np.flatnonzero((np.diff(rows) != 0) | (np.diff(columns) != 1)) + 1
    edges = [0, *breaks.tolist(), len(rows)] if len(rows) else [0]
    yield from pairwise(edges)


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
