"""A block-season of ordinary scenes for the ingest benchmark: COGs, their items, and the woodlands.

One 10 km block inside scenes of 15.36 km, in tiles of 512 as Planetary Computer's are; optical bands and
radar of seeded texture that compresses about as real reflectance does. Woods grow in clumps, as woods do,
until they cover the share asked for.
"""

from __future__ import annotations

import hashlib
import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from affine import Affine
from pyproj import Transformer

EPSG, WEST, NORTH = 32630, 590_000, 5_650_000
BLOCK_M, MARGIN_M, TILE = 10_000, 2_680, 512
SIDE_M = BLOCK_M + 2 * MARGIN_M
FINE = ("B02", "B03", "B04", "B08")
COARSE = ("B05", "B06", "B07", "B8A", "B11", "B12")
OPTICAL = (*FINE, *COARSE, "SCL")
TO_DEGREES = Transformer.from_crs(EPSG, 4326, always_xy=True)


def block_bounds() -> tuple[float, float, float, float]:
    """West, south, east, north of the block, metres; the corner of a block cell."""
    west, south = (
        math.ceil((WEST + MARGIN_M) / BLOCK_M) * BLOCK_M,
        (NORTH - MARGIN_M - BLOCK_M) // BLOCK_M * BLOCK_M,
    )
    return west, south, west + BLOCK_M, south + BLOCK_M


def raster_corner() -> tuple[float, float]:
    west, south, *_ = block_bounds()
    return west - MARGIN_M, south + BLOCK_M + MARGIN_M


def write_woodlands(path: Path, share: float, seed: int) -> float:
    """Write woods in clumps over `share` of the block; return the share reached."""
    random = np.random.default_rng([seed, 1])
    woods, area = [], 0.0
    bounds = block_bounds()
    clumps = [random.uniform([bounds[0] + 2500, bounds[1] + 2500], [bounds[2] - 2500, bounds[3] - 2500])]
    while area < share * BLOCK_M**2:
        if len(woods) % 6 == 5:
            clumps.append(
                random.uniform([bounds[0] + 900, bounds[1] + 900], [bounds[2] - 900, bounds[3] - 900])
            )
        wood = _wood(clumps[-1] + random.normal(0, 700, 2), random)
        if shapely.box(*bounds).contains(wood) and not any(wood.intersects(other) for other in woods):
            woods.append(wood)
            area += wood.area
    features = [_feature(wood, number) for number, wood in enumerate(woods)]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return area / BLOCK_M**2


def _wood(centre: Any, random: np.random.Generator) -> shapely.Polygon:
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radius = random.uniform(180, 420) * (1 + 0.25 * np.sin(3 * angles + random.uniform(0, 6)))
    return shapely.Polygon(
        np.column_stack([centre[0] + radius * np.cos(angles), centre[1] + radius * np.sin(angles)])
    )


def _feature(wood: shapely.Polygon, number: int) -> dict[str, Any]:
    ring = shapely.transform(wood, lambda xy: np.column_stack(TO_DEGREES.transform(xy[:, 0], xy[:, 1])))
    return {
        "type": "Feature",
        "properties": {
            "id": f"wood-{number:03d}",
            "name": f"Wood {number}",
            "status": "ASNW",
            "park": "Bench",
        },
        "geometry": shapely.geometry.mapping(ring),
    }


def write_scenes(folder: Path, optical: int, radar: int, seed: int) -> None:
    """Write the scenes of 2024 and `items.json`, a collection of their items with relative addresses."""
    items = []
    for number in range(optical):
        at = datetime(2024, 1, 3, 11, 6, 21, tzinfo=UTC) + timedelta(days=5 * number)
        items.append(_optical(folder, at, number, np.random.default_rng([seed, 2, number])))
    for number in range(radar):
        at = datetime(2024, 1, 4, 6, 14, 11, tzinfo=UTC) + timedelta(
            days=12 * (number // 2), hours=12 * (number % 2)
        )
        items.append(_radar(folder, at, number, np.random.default_rng([seed, 3, number])))
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))


def _optical(folder: Path, at: datetime, number: int, random: np.random.Generator) -> dict[str, Any]:
    name = f"S2A_MSIL2A_{at:%Y%m%dT%H%M%S}_R094_T30UWB_{at + timedelta(hours=9):%Y%m%dT%H%M%S}"
    assets = {}
    for band in OPTICAL:
        cell = 10 if band in FINE else 20
        layer = _classes(random, cell) if band == "SCL" else _reflectance(random, cell, band)
        assets[band] = _asset(folder, f"{name}_{band}.tif", layer, cell, 0)
    stated = {
        "platform": "sentinel-2a",
        "s2:processing_baseline": "05.10",
        "s2:mgrs_tile": "30UWB",
        "s2:datatake_id": f"GS2A_{at:%Y%m%dT%H%M%S}_{41000 + 143 * number:06d}_N05.10",
        "sat:relative_orbit": 94,
        "sat:orbit_state": "descending",
        "eo:cloud_cover": 20.0,
    }
    return _item(name, "sentinel-2-l2a", at, stated, assets)


def _radar(folder: Path, at: datetime, number: int, random: np.random.Generator) -> dict[str, Any]:
    orbit = 51000 + 175 * number
    end = at + timedelta(seconds=25)
    name = f"S1A_IW_GRDH_1SDV_{at:%Y%m%dT%H%M%S}_{end:%Y%m%dT%H%M%S}_{orbit:06d}_0622A0_rtc"
    assets = {band: _asset(folder, f"{name}_{band}.tif", _power(random), 10, -32768) for band in ("vv", "vh")}
    stated = {
        "platform": "SENTINEL-1A",
        "sat:orbit_state": "descending" if at.hour < 12 else "ascending",
        "sat:relative_orbit": 132 if at.hour < 12 else 30,
        "sat:absolute_orbit": orbit,
        "sar:instrument_mode": "IW",
        "sar:polarizations": ["VV", "VH"],
        "start_datetime": f"{at:%Y-%m-%dT%H:%M:%SZ}",
    }
    return _item(name, "sentinel-1-rtc", at, stated, assets)


def _item(
    name: str, collection: str, at: datetime, stated: dict[str, Any], assets: dict[str, Any]
) -> dict[str, Any]:
    west, north = raster_corner()
    ring = [(west, north - SIDE_M), (west + SIDE_M, north - SIDE_M), (west + SIDE_M, north), (west, north)]
    corners = [TO_DEGREES.transform(*corner) for corner in (*ring, ring[0])]
    outline = shapely.Polygon(corners)
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [
            "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
            "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
        ],
        "id": name,
        "collection": collection,
        "bbox": list(outline.bounds),
        "geometry": shapely.geometry.mapping(outline),
        "properties": {
            "datetime": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "proj:epsg": EPSG,
            "underwood:source": "simulated",
            **stated,
        },
        "links": [],
        "assets": assets,
    }


def _asset(folder: Path, file: str, layer: np.ndarray[Any, Any], cell: int, nodata: float) -> dict[str, Any]:
    west, north = raster_corner()
    profile = {
        "driver": "COG",
        "count": 1,
        "dtype": layer.dtype,
        "height": layer.shape[0],
        "width": layer.shape[1],
        "crs": f"EPSG:{EPSG}",
        "transform": Affine(cell, 0, west, 0, -cell, north),
        "nodata": nodata,
        "compress": "DEFLATE",
        "predictor": "FLOATING_POINT" if layer.dtype.kind == "f" else "STANDARD",
        "blocksize": TILE,
        "overviews": "NONE",
    }
    with rasterio.open(folder / file, "w", **profile) as target:
        target.write(layer, 1)
    content = (folder / file).read_bytes()
    return {
        "href": f"./{file}",
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "roles": ["data"],
        "proj:shape": list(layer.shape),
        "proj:transform": [cell, 0, west, 0, -cell, north],
        "raster:bands": [{"data_type": layer.dtype.name, "nodata": nodata, "spatial_resolution": cell}],
        "file:checksum": "1220" + hashlib.sha256(content).hexdigest(),
        "file:size": len(content),
    }


def _texture(random: np.random.Generator, cell: int) -> np.ndarray[Any, Any]:
    """(side, side) float32 of fields and grain around 0, unit scale."""
    side = round(SIDE_M / cell)
    coarse = random.normal(size=(side // 32 + 1, side // 32 + 1)).astype(np.float32)
    fields = np.kron(coarse, np.ones((32, 32), np.float32))[:side, :side]
    return fields + 0.06 * random.standard_normal((side, side), np.float32)


def _reflectance(random: np.random.Generator, cell: int, band: str) -> np.ndarray[Any, Any]:
    level = 1400 if band in ("B02", "B03", "B04", "B12") else 3200
    return np.clip(level + 350 * _texture(random, cell), 1, 12_000).astype(np.uint16)


def _classes(random: np.random.Generator, cell: int) -> np.ndarray[Any, Any]:
    return np.where(_texture(random, cell) > 1.2, 9, 4).astype(np.uint8)


def _power(random: np.random.Generator) -> np.ndarray[Any, Any]:
    texture = _texture(random, 10)
    return (0.08 * np.exp(0.4 * texture) * random.gamma(4.4, 1 / 4.4, texture.shape)).astype(np.float32)
