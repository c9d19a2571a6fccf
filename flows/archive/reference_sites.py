"""Reference sites of the simulated world: squares of heath, which changes with the seasons and nothing else.

They are no part of the archive: a file beside it names them, as a user's own file would.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from shapely import Polygon, box

from flows.archive.parks import CELL_M, SIZE
from flows.archive.tables import MADE_ON
from flows.archive.world import Landscape

LAYER, KIND = "reference_sites", "heath"
#: Sites of each park, at most one per field.
PER_PARK = 20
#: Cells along each side of a site, and cells of the same field that must lie around it.
SIDE, MARGIN = 5, 2


def plant_sites(land: Landscape, seed: int) -> tuple[Polygon, ...]:
    """Return squares of heath far from any tree, each in a field of its own, metres of the park's zone."""
    rng = np.random.default_rng([seed, land.park.number, 9])
    rows, columns = np.nonzero(_corners(land))
    chosen: dict[int, Polygon] = {}
    for at in rng.permutation(len(rows)):
        row, column = int(rows[at]) + MARGIN, int(columns[at]) + MARGIN
        chosen.setdefault(int(land.parcel[row, column]), _square(land, row, column))
    return tuple(chosen.values())[:PER_PARK]


def _corners(land: Landscape) -> NDArray[np.bool_]:
    """Return True where the cells from here on, a site with its margins, are open heath of one field."""
    trees = np.zeros((SIZE, SIZE), bool)
    trees[land.stand.row, land.stand.column] = True
    heath = np.isin(land.parcel_cover[land.parcel], [land.park.cover_names.index(KIND)])
    field = np.where(heath & ~binary_dilation(trees, iterations=MARGIN), land.parcel, -1)
    windows = sliding_window_view(field, (SIDE + 2 * MARGIN, SIDE + 2 * MARGIN))
    lowest = windows.min(axis=(2, 3))
    return np.asarray((lowest >= 0) & (lowest == windows.max(axis=(2, 3))))


def _square(land: Landscape, row: int, column: int) -> Polygon:
    west, north = land.park.west_m + column * CELL_M, land.park.north_m - row * CELL_M
    return box(west, north - SIDE * CELL_M, west + SIDE * CELL_M, north)


def write_reference_sites(path: Path, world: Sequence[Landscape], seed: int) -> None:
    """Write the sites of all parks to a GeoPackage in degrees; the same seed gives the same bytes."""
    import geopandas as gpd
    import pandas as pd
    import pyogrio

    frames = []
    for land in world:
        squares = plant_sites(land, seed)
        ids = [f"{land.park.code}-R{number:02d}" for number in range(1, len(squares) + 1)]
        columns = {"site_id": ids, "kind": KIND, "park": land.park.name}
        frames.append(gpd.GeoDataFrame(columns, geometry=list(squares), crs=land.park.epsg).to_crs(4326))
    sites = gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), crs=4326)
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": MADE_ON})
    try:
        sites.to_file(path, layer=LAYER, driver="GPKG", engine="pyogrio")
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})
