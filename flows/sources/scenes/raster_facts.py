"""Facts of a raster file, found by decoding all of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.sources.assets.grids import Driver
from flows.sources.assets.rasters import grid_of, open_raster
from monitoring.errors import PixelReadError

#: Internal tiles of one raster that are decoded: 65,536 x 65,536 pixels in tiles of 256.
MAX_TILES = 65_536
#: Values of one raster that are decoded: a Sentinel-1 RTC scene has 0.7 thousand million.
MAX_VALUES = 2**31


@dataclass(frozen=True)
class Raster:
    """What a raster file is, once every tile of it has been decoded."""

    epsg: int
    cell_m: float
    height: int
    width: int
    bands: int
    kind: str
    """Type of the values, such as `uint16`."""
    tile_shape: tuple[int, int]
    """Rows and columns of an internal tile or strip."""
    present: float
    """Share of values that are finite and not the file's no-data value."""


def raster_facts(path: Path) -> Raster:
    """Return what a local raster is; PixelReadError for one that no season could use, or not all of it."""
    driver = Driver.JPEG_2000 if path.suffix.lower() == ".jp2" else Driver.GEOTIFF
    with open_raster(str(path), driver) as dataset:
        _refuse_ungeocoded(dataset)
        grid = grid_of(dataset)
        if not grid.epsg:
            raise PixelReadError("its coordinate reference system has no EPSG code")
        rows, columns = dataset.block_shapes[0]
        return Raster(
            epsg=grid.epsg,
            cell_m=grid.cell_m,
            height=grid.height,
            width=grid.width,
            bands=dataset.count,
            kind=str(dataset.dtypes[0]),
            tile_shape=(int(rows), int(columns)),
            present=_present(dataset),
        )


def _refuse_ungeocoded(dataset: Any) -> None:
    points = len(dataset.gcps[0])
    if dataset.crs is None and points:
        raise PixelReadError(f"{points} ground control points in place of a grid: not terrain-corrected")


def _present(dataset: Any) -> float:
    """Return the share of values present, every tile decoded once; PixelReadError where one cannot be."""
    n_values = dataset.width * dataset.height * dataset.count
    n_tiles = math.prod(
        -(-side // tile) for side, tile in zip(dataset.shape, dataset.block_shapes[0], strict=True)
    )
    if n_values > MAX_VALUES or n_tiles > MAX_TILES:
        limits = f"at most {MAX_VALUES} in {MAX_TILES} are decoded"
        raise PixelReadError(f"{n_values} values in {n_tiles} tiles: {limits}")
    n_present = sum(
        _n_present(dataset.read(band, window=window), dataset.nodatavals[band - 1])
        for band in dataset.indexes
        for _, window in dataset.block_windows(band)
    )
    return float(n_present / n_values)


def _n_present(values: NDArray[Any], nodata: float | None) -> int:
    present = np.isfinite(values)
    if nodata is not None and math.isfinite(nodata):
        present &= values != nodata
    return int(present.sum())
