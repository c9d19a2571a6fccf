"""Exports: a woodland's part of the cube as files for other tools, each whole or not there."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import WarehouseError
from monitoring.grid import PIXEL_SIZE_M
from monitoring.scenes import SCL_BAND, Sensor
from monitoring.series import SensorSeries
from warehouse.drafts import draft_of, force_to_disk, put_in_place

if TYPE_CHECKING:
    from warehouse.cube.cutout import Cutout

#: Most characters of a scene id that a file name holds.
_NAME_LENGTH = 120
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_GEOTIFF = re.compile(r"\d{8}T\d{6}_[A-Za-z0-9._-]+\.tif")
#: How every NetCDF-4 file begins.
_HDF5 = b"\x89HDF\r\n\x1a\n"


class Kind(StrEnum):
    """What a woodland's pixels are written as."""

    NETCDF = "netcdf"
    ZARR = "zarr"
    GEOTIFF = "geotiff"


def export(cutout: Cutout, kind: Kind, path: Path, *, force: bool = False) -> int:
    """Write a cut-out to `path`, whole or not at all; return how many scenes it holds.

    A NetCDF file, a Zarr folder, or a folder of one GeoTIFF per scene. WarehouseError where there is no
    scene, or where something is at `path` already: with `force` an earlier export of that kind is replaced,
    nothing else.
    """
    n_scenes = len(cutout.provenance["time"])
    if not n_scenes:
        window = f"{cutout.start:%Y-%m-%d} to {cutout.end:%Y-%m-%d}"
        raise WarehouseError(
            f"woodland {cutout.woodland_id}: the cube holds no {cutout.sensor.value} scene from {window}"
        )
    _refuse_present(kind, path, force=force)
    draft = draft_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _writer(kind)(cutout, draft)
        _sync(draft)
        _refuse_present(kind, path, force=force)
        put_in_place(draft, path)
    except OSError as error:
        raise WarehouseError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        _remove(draft)
    return n_scenes


def write_geotiffs(cutout: Cutout, folder: Path) -> None:
    """Write one GeoTIFF per scene, named `<moment>_<scene id>.tif`, its provenance among its tags.

    The bands are the sensor's, then SCL for Sentinel-2; nodata is 0 for Sentinel-2 and NaN for Sentinel-1.
    """
    folder.mkdir()
    first = 0
    for series in cutout.slices():
        for row in range(len(series.scene_ids)):
            facts = {name: _plain(values[first + row]) for name, values in cutout.provenance.items()}
            _write_geotiff(
                cutout, folder / _file_name(facts, first + row), _bands(cutout, series, row), facts
            )
        first += len(series.scene_ids)


def _write_geotiff(cutout: Cutout, path: Path, bands: NDArray[Any], facts: dict[str, Any]) -> None:
    from rasterio.io import MemoryFile
    from rasterio.transform import Affine

    is_optical = cutout.sensor is Sensor.S2
    names = (*cutout.sensor.bands, *((SCL_BAND,) if is_optical else ()))
    profile = {
        "driver": "GTiff",
        "count": len(bands),
        "height": bands.shape[1],
        "width": bands.shape[2],
        "dtype": bands.dtype,
        "crs": f"EPSG:{cutout.epsg}",
        "transform": Affine(PIXEL_SIZE_M, 0, cutout.west_m, 0, -PIXEL_SIZE_M, cutout.north_m),
        "nodata": 0 if is_optical else float("nan"),
        "compress": "deflate",
        "predictor": 2 if is_optical else 3,
        "interleave": "band",
    }
    with MemoryFile() as memory:
        with memory.open(**profile) as file:
            file.write(bands)
            file.descriptions = names
            if is_optical:
                file.scales = (*(0.0001 for _ in cutout.sensor.bands), 1.0)
            file.update_tags(woodland=cutout.woodland_id, provenance=json.dumps(facts, sort_keys=True))
        # GDAL says nothing of what does not fit when it closes a file: a full disk would leave half of one.
        path.write_bytes(memory.read())


def _bands(cutout: Cutout, series: SensorSeries, row: int) -> NDArray[Any]:
    """Return (B, Y, X) of one scene."""
    gathered = series.values[row].T
    if series.scl is not None:
        gathered = np.concatenate([gathered, series.scl[row][None].astype(gathered.dtype)])
    return cutout.ungathered(gathered, 0 if cutout.sensor is Sensor.S2 else np.nan)


def _file_name(facts: dict[str, Any], number: int) -> str:
    """Return a name of letters that every file system takes; a scene id is not trusted to be one."""
    moment = np.datetime64(facts["time"], "s").astype(datetime)
    scene_id = str(facts["scene_id"])
    safe = _UNSAFE.sub("_", scene_id)[:_NAME_LENGTH]
    return f"{moment:%Y%m%dT%H%M%S}_{safe}{'' if safe == scene_id else f'_{number}'}.tif"


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else str(value)


def _writer(kind: Kind) -> Callable[[Cutout, Path], None]:
    """Return what writes a kind; the libraries of a kind are loaded when it is asked for."""
    from warehouse.cube.cutout import write_netcdf, write_zarr

    return {Kind.NETCDF: write_netcdf, Kind.ZARR: write_zarr, Kind.GEOTIFF: write_geotiffs}[kind]


def _refuse_present(kind: Kind, path: Path, *, force: bool) -> None:
    if not os.path.lexists(path):
        return
    if not force:
        raise WarehouseError(f"{path}: is there already; --force replaces an earlier export")
    if path.is_symlink() or not _IS_EXPORT[kind](path):
        raise WarehouseError(f"{path}: is not an earlier {kind.value} export, so it is not replaced")


def _is_zarr(path: Path) -> bool:
    try:
        attributes = json.loads((path / "zarr.json").read_bytes()).get("attributes", {})
    except (OSError, ValueError, AttributeError):
        return False
    return path.is_dir() and {"woodland", "sensor", "Conventions"} <= set(attributes)


def _is_geotiffs(path: Path) -> bool:
    return path.is_dir() and all(_GEOTIFF.fullmatch(each.name) for each in path.iterdir())


def _is_netcdf(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_HDF5)) == _HDF5


_IS_EXPORT: dict[Kind, Callable[[Path], bool]] = {
    Kind.NETCDF: _is_netcdf,
    Kind.ZARR: _is_zarr,
    Kind.GEOTIFF: _is_geotiffs,
}


def _sync(draft: Path) -> None:
    """Force a file, or all files of a folder, to disk."""
    for path in [draft] if draft.is_file() else sorted(draft.rglob("*")):
        force_to_disk(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.lexists(path):
        path.unlink()
