"""Rasters of dates: how much of each woodland fell or burnt in each year, by exact area."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import shapely
from exactextract import exact_extract
from exactextract.feature import JSONFeatureSource
from exactextract.raster import NumPyRasterSource
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.io import DatasetReader
from rasterio.windows import Window

from flows.sources.assets.rasters import gdal_environment, open_raster
from flows.sources.disturbances.layer import DisturbanceLayer, DisturbanceReading
from flows.sources.disturbances.moments import FIRST_YEAR, LAST_YEAR, Days, decoded, refuse_unknown_encoding
from monitoring.corroboration.disturbances import Disturbance
from monitoring.errors import PixelReadError
from monitoring.woodlands import Woodland

Floats = NDArray[np.float64]

#: Cells of the window around one woodland: a square of 50 km at 10 m.
MAX_CELLS = 25_000_000
#: Smaller shares of a woodland are the corner of one cell.
MIN_SHARE = 1e-4


@dataclass(frozen=True)
class _Cells:
    """The n cells of a raster that a woodland touches."""

    codes: Floats
    """(n,) NaN where the raster holds nothing."""
    share: Floats
    """(n,) share of the woodland's area that lies in each cell."""


def read_raster(
    path: Path, woodlands: Sequence[Woodland], years: tuple[int, int], layer: DisturbanceLayer
) -> DisturbanceReading:
    """Return the disturbances of a GeoTIFF of dates in the years, first and last inclusive.

    Only windows around woodlands are read. What lies outside the raster counts as not touched.
    """
    refuse_unknown_encoding(layer.encoding)
    found: list[Disturbance] = []
    outside, unreadable = 0, 0
    with gdal_environment(), open_raster(str(path)) as raster:
        _refuse_unusable(path, raster)
        for woodland, outline in zip(woodlands, _outlines(woodlands, raster), strict=True):
            window = _window(raster, outline)
            if window is None:
                outside += 1
                continue
            cells = _cells(raster, window, outline, f"{path}: woodland {woodland.id}")
            days, certain = decoded(cells.codes, layer.encoding)
            unreadable += int(np.sum(np.isnat(days) & (cells.codes > 0)))
            found.extend(_by_year(woodland.id, cells.share, days, certain, years, layer, path.name))
    return DisturbanceReading(tuple(found), _notes(path, outside, len(woodlands), unreadable, layer.encoding))


def _refuse_unusable(path: Path, raster: DatasetReader) -> None:
    where = f"disturbance layer {path}"
    if raster.crs is None:
        raise PixelReadError(f"{where}: no coordinate reference system")
    if raster.count != 1:
        raise PixelReadError(f"{where}: {raster.count} bands, one band of dates is needed")
    if raster.transform.is_identity or raster.transform.is_degenerate:
        raise PixelReadError(f"{where}: no geotransform that tells where its cells lie")
    if raster.transform.b or raster.transform.d or raster.transform.a < 0 or raster.transform.e > 0:
        raise PixelReadError(f"{where}: rotated or not north-up")
    if np.dtype(raster.dtypes[0]).kind not in "iuf":
        raise PixelReadError(f"{where}: {raster.dtypes[0]} cells, whole numbers are needed")


def _outlines(woodlands: Sequence[Woodland], raster: DatasetReader) -> NDArray[np.object_]:
    """Return the polygons in the raster's system; coordinates it cannot express are infinite."""
    project = Transformer.from_crs("EPSG:4326", raster.crs.to_wkt(), always_xy=True).transform
    degrees = np.array([woodland.geometry for woodland in woodlands], object)
    return np.asarray(
        shapely.transform(degrees, lambda xy: np.column_stack(project(xy[:, 0], xy[:, 1]))), object
    )


def _window(raster: DatasetReader, outline: shapely.Geometry) -> Window | None:
    """Return the cells around a polygon that the raster has; None where it has none."""
    bounds = np.array(outline.bounds)
    if not np.isfinite(bounds).all():
        return None
    west, south, east, north = bounds
    inverse = ~raster.transform
    columns = inverse.a * np.array([west, east]) + inverse.c
    rows = inverse.e * np.array([north, south]) + inverse.f
    left, right = (int(edge) for edge in np.clip(_outward(columns), 0, raster.width))
    top, bottom = (int(edge) for edge in np.clip(_outward(rows), 0, raster.height))
    return Window(left, top, right - left, bottom - top) if right > left and bottom > top else None


def _outward(edges: Floats) -> Floats:
    return np.array([np.floor(edges[0]), np.ceil(edges[1])])


def _cells(raster: DatasetReader, window: Window, outline: shapely.Geometry, name: str) -> _Cells:
    if window.width * window.height > MAX_CELLS:
        raise PixelReadError(f"{name}: {window.width} x {window.height} cells, at most {MAX_CELLS} are read")
    read = raster.read(1, window=window, masked=True)
    values = np.ma.filled(read.astype(np.float64), np.nan)
    if not (values > 0).any():  # nearly every woodland: nothing happened, and nothing to weigh
        return _Cells(np.array([]), np.array([]))
    return _weighed(values, _bounds(raster, window), outline)


def _bounds(raster: DatasetReader, window: Window) -> tuple[float, float, float, float]:
    """Return west, south, east, north of a window, in the raster's system."""
    placed = raster.transform
    west, north = placed.c + placed.a * window.col_off, placed.f + placed.e * window.row_off
    return west, north + placed.e * window.height, west + placed.a * window.width, north


def _weighed(values: Floats, bounds: tuple[float, float, float, float], outline: shapely.Geometry) -> _Cells:
    positions = np.arange(values.size).reshape(values.shape)
    feature = {"type": "Feature", "geometry": shapely.geometry.mapping(outline), "properties": {}}
    source = NumPyRasterSource(positions, *bounds)
    found = exact_extract(source, JSONFeatureSource([feature]), ["values", "coverage"])[0]["properties"]
    inside, coverage = np.asarray(found["values"], np.int64), np.asarray(found["coverage"], np.float64)
    west, south, east, north = bounds
    cell_area = (east - west) * (north - south) / values.size
    return _Cells(values.ravel()[inside], coverage * cell_area / outline.area)


def _by_year(
    woodland_id: str,
    share: Floats,
    days: Days,
    certain: NDArray[np.bool_],
    years: tuple[int, int],
    layer: DisturbanceLayer,
    source: str,
) -> list[Disturbance]:
    """Return one disturbance for each year of the days (n,), certain and uncertain cells apart."""
    year = days.astype("datetime64[Y]").astype(np.int64) + 1970
    found = []
    for when, sure in itertools.product(range(years[0], years[1] + 1), (True, False)):
        cells = (year == when) & (certain == sure) & ~np.isnat(days)
        touched = float(share[cells].sum())
        if touched >= MIN_SHARE:
            first, last = _first_and_last(days[cells], layer.encoding)
            kind = layer.kind or "disturbance"
            found.append(Disturbance(woodland_id, kind, first, last, min(touched, 1.0), source, sure))
    return found


def _first_and_last(days: Days, encoding: str) -> tuple[date, date]:
    first, last = days.min().astype(date), days.max().astype(date)
    return first, date(last.year, 12, 31) if encoding == "year" else last


def _notes(path: Path, outside: int, woodlands: int, unreadable: int, encoding: str) -> tuple[str, ...]:
    where = f"disturbance layer {path.name}"
    lines = []
    if outside:
        lines.append(f"{where}: {outside} of {woodlands} woodlands lie outside, taken as not touched")
    if unreadable:
        lines.append(
            f"{where}: {unreadable} cells hold no day from {FIRST_YEAR} to {LAST_YEAR} as {encoding!r}"
        )
    return tuple(lines)
