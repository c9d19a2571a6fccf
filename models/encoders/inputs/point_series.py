"""Point samples from an .npz file: series of scattered places, in the layout an encoder takes."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.encoders.card import D_PIXELS
from models.encoders.inputs.dpixels import DPixels
from models.encoders.inputs.galileo_series import BASE_RESOLUTION_M, GalileoSeries, Part
from models.encoders.inputs.presto_series import NO_LAND_COVER, PrestoSeries, normalise
from monitoring.errors import ModelError

#: Names of Galileo's four parts in its published arrays, values with _x and masks with _m, and their axes.
GALILEO_AXES = {"s_t": 5, "sp": 4, "t": 3, "st": 2}

Arrays = Mapping[str, NDArray[Any]]
PointSeries = DPixels | PrestoSeries | GalileoSeries


def read_point_series(path: Path, layout: str) -> PointSeries:
    """Return the samples in an .npz file, whose arrays are those of a card's input `layout`.

    presto: x (N, T, 17) normalised, or raw (N, T, 17) in raw units instead; latlon (N, 2); month (), (N,) or
    (N, T), 0 = January; dynamic_world (N, T), absent = none; mask (N, T, 17), 1 = missing.
    d-pixels: bands uint16 (T, N, 10); doys (T,); masks (T, N), 1 = clear, absent = all clear; for each orbit
    sar_ascending int16 (T, N, 2) with sar_ascending_doy, both absent = no such orbit.
    galileo: s_t_x (N, H, H, T, 13), sp_x, t_x, st_x with their masks s_t_m, sp_m, t_m, st_m by channel group,
    1 = missing; months (N, T); patch_size, absent = 1; input_resolution_m, absent = 10.
    ModelError in one line for a file that is none, holds objects, lacks an array or has one that is unknown.
    """
    if layout not in _READERS:
        raise ModelError(f"point series {path}: layout {layout!r}, known are {', '.join(_READERS)}")
    arrays = _arrays(path)
    try:
        return _READERS[layout](arrays)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def _arrays(path: Path) -> Arrays:
    """Return every array of an .npz file; nothing is unpickled."""
    try:
        with path.open("rb") as stream:  # opened here: NumPy leaves a file open that is no zip
            if not zipfile.is_zipfile(stream):  # NumPy would take it for a pickle, and advise to trust it
                raise ModelError(f"{path}: cannot be read as an .npz file: no zip of named arrays")
            stream.seek(0)
            file = np.load(stream, allow_pickle=False)
            return {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise ModelError(f"{path}: not there") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: cannot be read as an .npz file: {str(error).splitlines()[0]}") from error


def _refuse_names(arrays: Arrays, required: tuple[str, ...], optional: tuple[str, ...]) -> None:
    missing = [name for name in required if name not in arrays]
    unknown = sorted(set(arrays) - set(required) - set(optional))
    if missing or unknown:
        raise ModelError(
            f"arrays missing {missing}, unknown {unknown}; "
            f"expected {', '.join(required)}, and may hold {', '.join(optional)}"
        )


def _presto(arrays: Arrays) -> PrestoSeries:
    values = "raw" if "raw" in arrays else "x"
    _refuse_names(arrays, (values, "month", "latlon"), ("dynamic_world", "mask"))
    x = _floats(values, arrays[values], 3)
    n, t = x.shape[:2]
    month = _integers("month", arrays["month"])
    return PrestoSeries(
        x=normalise(x) if values == "raw" else x,
        dynamic_world=_integers("dynamic_world", arrays.get("dynamic_world", np.full((n, t), NO_LAND_COVER))),
        latlon=_floats("latlon", arrays["latlon"], 2, np.float64),
        month=np.broadcast_to(month, (n,)) if month.ndim == 0 else month,
        hidden=_marked("mask", arrays.get("mask", np.zeros(x.shape, np.bool_))),
    )


def _galileo(arrays: Arrays) -> GalileoSeries:
    required = [f"{name}_{kind}" for kind in "xm" for name in GALILEO_AXES]
    _refuse_names(arrays, (*required, "months"), ("patch_size", "input_resolution_m"))
    space_time, space, time, static = (_part(arrays, name, axes) for name, axes in GALILEO_AXES.items())
    return GalileoSeries(
        space_time,
        space,
        time,
        static,
        _integers("months", arrays["months"]),
        int(_single("patch_size", arrays.get("patch_size", np.array(1)))),
        _single("input_resolution_m", arrays.get("input_resolution_m", np.array(BASE_RESOLUTION_M))),
    )


def _part(arrays: Arrays, name: str, axes: int) -> Part:
    values, mask = f"{name}_x", f"{name}_m"
    return Part(_floats(values, arrays[values], axes), _marked(mask, arrays[mask]))


def _dpixels(arrays: Arrays) -> DPixels:
    orbits = ("sar_ascending", "sar_descending")
    optional = ("masks", *orbits, *(f"{orbit}_doy" for orbit in orbits))
    _refuse_names(arrays, ("bands", "doys"), optional)
    bands = arrays["bands"]
    if bands.ndim != 3:
        raise ModelError(f"d-pixels bands: expected (T, N, 10), found {bands.shape}")
    ascending, ascending_days = _orbit(arrays, orbits[0], bands.shape[1])
    descending, descending_days = _orbit(arrays, orbits[1], bands.shape[1])
    clear = _marked("masks", arrays.get("masks", np.ones(bands.shape[:2], np.bool_)))
    doys = _integers("doys", arrays["doys"])
    return DPixels(bands, clear, doys, ascending, ascending_days, descending, descending_days)


def _orbit(arrays: Arrays, orbit: str, n: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    days = f"{orbit}_doy"
    if (orbit in arrays) != (days in arrays):
        raise ModelError(f"d-pixels {orbit}: {orbit} and {days} come together, only one is there")
    if orbit not in arrays:
        return np.zeros((0, n, 2), np.int16), np.zeros(0, np.int64)
    return arrays[orbit], _integers(days, arrays[days])


def _floats(name: str, array: NDArray[Any], axes: int, kind: type = np.float32) -> NDArray[Any]:
    if not np.issubdtype(array.dtype, np.number) or array.ndim != axes:
        raise ModelError(f"{name}: expected numbers of {axes} axes, found {array.dtype} {array.shape}")
    return array.astype(kind)


def _integers(name: str, array: NDArray[Any]) -> NDArray[np.int64]:
    if not np.issubdtype(array.dtype, np.integer):
        raise ModelError(f"{name}: expected integers, found {array.dtype}")
    return array.astype(np.int64)


def _marked(name: str, array: NDArray[Any]) -> NDArray[np.bool_]:
    """Return an array of 0 and 1, whatever its type, as bool."""
    if (
        not (np.issubdtype(array.dtype, np.number) or array.dtype == np.bool_)
        or not np.isin(array, (0, 1)).all()
    ):
        raise ModelError(f"{name}: expected 0 and 1 only, found {array.dtype} with other values")
    return array.astype(np.bool_)


def _single(name: str, array: NDArray[Any]) -> float:
    if not np.issubdtype(array.dtype, np.number) or array.ndim:
        raise ModelError(f"{name}: expected one number, found {array.dtype} {array.shape}")
    return float(array)


_READERS: dict[str, Callable[[Arrays], PointSeries]] = {
    D_PIXELS: _dpixels,
    "presto": _presto,
    "galileo": _galileo,
}
