"""Small stores and tiles of published embeddings, written exactly as the published ones are laid out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import zarr
from affine import Affine
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

from monitoring.grid import PixelSet

EPSG = 32630
DIMS = 128
#: Edge of an inner chunk, as published; of a shard, a thirty-second of the published one.
CHUNK, SHARD = 32, 128
NAN, INF = np.float32(np.nan), np.float32(np.inf)


@dataclass(frozen=True)
class Field:
    """Codes and scales of a rectangle of pixels over some years."""

    codes: NDArray[np.int8]
    """(T, D, H, W)."""
    scales: NDArray[np.float32]
    """(T, H, W)."""
    years: Sequence[int] = (2023, 2024)
    west: int = 500_000
    """Easting of the west edge, metres."""
    north: int = 5_900_000
    """Northing of the north edge, metres."""
    counts: Mapping[str, NDArray[np.uint16]] = field(default_factory=dict)
    """Name of the array -> (T, H, W)."""

    @property
    def shape(self) -> tuple[int, int]:
        return self.scales.shape[1], self.scales.shape[2]

    def pixel(self, row: int, column: int) -> tuple[int, int]:
        """Return the (column, row) of a pixel on the UTM-zone grid."""
        return self.west // 10 + column, self.north // 10 - 1 - row

    def pixels(self, places: Sequence[tuple[int, int]], epsg: int = EPSG) -> PixelSet:
        """Return the pixels at (row, column) of the rectangle, in that order."""
        cells = np.array([self.pixel(*place) for place in places], np.int32).reshape(-1, 2)
        return PixelSet(epsg, cells[:, 0].copy(), cells[:, 1].copy())

    def value(self, row: int, column: int, time: int = 0) -> NDArray[np.float32]:
        """Return the embedding of a pixel, the slow and obvious way."""
        return np.array(
            [np.float32(code) * self.scales[time, row, column] for code in self.codes[time, :, row, column]]
        )


def make_field(height: int = 160, width: int = 192, seed: int = 1, **more: Any) -> Field:
    """Return random codes whose largest is 127, and scales like the published ones."""
    random = np.random.default_rng(seed)
    years = len(more.get("years", Field.years))
    codes = random.integers(-127, 128, (years, DIMS, height, width), np.int8)
    codes[:, 0] = 127
    scales = random.uniform(0.02, 0.12, (years, height, width)).astype(np.float32)
    return Field(codes, scales, **more)


def write_store(
    path: Path,
    content: Field,
    *,
    version: str = "1.1",
    group: str = "utm30",
    epsg: int = EPSG,
    root: Mapping[str, Any] | None = None,
    transform_shift_m: float = 0.0,
    depths: Sequence[int] = (),
) -> Path:
    """Write a Zarr v3 store of groups utmNN; `root` adds to its root attributes."""
    attributes = {
        "geoemb:type": "pixel",
        "geoemb:dimensions": DIMS,
        "geoemb:model": f"https://geotessera.org/model/{version}",
        "geoemb:build_version": "0.11.0",
        "geoemb:quantization": {
            "method": "per_pixel_scale",
            "scale": {"type": "array", "array_name": "scales", "nodata": "+inf"},
        },
    }
    if depths:
        listed = [{"dimensions": depth, "array": f"embeddings_d{depth}"} for depth in depths]
        attributes["geoemb:depths"] = [*listed, {"dimensions": DIMS, "array": "embeddings"}]
    store = zarr.open_group(path, mode="w", zarr_format=3, attributes={**attributes, **(root or {})})
    zone = store.create_group(group, attributes=_zone_attributes(content, epsg, transform_shift_m))
    _axes(zone, content, ("time", "y", "x"))
    names = ("time", "band", "y", "x")
    for depth, name in [(DIMS, "embeddings"), *((depth, f"embeddings_d{depth}") for depth in depths)]:
        _array(
            zone, name, content.codes[:, :depth], (1, depth, CHUNK, CHUNK), (1, depth, SHARD, SHARD), names
        )
    _planes(zone, content, ("time", "y", "x"), CHUNK, SHARD)
    return path


def write_native_store(path: Path, content: Field, *, transform_shift_m: float = 0.0) -> Path:
    """Write a store of groups NNN with axes (time, northing, easting, band), as dClimate computed it."""
    attributes = {
        "geoemb:model": "https://geotessera.org/model/1.1",
        "geoemb:build_version": "2.4.0",
        "geoemb:quantization": {"scale": {"type": "array", "array_name": "scales", "nodata": "NaN"}},
    }
    store = zarr.open_group(path, mode="w", zarr_format=3, attributes=attributes)
    zone = store.create_group("30N", attributes=_zone_attributes(content, EPSG, transform_shift_m))
    _axes(zone, content, ("time", "northing", "easting"))
    del zone["time"]
    days = [
        (np.datetime64(f"{year}-01-01") - np.datetime64("2017-01-01")).astype(int) for year in content.years
    ]
    time = _array(zone, "time", np.array(days, np.int64), None, None, ("time",))
    time.attrs["units"] = "days since 2017-01-01 00:00:00"
    codes = np.moveaxis(content.codes, 1, 3)
    names = ("time", "northing", "easting", "band")
    _array(zone, "embeddings", codes, (1, 64, 64, DIMS), (1, SHARD, SHARD, DIMS), names)
    _planes(zone, content, ("time", "northing", "easting"), 64, SHARD)
    return path


def _zone_attributes(content: Field, epsg: int, shift_m: float) -> dict[str, Any]:
    corner = [10.0, 0.0, content.west + shift_m, 0.0, -10.0, content.north - shift_m]
    return {"proj:code": f"EPSG:{epsg}", "spatial:transform": corner}


def _axes(zone: zarr.Group, content: Field, names: tuple[str, str, str]) -> None:
    height, width = content.shape
    _array(zone, names[0], np.array(content.years, np.int32), None, None, names[:1])
    _array(zone, names[1], content.north - 5.0 - 10.0 * np.arange(height), None, None, names[1:2])
    _array(zone, names[2], content.west + 5.0 + 10.0 * np.arange(width), None, None, names[2:])


def _planes(zone: zarr.Group, content: Field, names: Sequence[str], chunk: int, shard: int) -> None:
    sizes = (1, chunk, chunk), (1, shard, shard)
    _array(zone, "scales", content.scales, *sizes, names, INF)
    for name, values in content.counts.items():
        _array(zone, name, values, *sizes, names)


def _array(
    zone: zarr.Group,
    name: str,
    values: NDArray[Any],
    chunks: tuple[int, ...] | None,
    shards: tuple[int, ...] | None,
    names: Sequence[str],
    fill: Any = 0,
) -> zarr.Array[Any]:
    array = zone.create_array(
        name,
        shape=values.shape,
        dtype=values.dtype,
        chunks=chunks or values.shape,
        shards=shards,
        dimension_names=list(names),
        compressors=BloscCodec(cname="zstd", clevel=3),
        fill_value=fill,
    )
    array[...] = values
    return array


def write_tile(
    root: Path,
    name: str,
    content: Field,
    *,
    tiles: str = "npy/v1.1-cam",
    landmasks: str = "landmasks/v1.1",
    land: NDArray[np.uint8] | None = None,
    wide_scales: bool = False,
    epsg: int = EPSG,
    shift_m: float = 0.0,
) -> Path:
    """Write one tile of the NPY layout for each year; return the first year's codes."""
    for time, year in enumerate(content.years):
        folder = root / tiles / str(year) / name
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{name}.npy", np.moveaxis(content.codes[time], 0, -1))
        scales = content.scales[time]
        wide = np.repeat(scales[..., None], DIMS, axis=-1)
        np.save(folder / f"{name}_scales.npy", wide if wide_scales else scales)
    mask = np.ones(content.shape, np.uint8) if land is None else land
    (root / landmasks).mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        root / landmasks / f"{name}.tiff",
        "w",
        driver="GTiff",
        height=mask.shape[0],
        width=mask.shape[1],
        count=1,
        dtype="uint8",
        crs=f"EPSG:{epsg}",
        transform=Affine(10, 0, content.west + shift_m, 0, -10, content.north),
    ) as raster:
        raster.write(mask, 1)
    return root / tiles / str(content.years[0]) / name / f"{name}.npy"
