"""D-pixel directories: the published layout of a tile on disk, memory-mapped, refused when amiss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.encoders.inputs.dpixels import LAST_DAY, DPixels
from monitoring.errors import ModelError


def read_dpixel_directory(path: Path) -> tuple[DPixels, tuple[int, int]]:
    """Return the d-pixels of a tile directory, row by row, and its (height, width).

    bands.npy uint16 (T,H,W,10), doys.npy integers (T,), masks.npy uint8 or bool (T,H,W) with 1 = clear
    (absent: all clear), sar_{ascending,descending}.npy int16 (T,H,W,2) each with its sar_*_doy.npy (both
    absent: no such orbit). ModelError for anything missing, damaged or of another shape or type: nothing
    is ever replaced by zeros.
    """
    bands = _load(path / "bands.npy", (np.uint16,), (None, None, None, 10))
    times, height, width, _ = bands.shape
    doys = _days(path / "doys.npy", times)
    clear = _clear(path / "masks.npy", (times, height, width))
    ascending, ascending_doys = _orbit(path, "ascending", height, width)
    descending, descending_doys = _orbit(path, "descending", height, width)
    flat = bands.reshape(times, height * width, 10)
    dpixels = DPixels(flat, clear, doys, ascending, ascending_doys, descending, descending_doys)
    return dpixels, (height, width)


def _clear(path: Path, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    if not path.exists():
        return np.broadcast_to(np.True_, (shape[0], shape[1] * shape[2]))
    return _load(path, (np.uint8, np.bool_), shape).reshape(shape[0], -1).astype(np.bool_)


def _orbit(path: Path, orbit: str, height: int, width: int) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    frames, days = path / f"sar_{orbit}.npy", path / f"sar_{orbit}_doy.npy"
    if not frames.exists() and not days.exists():
        return np.zeros((0, height * width, 2), np.int16), np.zeros(0, np.int64)
    radar = _load(frames, (np.int16,), (None, height, width, 2))
    return radar.reshape(len(radar), height * width, 2), _days(days, len(radar))


def _days(path: Path, times: int) -> NDArray[np.int64]:
    days = _load(path, (), (times,))
    if not np.issubdtype(days.dtype, np.integer):
        raise ModelError(f"{path}: expected integers, found {days.dtype}")
    wrong = days[(days < 1) | (days > LAST_DAY)]
    if len(wrong):
        raise ModelError(f"{path}: day of year {int(wrong[0])}, expected 1-{LAST_DAY}")
    return np.asarray(days, np.int64)


def _load(path: Path, dtypes: tuple[type, ...], shape: tuple[int | None, ...]) -> NDArray[Any]:
    """Return a memory map of an .npy file; None in `shape` fits any length, () in `dtypes` any type."""
    try:
        array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")  # reads .npy only: no pickle, no zip
    except FileNotFoundError as error:
        raise ModelError(f"{path}: not there, and nothing stands in for it") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read as an .npy array: {error}") from error
    fits = array.ndim == len(shape) and all(e in (None, f) for e, f in zip(shape, array.shape, strict=True))
    if not fits or (dtypes and array.dtype not in dtypes):
        wanted = "(" + ", ".join("any" if length is None else str(length) for length in shape) + ")"
        kinds = " or ".join(np.dtype(kind).name for kind in dtypes) or "integer"
        raise ModelError(f"{path}: expected {kinds} {wanted}, found {array.dtype} {array.shape}")
    return array
