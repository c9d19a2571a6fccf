"""Covariates: values of rasters of one's own - climate, soil, land cover - at places."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.warp import transform
from rasterio.windows import Window

from flows.sources.assets.rasters import gdal_environment, open_raster
from monitoring.errors import PixelReadError

Array = NDArray[np.float64]
Cells = NDArray[np.int64]
#: Cells on a side of the windows that are read: a window of float64 is 2 MB, whatever the raster's size.
_WINDOW = 512
#: Bands of one raster that become covariates; a stack of climate layers has 19.
MAX_BANDS = 1000


@dataclass(frozen=True)
class Covariates:
    """Values of k covariates at n places."""

    names: tuple[str, ...]
    """The raster's name, or `name_1`, `name_2`, ... where it has several bands."""
    values: Array
    """(n, k); NaN outside the raster, where it holds no value, and for places that are NaN."""


def sample_rasters(rasters: Mapping[str, Path], coordinates: Array) -> Covariates:
    """Return what each raster holds in the cell that each place lies in.

    coordinates (n, 2): longitude, latitude in degrees, WGS 84. Rasters may be in any system and rotated;
    scale and offset that a band states are applied. PixelReadError for a raster that cannot be read.
    """
    places = np.asarray(coordinates, np.float64).reshape(-1, 2)
    sampled = [_sample(name, Path(path), places) for name, path in rasters.items()]
    names = tuple(name for part in sampled for name in part.names)
    _refuse_same_names(names)
    return Covariates(
        names, np.column_stack([np.empty((len(places), 0)), *(part.values for part in sampled)])
    )


def _sample(name: str, path: Path, places: Array) -> Covariates:
    try:
        with gdal_environment(), open_raster(str(path)) as raster:
            _refuse_unusable(path, raster)
            row, column = _cells(raster, places)
            return Covariates(_names(name, raster.count), _values(raster, row, column))
    except PixelReadError as error:
        raise PixelReadError(f"covariate {name}: {error}") from error


def _refuse_unusable(path: Path, raster: DatasetReader) -> None:
    if raster.crs is None:
        raise PixelReadError(f"{path}: no coordinate reference system")
    if raster.transform.is_identity or raster.transform.is_degenerate:
        raise PixelReadError(f"{path}: no geotransform that tells where its cells lie")
    if raster.count > MAX_BANDS:
        raise PixelReadError(f"{path}: {raster.count} bands, at most {MAX_BANDS} are read")
    if any(kind.startswith("complex") for kind in raster.dtypes):
        raise PixelReadError(f"{path}: complex numbers")


def _names(name: str, bands: int) -> tuple[str, ...]:
    return (name,) if bands == 1 else tuple(f"{name}_{band}" for band in range(1, bands + 1))


def _refuse_same_names(names: tuple[str, ...]) -> None:
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise PixelReadError(f"covariate {repeated[0]}: two bands would have this name")


def _cells(raster: DatasetReader, places: Array) -> tuple[Cells, Cells]:
    """Return (row, column), both (n,), of the cell that each place lies in; -1 where none does."""
    x, y = _transformed(raster, places)
    inverse = ~raster.transform
    column = np.floor(inverse.a * x + inverse.b * y + inverse.c)
    row = np.floor(inverse.d * x + inverse.e * y + inverse.f)
    inside = (row >= 0) & (row < raster.height) & (column >= 0) & (column < raster.width)
    return np.where(inside, row, -1).astype(np.int64), np.where(inside, column, -1).astype(np.int64)


def _transformed(raster: DatasetReader, places: Array) -> tuple[Array, Array]:
    """Return (x, y), both (n,), in the raster's system; NaN where it cannot express a place."""
    known = np.isfinite(places).all(axis=1)
    moved = np.full((2, len(places)), math.nan)
    if known.any():
        moved[:, known] = transform("EPSG:4326", raster.crs, places[known, 0], places[known, 1])
    moved[:, ~np.isfinite(moved).all(axis=0)] = math.nan
    return moved[0], moved[1]


def _values(raster: DatasetReader, row: Cells, column: Cells) -> Array:
    """Return (n, bands), NaN where no cell is or it holds nothing; only windows with a place are read."""
    values = np.full((len(row), raster.count), math.nan)
    scales, offsets = np.array(raster.scales), np.array(raster.offsets)
    for window, members in _windows(raster, row, column):
        inner = row[members] - window.row_off, column[members] - window.col_off
        for band in range(raster.count):
            cells = raster.read(band + 1, window=window, masked=True)[inner]
            found = np.ma.filled(cells.astype(np.float64), math.nan)
            values[members, band] = found * scales[band] + offsets[band]
    values[~np.isfinite(values)] = math.nan
    return values


def _windows(raster: DatasetReader, row: Cells, column: Cells) -> Iterator[tuple[Window, Cells]]:
    """Yield (window, the places in it) for each window of the raster that a place lies in."""
    inside = np.flatnonzero(row >= 0)
    tiles = np.column_stack([row[inside], column[inside]]) // _WINDOW
    unique, tile = np.unique(tiles, axis=0, return_inverse=True)
    order = np.argsort(tile.ravel(), kind="stable")
    starts = np.searchsorted(tile.ravel()[order], np.arange(1, len(unique)))
    # No place inside: nothing is unique, and the one empty part of the split is left over.
    for (down, across), members in zip(unique * _WINDOW, np.split(order, starts), strict=False):
        height, width = min(_WINDOW, raster.height - down), min(_WINDOW, raster.width - across)
        yield Window(int(across), int(down), int(width), int(height)), inside[members]
