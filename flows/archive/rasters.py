"""Cloud-optimised GeoTIFFs, written as small as they will go."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.io import MemoryFile

from flows.archive.parks import CELL_M, SIZE, Park

TILE = 128


def write_cog(path: Path, layer: NDArray[Any], park: Park, nodata: float) -> None:
    """Write one band over a park's footprint as a COG in its zone; the cell size follows from the shape.

    GDAL works in memory and Python writes: on a full disk GDAL may cut a file short and say nothing.
    """
    with MemoryFile() as memory:
        with memory.open(**_profile(layer, park), nodata=nodata) as target:
            target.write(layer, 1)
        path.write_bytes(memory.getbuffer())


def _profile(layer: NDArray[Any], park: Park) -> dict[str, Any]:
    height, width = layer.shape
    cell_m = CELL_M * SIZE / height
    return {
        "driver": "COG",
        "width": width,
        "height": height,
        "count": 1,
        "dtype": layer.dtype,
        "crs": _crs(park.epsg),
        "transform": Affine(cell_m, 0, park.west_m, 0, -cell_m, park.north_m),
        "compress": "DEFLATE",
        "predictor": "FLOATING_POINT" if np.issubdtype(layer.dtype, np.floating) else "STANDARD",
        "blocksize": TILE,
        "overviews": "NONE",
        "num_threads": 1,
    }


@lru_cache(maxsize=8)
def _crs(epsg: int) -> CRS:
    return CRS.from_epsg(epsg)
