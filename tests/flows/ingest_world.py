"""A simulated year as a service meets it: files that may be damaged, a catalogue that may change."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
from fault_server import Asked
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from flows.ingesting.ingest import IngestReceipt
from flows.ingesting.listing import Listing, read_listing
from flows.workspace import Workspace
from monitoring.grid import Block, PixelSet
from monitoring.scenes import Sensor
from monitoring.seasons import Season
from monitoring.series import PixelSeries
from warehouse.cube import find_cube

#: Profile of the archive's COGs as far as rasterio does not return it from an opened file.
_COG = {"driver": "COG", "compress": "DEFLATE", "blocksize": 128, "overviews": "NONE", "num_threads": 1}


def as_new_process(workspace: Workspace) -> Workspace:
    """The same installation with nothing open, as another process finds it."""
    return Workspace(workspace.settings, workspace.science)


def listing_of(receipt: IngestReceipt) -> Listing:
    return read_listing(Path(receipt.listing))


def stored(workspace: Workspace, block: Block, season: Season) -> PixelSeries:
    cube = find_cube(workspace.cube, block)
    assert cube is not None
    return cube.read(season.start, season.end)


def differences(one: PixelSeries, other: PixelSeries) -> list[str]:
    """Scenes that only one of two series has, and those whose values or classes differ in one bit."""
    found = set(one.scene_ids) ^ set(other.scene_ids)
    for sensor in Sensor:
        both = frozenset(one.scene_ids) & frozenset(other.scene_ids)
        left, right = one.of(sensor).keep(both), other.of(sensor).keep(both)
        assert left.scene_ids == right.scene_ids  # in the same order, none twice
        for at, scene_id in enumerate(left.scene_ids):
            if left.values[at].tobytes() != right.values[at].tobytes():
                found.add(scene_id)
            if left.scl is not None and right.scl is not None and (left.scl[at] != right.scl[at]).any():
                found.add(scene_id)
    return sorted(found)


def write_woods(path: Path, boundaries: Path, woods: Iterable[str]) -> Path:
    """Some of the archive's woodlands, in a file of their own."""
    every = gpd.read_file(boundaries)
    every[every["wood_id"].isin(list(woods))].to_file(path, driver="GPKG", layer="woodlands")
    return path


def rewrite(path: Path, change: Callable[[NDArray[Any], dict[str, Any]], NDArray[Any]]) -> None:
    """Write a COG anew with other values; `change` may alter the profile, such as the place."""
    with rasterio.open(path) as file:
        values = file.read(1)
        predictor = "FLOATING_POINT" if values.dtype.kind == "f" else "STANDARD"
        profile = {**_COG, "predictor": predictor, "count": 1, "dtype": values.dtype, "crs": file.crs}
        profile |= {"transform": file.transform, "nodata": file.nodata}
    values = change(values, profile)
    height, width = values.shape
    with MemoryFile() as memory:
        with memory.open(**profile, height=height, width=width) as target:
            target.write(values, 1)
        path.write_bytes(memory.getbuffer())


# --- what a catalogue lists


def year_catalogues(archive: Path, year: int) -> list[Path]:
    return sorted(archive.glob(f"*/{year}/catalog.json"))


def unlist(archive: Path, year: int, is_gone: Callable[[str], bool]) -> dict[Path, str]:
    """Take items out of a year's catalogues; return what to `write_back`."""
    before = {path: path.read_text("utf-8") for path in year_catalogues(archive, year)}
    for path, text in before.items():
        document = json.loads(text)
        document["links"] = [
            link
            for link in document["links"]
            if link["rel"] != "item" or not is_gone(Path(link["href"]).stem)
        ]
        path.write_text(json.dumps(document), "utf-8")
    return before


def write_back(before: dict[Path, str]) -> None:
    for path, text in before.items():
        path.write_text(text, "utf-8")


def item_path(archive: Path, scene_id: str) -> Path:
    (path,) = archive.glob(f"*/*/{scene_id}/{scene_id}.json")
    return path


def edit_item(archive: Path, scene_id: str, change: Callable[[dict[str, Any]], None]) -> None:
    path = item_path(archive, scene_id)
    document = json.loads(path.read_text("utf-8"))
    change(document)
    path.write_text(json.dumps(document), "utf-8")


# --- what was asked of a server


@dataclass(frozen=True)
class Tile:
    """One tile of a COG: its place among the tiles, and its bytes [start, stop) in the file."""

    row: int
    column: int
    start: int
    stop: int


def tiles_of(path: Path) -> list[Tile]:
    """The tile table that GDAL reads."""
    with rasterio.open(path) as file:
        return list(_tiles(file))


def _tiles(file: Any) -> Iterator[Tile]:
    height, width = file.block_shapes[0]
    for row in range(-(-file.height // height)):
        for column in range(-(-file.width // width)):
            offset, size = (
                int(file.get_tag_item(f"BLOCK_{name}_{column}_{row}", "TIFF", bidx=1))
                for name in ("OFFSET", "SIZE")
            )
            yield Tile(row, column, offset, offset + size)


def needed_tiles(path: Path, pixels: PixelSet) -> set[tuple[int, int]]:
    """(row, column) of the tiles that hold what the pixels are worked out from, by plain arithmetic.

    The file is in the pixels' zone. Cells of 10 m are the pixels themselves; of coarser ones the four around
    a pixel's centre are weighed, but of scene classes the one that it lies in.
    """
    with rasterio.open(path) as file:
        (height, width), cell = file.block_shapes[0], file.transform.a
        x = (pixels.easting_m - file.transform.c) / cell
        y = (file.transform.f - pixels.northing_m) / cell
        shape = file.height, file.width
    reach = (0.0,) if cell == 10 or "_SCL_" in path.name else (-0.5, 0.5)
    found = set()
    for down in reach:
        for right in reach:
            row = np.clip(np.floor(y + down).astype(int), 0, shape[0] - 1)
            column = np.clip(np.floor(x + right).astype(int), 0, shape[1] - 1)
            found |= set(zip((row // height).tolist(), (column // width).tolist(), strict=True))
    return found


def reads_of(asked: Iterable[Asked], path: str, tile: Tile) -> list[bool]:
    """For each request that had any byte of a tile, whether it had all of them."""
    of_file = ((one.start, one.stop) for one in asked if one.path == path and one.stop is not None)
    return [
        start <= tile.start and tile.stop <= stop
        for start, stop in of_file
        if start < tile.stop and tile.start < stop
    ]


def rasters_asked(asked: Iterable[Asked]) -> Counter[str]:
    """Requests by raster."""
    return Counter(one.path for one in asked if one.path.endswith((".tif", ".tiff")))


def scenes_asked(asked: Iterable[Asked]) -> set[str]:
    """Ids of the scenes of which any raster was asked for."""
    return {Path(path).parent.name for path in rasters_asked(asked)}
