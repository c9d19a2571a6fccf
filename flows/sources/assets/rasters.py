"""Opening rasters: GDAL's settings for reads over a network, and what a file must be before it is read."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError

from flows.sources.addresses import is_web, shown, without_secrets
from monitoring.errors import PixelReadError

#: Longest side of a raster that is opened, pixels: a Sentinel-1 RTC scene has about 30,000.
MAX_SIDE_PIXELS = 65_536
#: Largest internal tile or strip that is decoded, bytes: a header that asks for more is a bomb.
MAX_TILE_BYTES = 64 * 1024 * 1024

#: What rasterio and GDAL raise while opening or reading a damaged or foreign file.
READ_FAILURES = (RasterioError, CRSError, OSError)

_GDAL_OPTIONS: dict[str, Any] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no directory listing, no side-car files
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif,.tiff",
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


@dataclass(frozen=True)
class Grid:
    """A north-up raster's square cells."""

    epsg: int
    west_m: float
    north_m: float
    cell_m: float
    width: int
    height: int


@contextmanager
def open_raster(address: str) -> Iterator[Any]:
    """Open a GeoTIFF at an absolute path or web address; every failure inside is a PixelReadError."""
    try:
        with rasterio.open(_target(address), driver="GTiff", sharing=False) as dataset:
            _check_size(dataset)
            yield dataset
    except NotGeoreferencedWarning as error:  # raised where warnings are errors
        raise PixelReadError(f"{shown(address)}: no coordinate reference system, no geotransform") from error
    except READ_FAILURES as error:
        message = f"{shown(address)}: {_cause(error)}"
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
    return f"cannot be read as GeoTIFF: {text[:200]}"


def _check_size(dataset: Any) -> None:
    width, height = dataset.width, dataset.height
    if max(width, height) > MAX_SIDE_PIXELS:
        raise PixelReadError(f"{width} x {height} pixels: at most {MAX_SIDE_PIXELS} on a side are read")
    tile_bytes = math.prod(dataset.block_shapes[0]) * _bytes_per_value(dataset)
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
    cell, shear_x, west, shear_y, minus_cell, north = dataset.transform[:6]
    if dataset.crs is None:
        raise PixelReadError("no coordinate reference system")
    if not all(map(math.isfinite, (cell, shear_x, west, shear_y, minus_cell, north))):
        raise PixelReadError("the geotransform is not finite")
    if shear_x or shear_y:
        raise PixelReadError("the raster is rotated; only north-up rasters are read")
    if not cell > 0 or minus_cell != -cell:
        raise PixelReadError(f"cells of {cell:g} x {-minus_cell:g}: square north-up cells are needed")
    epsg = _epsg(dataset.crs.to_wkt())
    return Grid(epsg, west, north, cell, dataset.width, dataset.height)


@lru_cache(maxsize=256)
def _epsg(wkt: str) -> int:
    """Return the EPSG code of a coordinate reference system, 0 where it has none (cached: 3 ms a look-up)."""
    return rasterio.crs.CRS.from_wkt(wkt).to_epsg() or 0


def check_band(
    dataset: Any, grid: Grid, epsg: int, kinds: Collection[str], cells_m: Collection[float]
) -> None:
    """Raise PixelReadError unless the dataset is one band of an expected kind, zone and resolution."""
    if dataset.count != 1:
        raise PixelReadError(f"{dataset.count} bands in one file: 1 is needed")
    if dataset.dtypes[0] not in kinds:
        raise PixelReadError(f"values of type {dataset.dtypes[0]}: {' or '.join(kinds)} is needed")
    if grid.epsg != epsg:
        raise PixelReadError(f"EPSG:{grid.epsg or 'none'} on file: EPSG:{epsg} is needed")
    if grid.cell_m not in cells_m:
        bound = " or ".join(f"{cell:g}" for cell in cells_m)
        raise PixelReadError(f"cells of {grid.cell_m:g} m: {bound} m are needed")
