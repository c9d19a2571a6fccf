"""Unpacking: a tile's packed bytes as its values, exactly a tile or a reason why not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from flows.sources.assets.tiff.coding import Coding, Compression, Predictor


class DamageError(Exception):
    """A tile that fails a check; its text says which."""


def unpack(packed: memoryview, coding: Coding, into: NDArray[Any]) -> None:
    """Unpack one tile into (height, width) values; raises for one that is not exactly a tile."""
    flat = into.reshape(-1).view(np.uint8)
    try:
        size = _UNPACKERS[coding.compression](packed, flat)
    except _UNPACKING_FAILURES as error:
        raise DamageError(f"cannot be unpacked: {error}") from error
    if size != flat.size:
        raise DamageError(f"unpacks to {size} bytes: {flat.size} are a tile")
    _restore(into, coding)


def _restore(into: NDArray[Any], coding: Coding) -> None:
    """Undo the predictor, and the file's byte order, in place."""
    if coding.predictor is Predictor.FLOATING_POINT:
        _restore_floats(into)
        return
    if coding.byte_order == ">":
        into.byteswap(inplace=True)
    if coding.predictor is Predictor.HORIZONTAL:
        whole = into.view(f"u{into.itemsize}")
        imagecodecs.delta_decode(whole, axis=-1, out=whole)


def _restore_floats(into: NDArray[Any]) -> None:
    """Undo predictor 3: each row is its values' first bytes, then their second ones, ..., as differences.

    Three times as fast as `imagecodecs.floatpred_decode`.
    """
    (height, width), size = into.shape, into.itemsize
    differences = into.view(np.uint8).copy()
    planes = imagecodecs.delta_decode(differences, axis=-1, out=differences).reshape(height, size, width)
    restored = into.view(np.uint8).reshape(height, width, size)
    for place in range(size):
        restored[:, :, place if sys.byteorder == "big" else size - 1 - place] = planes[:, place]


def _copied(packed: memoryview, into: NDArray[np.uint8]) -> int:
    if len(packed) == into.size:
        into[:] = np.frombuffer(packed, np.uint8)
    return len(packed)


_Unpacker = Callable[[memoryview, NDArray[np.uint8]], int]


def _by(decode: Callable[..., Any]) -> _Unpacker:
    """Return a decoder as a function that fills an array and returns how much it filled."""
    return lambda packed, into: len(decode(packed, out=into))


_UNPACKERS: Mapping[Compression, _Unpacker] = {
    Compression.NONE: _copied,
    Compression.LZW: _by(imagecodecs.lzw_decode),
    Compression.DEFLATE: _by(imagecodecs.deflate_decode),
    Compression.ZSTD: _by(imagecodecs.zstd_decode),
}
_UNPACKING_FAILURES = (imagecodecs.DeflateError, imagecodecs.LzwError, imagecodecs.ZstdError)
