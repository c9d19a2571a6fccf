"""How a block's pixels lie in Zarr: CF compression by gathering, one group per sensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from pyproj import CRS
from zarr.codecs import BloscCodec, Crc32cCodec

from monitoring.errors import WarehouseError
from monitoring.grid import PIXEL_SIZE_M, Block, PixelSet
from monitoring.scenes import Scene, Sensor

#: Observations per chunk: a yearly append rewrites at most one part-filled chunk, and a season's read opens
#: about six. Measured on 8,000 pixels x 720 scenes: 16 and 32 read alike, 16 rewrites half as much.
CHUNK_TIMES = 16
#: Pixels per chunk; 16 x 65,536 x 10 bands of uint16 is 21 MB before compression.
CHUNK_PIXELS = 65_536
#: Scenes per chunk of the small per-scene arrays.
CHUNK_SCENES = 1_024

TEXT = np.dtypes.StringDType()
#: What is kept of each scene beside its pixels: array name -> (dtype, value of a scene).
PROVENANCE: dict[str, tuple[Any, Callable[[Scene], object]]] = {
    "time": (np.dtype("int64"), lambda scene: int(scene.acquired_at.timestamp())),
    "scene_id": (TEXT, lambda scene: scene.id),
    "collection": (TEXT, lambda scene: scene.collection),
    "source": (TEXT, lambda scene: scene.source),
    "platform": (TEXT, lambda scene: scene.platform),
    "acquisition": (TEXT, lambda scene: scene.acquisition),
    "baseline": (TEXT, lambda scene: scene.baseline),
    "offset_dn": (np.dtype("int32"), lambda scene: scene.offset_dn),
    "offset_rule": (TEXT, lambda scene: scene.offset_rule),
    "href": (TEXT, lambda scene: scene.href(scene.sensor.bands[0])),
}
#: The checksum comes last, so that a chunk damaged on disk is an error and never other numbers.
_COMPRESSORS = (BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"), Crc32cCodec())
_TIME_ATTRIBUTES = {
    "standard_name": "time",
    "units": "seconds since 1970-01-01 00:00:00",
    "calendar": "proleptic_gregorian",
}
_VALUES_ATTRIBUTES = {
    Sensor.S2: {"long_name": "surface reflectance x 10000, baseline offset removed; 0 = missing"},
    Sensor.S1_ASCENDING: {"long_name": "gamma0 backscatter, linear power; NaN = missing"},
    Sensor.S1_DESCENDING: {"long_name": "gamma0 backscatter, linear power; NaN = missing"},
}


def values_dtype(sensor: Sensor) -> np.dtype[Any]:
    """Return uint16 for Sentinel-2, float32 for Sentinel-1."""
    return np.dtype("uint16" if sensor is Sensor.S2 else "float32")


def lay_out(root: zarr.Group, block: Block) -> None:
    """Make the three empty sensor groups of a block below `root`."""
    root.attrs.update(block=block.id, pixels=block.pixels.digest, Conventions="CF-1.11")
    for sensor in Sensor:
        _lay_out_sensor(root.create_group(sensor.value), sensor, block.pixels)


def array_of(group: zarr.Group, name: str) -> zarr.Array[Any]:
    """Return one array of a group; WarehouseError when it has none of that name."""
    array = group.get(name)
    if not isinstance(array, zarr.Array):
        raise WarehouseError(f"cube group {group.path}: no array {name!r}")
    return array


def extend(group: zarr.Group, arrays: dict[str, NDArray[Any]]) -> None:
    """Append along time to every array named; all must be equally long."""
    for name, values in arrays.items():
        array = array_of(group, name)
        before = array.shape[0]
        array.resize((before + len(values), *array.shape[1:]))
        array[before:] = values


def provenance(scenes: Sequence[Scene]) -> dict[str, NDArray[Any]]:
    """Return the per-scene arrays, each (T,)."""
    return {
        name: np.array([value_of(scene) for scene in scenes], dtype=dtype)
        for name, (dtype, value_of) in PROVENANCE.items()
    }


def _lay_out_sensor(group: zarr.Group, sensor: Sensor, pixels: PixelSet) -> None:
    _write_grid(group, pixels)
    _write(group, "band", np.array(sensor.bands, dtype=TEXT), ("band",), {"long_name": "band name"})
    attributes = {**_VALUES_ATTRIBUTES[sensor], "grid_mapping": "crs"}
    shape = (len(pixels), len(sensor.bands))
    _growing(group, "values", values_dtype(sensor), shape, ("time", "pixel", "band"), attributes)
    if sensor is Sensor.S2:
        meaning = {"long_name": "Sentinel-2 scene classification; 0 = no data", "grid_mapping": "crs"}
        _growing(group, "scl", np.dtype("uint8"), shape[:1], ("time", "pixel"), meaning)
    for name, (dtype, _) in PROVENANCE.items():
        _growing(group, name, dtype, (), ("time",), _TIME_ATTRIBUTES if name == "time" else {})


def _write_grid(group: zarr.Group, pixels: PixelSet) -> None:
    """Write `pixel`, an index into the flattened (y, x) grid, with x, y and the coordinate system."""
    west, east = int(pixels.column.min()), int(pixels.column.max())
    south, north = int(pixels.row.min()), int(pixels.row.max())
    x = (np.arange(west, east + 1) + 0.5) * PIXEL_SIZE_M
    y = (np.arange(north, south - 1, -1) + 0.5) * PIXEL_SIZE_M
    index = (north - pixels.row.astype(np.int64)) * len(x) + (pixels.column - west)
    _write(group, "x", x, ("x",), {"standard_name": "projection_x_coordinate", "units": "m"})
    _write(group, "y", y, ("y",), {"standard_name": "projection_y_coordinate", "units": "m"})
    _write(group, "pixel", index, ("pixel",), {"compress": "y x"})
    _write(group, "crs", np.int32(pixels.epsg), (), CRS.from_epsg(pixels.epsg).to_cf())


def _write(
    group: zarr.Group, name: str, values: Any, dimensions: tuple[str, ...], attributes: dict[str, Any]
) -> None:
    content = np.asarray(values)
    array = group.create_array(
        name, shape=content.shape, dtype=content.dtype, dimension_names=dimensions, attributes=attributes
    )
    array[...] = content


def _growing(
    group: zarr.Group,
    name: str,
    dtype: Any,
    shape: tuple[int, ...],
    dimensions: tuple[str, ...],
    attributes: dict[str, Any],
) -> None:
    wide = bool(shape)
    chunks = (CHUNK_TIMES, min(shape[0], CHUNK_PIXELS), *shape[1:]) if wide else (CHUNK_SCENES,)
    group.create_array(
        name,
        shape=(0, *shape),
        chunks=chunks,
        dtype=dtype,
        compressors=_COMPRESSORS if wide else "auto",
        fill_value=np.nan if dtype == np.dtype("float32") else ("" if dtype == TEXT else 0),
        dimension_names=dimensions,
        attributes=attributes,
    )
