"""Vector files: features with their attributes in longitude and latitude, read within bounds."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pyproj
from pyogrio.errors import CRSError, DataLayerError, DataSourceError
from shapely.errors import GEOSException

from monitoring.errors import BoundaryError

#: Largest boundary file that is read; the whole Ancient Woodland Inventory of England is 0.2 GB.
MAX_FILE_BYTES = 2 * 1024**3
#: Most features in one file.
MAX_FEATURES = 1_000_000

_KINDS = {
    ".gpkg": ("GPKG", b"SQLite format 3\0"),
    ".geojson": ("GeoJSON", b"{"),
    ".json": ("GeoJSON", b"{"),
    ".shp": ("ESRI Shapefile", b"\x00\x00\x27\x0a"),
    ".parquet": ("Parquet", b"PAR1"),
    ".geoparquet": ("Parquet", b"PAR1"),
}

#: Reference systems that files state by their parameters without a code; the datum shift of the coded one is
#: needed, or the polygons land some 100 m away.
_NATIONAL_GRIDS = (27700, 29902, 2157)

_FAILURES = (
    DataSourceError,
    DataLayerError,
    CRSError,
    GEOSException,
    pa.ArrowInvalid,
    pyproj.exceptions.ProjError,
    OSError,
    ValueError,
    KeyError,
    TypeError,
)


def read_features(path: Path, layer: str | None = None) -> gpd.GeoDataFrame:
    """Return the features of a GeoPackage, GeoJSON, shapefile or GeoParquet file in WGS 84, in file order.

    Geometry that cannot be decoded is None; coordinates outside the file's reference system are infinite.
    Raises BoundaryError when the file as a whole cannot be used.
    """
    kind = _kind(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pyogrio's remarks; each feature is judged on its own
            frame = _read_parquet(path) if kind == "Parquet" else _read_layer(path, kind, layer)
            return _to_degrees(frame, path)
    except _FAILURES as error:
        raise BoundaryError(f"boundary file {path}: {' '.join(str(error).split())[:200]}") from error


def _kind(path: Path) -> str:
    """Return the format, from the extension and the first bytes: GDAL alone would open a file in disguise."""
    if path.suffix.lower() not in _KINDS:
        known = ", ".join(_KINDS)
        raise BoundaryError(f"boundary file {path}: extension {path.suffix or 'none'!r}, known are {known}")
    kind, magic = _KINDS[path.suffix.lower()]
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    except OSError as error:
        raise BoundaryError(f"boundary file {path}: {error.strerror}") from error
    if size > MAX_FILE_BYTES:
        raise BoundaryError(f"boundary file {path}: {size} bytes, at most {MAX_FILE_BYTES} are read")
    if not start.startswith(magic.lstrip()):
        raise BoundaryError(f"boundary file {path}: the content is not {kind}")
    return kind


def _read_parquet(path: Path) -> gpd.GeoDataFrame:
    footer = pq.ParquetFile(path).metadata
    groups = (footer.row_group(i).total_byte_size for i in range(footer.num_row_groups))
    _check_count(footer.num_rows, path)
    if (size := sum(groups)) > MAX_FILE_BYTES:
        raise BoundaryError(f"boundary file {path}: {size} bytes unpacked, at most {MAX_FILE_BYTES} are read")
    return gpd.read_parquet(path)


def _read_layer(path: Path, kind: str, layer: str | None) -> gpd.GeoDataFrame:
    layer = layer or _only_layer(path)
    about = pyogrio.read_info(path, layer=layer)
    if about["driver"] != kind:
        raise BoundaryError(f"boundary file {path}: the content is {about['driver']}, not {kind}")
    _check_count(about["features"], path)
    return pyogrio.read_dataframe(path, layer=layer, on_invalid="ignore")


def _check_count(features: int, path: Path) -> None:
    if features > MAX_FEATURES:
        raise BoundaryError(f"boundary file {path}: {features} features, at most {MAX_FEATURES} are read")


def _only_layer(path: Path) -> str:
    """Return the layer to read: the one named `woodlands`, or the only one with geometry."""
    names = [str(name) for name, geometry in pyogrio.list_layers(path) if geometry is not None]
    if "woodlands" in names:
        return "woodlands"
    if len(names) != 1:
        listed = ", ".join(names) or "none"
        raise BoundaryError(f"boundary file {path}: one layer with geometry is needed, it has {listed}")
    return names[0]


def _to_degrees(frame: Any, path: Path) -> gpd.GeoDataFrame:
    if not isinstance(frame, gpd.GeoDataFrame):
        raise BoundaryError(f"boundary file {path}: it has no geometry")
    if frame.crs is None:
        raise BoundaryError(f"boundary file {path}: no coordinate reference system")
    coded = _coded(frame.crs)
    return frame.set_crs(coded, allow_override=True).to_crs(4326)


def _coded(crs: pyproj.CRS) -> pyproj.CRS:
    """Return the national grid that a reference system without a code describes, else the system itself."""
    if crs.to_epsg() is not None or not crs.is_projected:
        return crs
    national = (pyproj.CRS(code) for code in _NATIONAL_GRIDS)
    return next((grid for grid in national if _parameters(grid) == _parameters(crs)), crs)


def _parameters(crs: Any) -> tuple[object, ...]:
    """Return method, rounded parameters and ellipsoid: what defines a projection besides its names."""
    operation, ellipsoid = crs.coordinate_operation, crs.ellipsoid
    values = sorted(round(parameter.value, 9) for parameter in operation.params)
    return operation.method_name, tuple(values), round(ellipsoid.semi_major_metre, 2)


def attribute_text(value: Any) -> str:
    """Return an attribute as text: empty for a missing one, whole numbers without their `.0`."""
    if value is None or value != value or str(value) in ("<NA>", "NaT"):
        return ""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return " ".join(str(value).split())
