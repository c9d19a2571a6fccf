"""Colours of numbers on maps, and pictures of them: the one place that knows the palette."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.image import imsave
from numpy.typing import NDArray

#: From little (dark blue) to much (yellow); evenly spaced to the eye, also in grey and without colour vision.
PALETTE = "viridis"


def ramp(n: int) -> NDArray[np.uint8]:
    """Return (n, 4) red, green, blue, opacity, from little to much."""
    return np.asarray(colormaps[PALETTE](np.linspace(0.0, 1.0, n), bytes=True), np.uint8)


def png(picture: NDArray[np.uint8]) -> bytes:
    """Return (Y, X, 4) colours as a PNG file without a date or a program's name in it."""
    buffer = io.BytesIO()
    nothing: Any = None
    imsave(buffer, picture, format="png", metadata={"Software": nothing})
    return buffer.getvalue()
