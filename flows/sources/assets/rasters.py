"""Rasters through GDAL, for every file that our own reader leaves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from flows.sources.addresses import shown, without_secrets
from flows.sources.assets.grids import Driver, Grid, check_size, north_up_grid, refuse_scaled
from flows.sources.assets.range_files import RangeFiles
from flows.sources.assets.ranges import Ranges
from monitoring.errors import PixelReadError

#: What rasterio and GDAL raise while opening or reading a damaged or foreign file.
READ_FAILURES = (RasterioError, CRSError, OSError)

Numbers = NDArray[np.int64]

_GDAL_OPTIONS: dict[str, Any] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no directory listing, no side-car files
    "GDAL_PAM_ENABLED": False,
    "PROJ_NETWORK": "OFF",
}
#: GDAL's own threads cannot open a file that is given to it in Python, and would leave its tiles 0.
_ONE_THREAD: dict[str, Any] = {"GDAL_NUM_THREADS": "1"}
#: Where rasterio pretends that such a file lies.
_PRETENDED = re.compile(r"/vsiriopener_[0-9a-f]+/")


def gdal_environment() -> rasterio.Env:
    """Return the context in which rasters are read; it holds for the thread that enters it."""
    return rasterio.Env(**_GDAL_OPTIONS)


@contextmanager
def open_raster(path: str, driver: Driver = Driver.GEOTIFF) -> Iterator[Any]:
    """Open a raster on disk; every failure inside is a PixelReadError.

    Only a regular file is opened, never a web address or a connection string of GDAL's own.
    """
    if not Path(path).is_file():
        raise PixelReadError(f"{shown(path)}: no such file")
    with _opened(shown(path), Path(path).absolute(), driver) as dataset:
        yield dataset


@contextmanager
def open_ranges(ranges: Ranges, driver: Driver = Driver.GEOTIFF) -> Iterator[Any]:
    """Open a raster by its ranges; what they raise goes before what GDAL makes of it.

    Every failure inside is a PixelReadError, or UnreachableError as the ranges raise it.
    """
    files = RangeFiles(ranges)
    try:
        with (
            rasterio.Env(**_ONE_THREAD),
            _opened(ranges.name, files.NAME, driver, opener=files.open) as dataset,
        ):
            yield dataset
    except PixelReadError:
        if files.failure is None:
            raise
    if files.failure:  # even where GDAL was content with the bytes that came
        raise files.failure


@contextmanager
def _opened(name: str, source: str | Path, driver: Driver, opener: Any = None) -> Iterator[Any]:
    try:
        with rasterio.open(source, driver=driver, sharing=False, opener=opener) as dataset:
            check_size(dataset.width, dataset.height, dataset.block_shapes[0], _bytes_per_value(dataset))
            yield dataset
    except NotGeoreferencedWarning as error:  # raised where warnings are errors
        raise PixelReadError(f"{name}: no coordinate reference system, no geotransform") from error
    except READ_FAILURES as error:
        raise PixelReadError(f"{name}: cannot be read as {driver.spoken}: {_cause(error)}") from error


def _cause(error: BaseException) -> str:
    """Return the deepest message that rasterio chained, on one line."""
    deepest = error
    while deepest.__cause__ is not None:
        deepest = deepest.__cause__
    text = str(getattr(deepest, "errmsg", "") or deepest) or type(error).__name__
    return without_secrets(_PRETENDED.sub("", text))[:200]


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
