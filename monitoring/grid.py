"""Blocks and their pixel sets: which 10 m cells a group of woodlands touches, and by how much."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from exactextract import exact_extract
from exactextract.feature import JSONFeatureSource
from exactextract.raster import NumPyRasterSource
from numpy.typing import NDArray
from pyproj import Transformer
from scipy import sparse

from monitoring.woodlands import Woodland

#: Edge of a cell of the UTM-zone grid whose origin is (0, 0); every Sentinel-2 tile of a zone aligns with it.
PIXEL_SIZE_M = 10


@dataclass(frozen=True)
class PixelSet:
    """The N cells a block reads, in row-major order of (row from north to south, column)."""

    epsg: int
    """UTM zone, such as 32630."""
    column: NDArray[np.int32]
    """(N,) easting of the west edge / 10 m."""
    row: NDArray[np.int32]
    """(N,) northing of the south edge / 10 m."""

    def __len__(self) -> int:
        return len(self.column)

    @property
    def easting_m(self) -> NDArray[np.float64]:
        """(N,) eastings of the cell centres, metres."""
        return (self.column.astype(np.float64) + 0.5) * PIXEL_SIZE_M

    @property
    def northing_m(self) -> NDArray[np.float64]:
        """(N,) northings of the cell centres, metres."""
        return (self.row.astype(np.float64) + 0.5) * PIXEL_SIZE_M

    @property
    def bounds_m(self) -> tuple[float, float, float, float]:
        """West, south, east, north edges in metres of the zone."""
        edge = PIXEL_SIZE_M
        return (
            float(self.column.min() * edge),
            float(self.row.min() * edge),
            float((self.column.max() + 1) * edge),
            float((self.row.max() + 1) * edge),
        )

    @property
    def bbox(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees, WGS 84."""
        to_degrees = Transformer.from_crs(self.epsg, 4326, always_xy=True)
        west, south, east, north = to_degrees.transform_bounds(*self.bounds_m)
        return (west, south, east, north)

    @cached_property
    def digest(self) -> str:
        """Twelve hex digits that name this very set of cells."""
        content = np.stack([self.column, self.row]).astype("<i4").tobytes()
        return hashlib.sha256(str(self.epsg).encode() + content).hexdigest()[:12]

    def at(self, positions: NDArray[np.int64]) -> PixelSet:
        """Return the cells at some positions, in their order."""
        return PixelSet(self.epsg, self.column[positions], self.row[positions])

    def index_of(self, column: NDArray[np.int32], row: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return the position of each cell in this set, -1 where it is not a member."""
        wanted = _cell_keys(np.asarray(column), np.asarray(row))
        if not len(self):
            return np.full(wanted.shape, -1, np.int64)
        keys, order = self._sorted_keys
        found = order[np.searchsorted(keys, wanted).clip(max=len(keys) - 1)]
        member = (self.column[found] == column) & (self.row[found] == row)
        return np.where(member, found, -1)

    @cached_property
    def _sorted_keys(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        keys = _cell_keys(self.column, self.row)
        order = np.argsort(keys, kind="stable").astype(np.int64)
        return keys[order], order


def _cell_keys(column: NDArray[np.int32], row: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return one integer per cell; unlike cells have unlike keys."""
    return row.astype(np.int64) * 2**32 + column.astype(np.int64)


@dataclass(frozen=True)
class Block:
    """Neighbouring woodlands that are processed together."""

    id: str
    """`<epsg>-e<column>-n<row>` of the block cell that holds the woodlands' representative points."""
    woodland_ids: tuple[str, ...]
    pixels: PixelSet
    coverage: sparse.csr_array
    """(W, N) share of each cell's area inside each woodland, 0-1."""


def utm_epsg(longitude: float, latitude: float) -> int:
    """Return the EPSG code of the plain six-degree UTM zone a point lies in (326xx north, 327xx south)."""
    return _zone_epsg(min(int((longitude + 180) // 6) + 1, 60), latitude)


def tile_epsg(longitude: float, latitude: float) -> int:
    """Return the EPSG code of the zone whose Sentinel-2 tiles cover a point.

    They follow MGRS, whose zones are widened over western Norway (32V) and Svalbard (31X, 33X, 35X, 37X).
    """
    if 56 <= latitude < 64 and 3 <= longitude < 12:
        return _zone_epsg(32, latitude)
    if 72 <= latitude < 84 and 0 <= longitude < 42:
        return _zone_epsg((31, 33, 35, 37)[int((longitude + 3) // 12)], latitude)
    return utm_epsg(longitude, latitude)


def _zone_epsg(zone: int, latitude: float) -> int:
    return (32600 if latitude >= 0 else 32700) + zone


def make_blocks(woodlands: Iterable[Woodland], block_size_m: int) -> tuple[Block, ...]:
    """Group woodlands by the cell of `block_size_m` that holds their representative point, sorted by id."""
    groups: dict[tuple[int, int, int], list[Woodland]] = defaultdict(list)
    for woodland in woodlands:
        groups[_block_cell(woodland, block_size_m)].append(woodland)
    return tuple(_make_block(key, groups[key]) for key in sorted(groups))


def _block_cell(woodland: Woodland, block_size_m: int) -> tuple[int, int, int]:
    point = woodland.geometry.representative_point()
    epsg = tile_epsg(point.x, point.y)
    easting, northing = Transformer.from_crs(4326, epsg, always_xy=True).transform(point.x, point.y)
    return epsg, int(easting // block_size_m), int(northing // block_size_m)


def _make_block(key: tuple[int, int, int], members: Sequence[Woodland]) -> Block:
    epsg, column, row = key
    ordered = sorted(members, key=lambda woodland: woodland.id)
    cells = [_cells(to_zone(woodland, epsg)) for woodland in ordered]
    pixels, coverage = _gather(epsg, cells)
    return Block(f"{epsg}-e{column}-n{row}", tuple(w.id for w in ordered), pixels, coverage)


def to_zone(woodland: Woodland, epsg: int) -> shapely.Geometry:
    """Return the woodland's polygon in metres of a UTM zone."""
    project = Transformer.from_crs(4326, epsg, always_xy=True).transform
    return shapely.transform(woodland.geometry, lambda xy: np.column_stack(project(xy[:, 0], xy[:, 1])))


def _cells(polygon: shapely.Geometry) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return (column, row, fraction) of every cell the polygon touches, fractions exact."""
    edges = np.asarray(polygon.bounds) / PIXEL_SIZE_M
    west, south = np.floor(edges[:2]).astype(int)
    east, north = np.ceil(edges[2:]).astype(int)
    width, height = max(east - west, 1), max(north - south, 1)
    cell_ids = np.arange(width * height).reshape(height, width)
    extent = np.array([west, south, west + width, south + height]) * float(PIXEL_SIZE_M)
    raster = NumPyRasterSource(cell_ids, *extent)
    feature = {"type": "Feature", "geometry": shapely.geometry.mapping(polygon), "properties": {}}
    found = exact_extract(raster, JSONFeatureSource([feature]), ["values", "coverage"])[0]["properties"]
    ids, fraction = np.asarray(found["values"], np.int64), np.asarray(found["coverage"], np.float64)
    return west + ids % width, south + height - 1 - ids // width, fraction


def _gather(
    epsg: int, cells: Sequence[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]
) -> tuple[PixelSet, sparse.csr_array]:
    columns, rows = (np.concatenate([cell[axis] for cell in cells]) for axis in (0, 1))
    woodland = np.repeat(np.arange(len(cells)), [len(cell[0]) for cell in cells])
    unique, position = np.unique(np.stack([-rows, columns], axis=1), axis=0, return_inverse=True)
    pixels = PixelSet(epsg, unique[:, 1].astype(np.int32), (-unique[:, 0]).astype(np.int32))
    fraction = np.concatenate([cell[2] for cell in cells])
    shape = (len(cells), len(pixels))
    return pixels, sparse.csr_array((fraction, (woodland, position.ravel())), shape=shape)
