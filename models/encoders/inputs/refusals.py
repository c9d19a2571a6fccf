"""Refusals that the inputs of encoders share: arrays of another shape or type, values out of bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import ModelError

Array = NDArray[Any]


def refuse_shape(name: str, array: Array, kind: type[Any], shape: tuple[int, ...]) -> None:
    """Raise ModelError unless the array has that shape, and is of `kind` or of a kind below it."""
    if not np.issubdtype(array.dtype, kind) or array.shape != shape:
        raise ModelError(f"{name}: expected {kind.__name__} {shape}, found {array.dtype} {array.shape}")


def refuse_beyond(name: str, values: Array, least: float, most: float) -> None:
    """Raise ModelError for a value outside least to most, both included; NaN is outside."""
    wrong = values[~((values >= least) & (values <= most))]
    if wrong.size:
        raise ModelError(f"{name}: {wrong.flat[0]}, expected {least} to {most}")


def refuse_unfit(name: str, seen: Array, largest: float = np.inf) -> None:
    """Raise ModelError when what an encoder sees is not finite, or too large to be normalised."""
    if not np.isfinite(seen).all():
        raise ModelError(f"{name}: holds a value that is not finite and not hidden")
    found = float(np.abs(seen).max(initial=0.0))
    if found > largest:
        raise ModelError(f"{name}: size {found:g}, normalised is at most {largest:g}: is it in raw units?")
