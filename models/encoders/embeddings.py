"""Embeddings: what any encoder says about pixels, and why it says nothing about some."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

#: Called with the number of pixels done and the number of all.
Progress = Callable[[int, int], None]


class Reason(IntEnum):
    """Why an embedding is missing."""

    EMBEDDED = 0
    """It is not."""
    NO_OBSERVATION = 1
    """Neither a clear optical nor a radar observation in the season."""
    WATER = 2
    """Published embeddings: the publisher calls the pixel water."""
    NOT_PUBLISHED = 3
    """Published embeddings: there is none for this pixel and year."""
    CORRUPT_SCALE = 4
    """Published embeddings: the scale of the pixel's codes is impossible."""
    OUTSIDE = 5
    """Published embeddings: no pixel of the published grid is exactly this one."""


@dataclass(frozen=True)
class Embeddings:
    """What an encoder says about N pixels."""

    values: NDArray[np.float32]
    """(N, D); a row of NaN where there is none."""
    reason: NDArray[np.uint8]
    """(N,) a Reason for each pixel."""
