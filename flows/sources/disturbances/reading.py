"""Reading a disturbance layer, vector or raster: how much of each woodland was touched, and when."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from flows.sources.disturbances.layer import DisturbanceLayer, DisturbanceReading
from flows.sources.disturbances.polygons import read_polygons
from flows.sources.disturbances.rasters import read_raster
from monitoring.corroboration.disturbances import Disturbance
from monitoring.woodlands import Woodland

_RASTERS = (".tif", ".tiff")


def read_disturbances(
    path: Path, woodlands: Sequence[Woodland], years: Collection[int], layer: DisturbanceLayer | None = None
) -> tuple[Disturbance, ...]:
    """Return the disturbances that touch the woodlands in any of the years; see `read_layer`."""
    return read_layer(path, woodlands, years, layer).disturbances


def read_layer(
    path: Path, woodlands: Sequence[Woodland], years: Collection[int], layer: DisturbanceLayer | None = None
) -> DisturbanceReading:
    """Return what a GeoPackage, GeoJSON, shapefile, GeoParquet or GeoTIFF says, and what of it was left out.

    Events of one kind and span of years on one woodland are one disturbance: area that two polygons share
    counts once. BoundaryError or PixelReadError when the file as a whole cannot be used.
    """
    if not woodlands or not years:
        return DisturbanceReading(())
    read = read_raster if Path(path).suffix.lower() in _RASTERS else read_polygons
    return read(Path(path), woodlands, (min(years), max(years)), layer or DisturbanceLayer())
