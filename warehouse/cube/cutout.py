"""Cut-outs: some pixels of a cube un-gathered to (time, y, x), for people with other tools."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from pyproj import CRS
from zarr.codecs import BloscCodec, Crc32cCodec

from monitoring.errors import WarehouseError
from monitoring.grid import PIXEL_SIZE_M
from monitoring.scenes import Sensor
from monitoring.series import SensorSeries
from warehouse.cube.layout import CONVENTIONS, PROVENANCE, Layer, array_of, axis_attributes, layers_of
from warehouse.cube.observation import CLOUD_UNKNOWN
from warehouse.cube.pixels import Cube

#: Longest edge of a chunk, cells, and most times in one, of the files that are written.
_CHUNK_CELLS, _CHUNK_TIMES = 512, 16


@dataclass(frozen=True, eq=False)
class Cutout:
    """What one sensor saw of one woodland in a window of time."""

    cube: Cube
    sensor: Sensor
    woodland_id: str
    start: datetime
    end: datetime
    """The window is [start, end)."""

    def __post_init__(self) -> None:
        places = self.cube.index[self.positions]
        if (places < 0).any():
            n = int((places < 0).sum())
            raise WarehouseError(
                f"woodland {self.woodland_id}: {n} of its {len(places)} pixels are not in the cube yet"
            )

    @cached_property
    def positions(self) -> NDArray[np.int64]:
        """(K,) positions in the block's pixels of the cells the woodland touches."""
        return self._of_block[0]

    @cached_property
    def _of_block(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        block = self.cube.block
        share = block.coverage[[block.woodland_ids.index(self.woodland_id)]].toarray()[0]
        positions = np.flatnonzero(share > 0)
        return positions, share[positions]

    @cached_property
    def provenance(self) -> dict[str, NDArray[Any]]:
        """What is kept of each scene, (T,) each, in (acquired_at, id) order."""
        return self.cube.provenance(self.sensor, self.start, self.end)

    @property
    def epsg(self) -> int:
        """The UTM zone."""
        return self.cube.block.pixels.epsg

    @property
    def west_m(self) -> int:
        """West edge of the grid, metres."""
        return int(self._column.min()) * PIXEL_SIZE_M

    @property
    def north_m(self) -> int:
        """North edge of the grid, metres."""
        return (int(self._row.max()) + 1) * PIXEL_SIZE_M

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the smallest grid that holds the cells."""
        return (
            int(self._row.max() - self._row.min()) + 1,
            int(self._column.max() - self._column.min()) + 1,
        )

    @property
    def coverage(self) -> NDArray[np.float32]:
        """(Y, X) share of each cell's area inside the woodland, 0 outside."""
        return self.ungathered(self._of_block[1].astype(np.float32), 0)

    def ungathered(self, gathered: NDArray[Any], fill: Any) -> NDArray[Any]:
        """Return (..., Y, X) of (..., K), north up; `fill` in every cell that is not the woodland's."""
        grid = np.full((*gathered.shape[:-1], *self.shape), fill, gathered.dtype)
        grid[..., self._row.max() - self._row, self._column - self._column.min()] = gathered
        return grid

    def slices(self) -> Iterator[SensorSeries]:
        """Yield the woodland's pixels (T, K, B), a few scenes at a time."""
        return self.cube.batches(self.sensor, self.start, self.end, self.positions)

    @property
    def _column(self) -> NDArray[np.int32]:
        return self.cube.block.pixels.column[self.positions]

    @property
    def _row(self) -> NDArray[np.int32]:
        return self.cube.block.pixels.row[self.positions]


@dataclass(frozen=True)
class Plane:
    """One variable over (time, y, x) of a cut-out."""

    dtype: np.dtype[Any]
    fill: Any
    attributes: dict[str, Any]
    of: Callable[[SensorSeries], NDArray[Any]]
    """(T, K) of a series of K pixels."""


def planes_of(sensor: Sensor) -> dict[str, Plane]:
    """Return a cut-out's variables by name: the bands; of Sentinel-2 `scl` and `cloud_probability` too."""
    layers = layers_of(sensor)
    planes = {band: _band(layers["values"], band, at) for at, band in enumerate(sensor.bands)}
    if sensor is Sensor.S2:
        scl, cloud = layers["scl"], layers["cloud_probability"]
        planes["scl"] = Plane(scl.dtype, scl.fill, scl.attributes, _classes)
        planes["cloud_probability"] = Plane(cloud.dtype, cloud.fill, cloud.attributes, _clouds)
    return planes


def _band(layer: Layer, band: str, at: int) -> Plane:
    attributes = {**layer.attributes, "long_name": f"{band}: {layer.attributes['long_name']}"}
    return Plane(layer.dtype, layer.fill, attributes, lambda series: series.values[:, :, at])


def _classes(series: SensorSeries) -> NDArray[Any]:
    return np.zeros(series.values.shape[:2], np.uint8) if series.scl is None else series.scl


def _clouds(series: SensorSeries) -> NDArray[Any]:
    shape = series.values.shape[:2]
    return np.full(shape, CLOUD_UNKNOWN, np.uint8) if series.cloud is None else series.cloud


def write_netcdf(cutout: Cutout, path: Path) -> None:
    """Write a cut-out as NetCDF-4, CF; a few scenes are in memory at once, and the bytes are repeatable."""
    try:
        _write_netcdf(cutout, path)
    except RuntimeError as error:  # all that the NetCDF library says, also of a full disk
        raise OSError(f"{error} (is the disk full?)") from error


def _write_netcdf(cutout: Cutout, path: Path) -> None:
    frame = _frame(cutout)
    frame.to_netcdf(path, engine="netcdf4", format="NETCDF4")
    with netCDF4.Dataset(path, "a") as file:
        for name, plane in planes_of(cutout.sensor).items():
            variable = file.createVariable(
                name,
                plane.dtype,
                ("time", "y", "x"),
                zlib=True,
                complevel=4,
                chunksizes=_chunks(frame),
                fill_value=None if "flag_values" in plane.attributes else plane.fill,
            )
            variable.setncatts(_typed(plane, grid_mapping="crs"))
            variable.set_auto_maskandscale(False)
        _write_planes(cutout, lambda name, rows, grid: file[name].__setitem__(rows, grid))


def write_zarr(cutout: Cutout, folder: Path) -> None:
    """Write a cut-out as a folder of Zarr format 3, CF, with a checksum on every chunk of pixels."""
    frame = _frame(cutout)
    frame.to_zarr(folder, mode="w-", zarr_format=3, consolidated=False)
    group = zarr.open_group(folder, mode="r+")
    for name, plane in planes_of(cutout.sensor).items():
        group.create_array(
            name,
            shape=(frame.sizes["time"], *cutout.shape),
            chunks=_chunks(frame),
            dtype=plane.dtype,
            fill_value=plane.fill,
            compressors=(BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"), Crc32cCodec()),
            dimension_names=("time", "y", "x"),
            attributes={**plane.attributes, "grid_mapping": "crs"},
        )
    _write_planes(cutout, lambda name, rows, grid: array_of(group, name).__setitem__(rows, grid))


def _write_planes(cutout: Cutout, write: Callable[[str, slice, NDArray[Any]], None]) -> None:
    first, planes = 0, planes_of(cutout.sensor)
    for series in cutout.slices():
        rows = slice(first, first + len(series.scene_ids))
        for name, plane in planes.items():
            write(name, rows, cutout.ungathered(plane.of(series), plane.fill))
        first = rows.stop


def _frame(cutout: Cutout) -> xr.Dataset:
    """Return all but the planes: axes, coordinate system, coverage and provenance, encoded as CF says."""
    height, width = cutout.shape
    half = PIXEL_SIZE_M / 2
    x = cutout.west_m + half + np.arange(width) * float(PIXEL_SIZE_M)
    y = cutout.north_m - half - np.arange(height) * float(PIXEL_SIZE_M)
    facts = cutout.provenance
    coverage = {
        "long_name": "share of the cell's area inside the woodland",
        "units": "1",
        "grid_mapping": "crs",
    }
    frame = xr.Dataset(
        {
            **{name: ("time", _plain(facts[name]), _meaning(name)) for name in facts if name != "time"},
            "coverage": (("y", "x"), cutout.coverage, coverage),
            "crs": ((), np.int32(cutout.epsg), CRS.from_epsg(cutout.epsg).to_cf()),
        },
        coords={
            "time": ("time", facts["time"], _meaning("time")),
            "y": ("y", y, axis_attributes("y")),
            "x": ("x", x, axis_attributes("x")),
        },
        attrs={
            "Conventions": CONVENTIONS,
            "title": f"woodland {cutout.woodland_id}, {cutout.sensor.value}",
            "woodland": cutout.woodland_id,
            "block": cutout.cube.block.id,
            "sensor": cutout.sensor.value,
            "source": ", ".join(sorted({str(source) for source in facts["source"]})),
        },
    )
    for name in ("x", "y", "coverage"):
        frame[name].encoding["_FillValue"] = None
    return frame


def _meaning(name: str) -> dict[str, Any]:
    return PROVENANCE[name].attributes if name in PROVENANCE else {}


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    """Return texts as objects, which every format knows how to keep."""
    return values.astype(object) if values.dtype.kind == "T" else values


def _chunks(frame: xr.Dataset) -> tuple[int, int, int]:
    times, height, width = (max(frame.sizes[axis], 1) for axis in ("time", "y", "x"))
    return min(times, _CHUNK_TIMES), min(height, _CHUNK_CELLS), min(width, _CHUNK_CELLS)


def _typed(plane: Plane, **more: str) -> dict[str, Any]:
    """Return the attributes, those that are values of the variable in its own type, as CF asks."""
    own = [name for name in ("missing_value", "flag_values") if name in plane.attributes]
    typed: dict[str, Any] = {name: np.asarray(plane.attributes[name], plane.dtype) for name in own}
    return {**plane.attributes, **typed, **more}
