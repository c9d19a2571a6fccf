"""Where a GeoTIFF lies: its GeoKeys and affine terms as the grid of its cells."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from flows.sources.assets.grids import Grid, north_up_grid
from flows.sources.assets.tiff.entries import Entries, Tag
from flows.sources.assets.tiff.head import UncoveredError

_MODEL, _RASTER_TYPE, _PROJECTED, _POINT = 1024, 1025, 3072, 2
_USER_DEFINED = 32_767
#: Keys that say nothing beyond the code of a projected system in metres on WGS 84, with the value they must
#: have for that: citations, the system it is based on, its ellipsoid, degrees and metres.
_PLAIN_KEYS: Mapping[int, float | None] = {
    _MODEL: 1,
    _RASTER_TYPE: None,
    1026: None,
    2048: 4326,
    2049: None,
    2050: 6326,
    2051: 8901,
    2054: 9102,
    2056: 7030,
    2057: 6378137.0,
    2059: 298.257223563,
    _PROJECTED: None,
    3073: None,
    3076: 9001,
}


def place_of(entries: Entries, width: int, height: int) -> Grid:
    """Return the grid; UncoveredError unless a plain code and plain terms say where it lies."""
    keys = _geo_keys(entries)
    epsg = int(keys.get(_PROJECTED, 0))
    if keys.get(_MODEL) != 1 or not 0 < epsg < _USER_DEFINED:
        raise UncoveredError("no code of a projected coordinate reference system")
    cell, shear_x, west, shear_y, minus_cell, north = _terms(entries)
    if keys.get(_RASTER_TYPE) == _POINT:  # the place given is the first cell's centre
        west -= 0.5 * (cell + shear_x)
        north -= 0.5 * (shear_y + minus_cell)
    return north_up_grid(epsg, (cell, shear_x, west, shear_y, minus_cell, north), width, height)


def _geo_keys(entries: Entries) -> dict[int, float]:
    """Return the keys that are numbers; UncoveredError for one that could change what the code means."""
    doubles, text_bytes = entries.doubles(Tag.GEO_DOUBLES, 64), entries.text_bytes(Tag.GEO_TEXTS)
    keys: dict[int, float] = {}
    for key, where, count, value in _listed(entries.shorts(Tag.GEO_KEYS, 4 * 64)):
        if where == 0 and count == 1:
            keys[key] = value
        elif where == Tag.GEO_DOUBLES and count == 1 and value < len(doubles):
            keys[key] = doubles[value]
        elif where != Tag.GEO_TEXTS or value + count > text_bytes:
            raise UncoveredError(f"GeoKey {key} has no value")
        needed = _PLAIN_KEYS.get(key, math.nan)
        if needed is not None and keys.get(key) != needed:
            raise UncoveredError(f"GeoKey {key} is {keys.get(key)}")
    return keys


def _listed(table: list[int]) -> Iterator[tuple[int, int, int, int]]:
    """Yield each key, the tag that holds its value (0: the key itself), how many, and which."""
    if len(table) < 4 or len(table) != 4 + 4 * table[3]:
        raise UncoveredError("no table of GeoKeys")
    for start in range(4, len(table), 4):
        key, where, count, value = table[start : start + 4]
        yield key, where, count, value


def _terms(entries: Entries) -> tuple[float, float, float, float, float, float]:
    """Return six affine terms as GDAL takes them from the tags."""
    scale, tie = entries.doubles(Tag.PIXEL_SCALE, 3), entries.doubles(Tag.TIE_POINTS, 6)
    matrix = entries.doubles(Tag.TRANSFORMATION, 16)
    if len(matrix) == 16 and not scale:
        return (matrix[0], matrix[1], matrix[3], matrix[4], matrix[5], matrix[7])
    if matrix or len(scale) < 2 or len(tie) != 6 or not (scale[0] > 0 and scale[1] > 0):
        raise UncoveredError("no plain pixel scale and tie point")
    cell, minus_cell = scale[0], -scale[1]
    return (cell, 0.0, tie[3] - tie[0] * cell, 0.0, minus_cell, tie[4] - tie[1] * minus_cell)
