"""Quantisation: embeddings as int8 codes with one float32 scale per pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import ModelError

#: Largest code.
MAX_CODE = 127
#: Vectors quantised together: bounds the intermediates of a million pixels.
ROWS_AT_A_TIME = 2**16


@dataclass(frozen=True)
class Quantisation:
    """What differs between the TESSERA generations: scale = max(absmax / 127, floor), codes clipped."""

    lowest_code: int
    scale_floor: float
    """So that a vector of zeros has a finite scale."""


_SYMMETRIC = Quantisation(-127, 1e-12 / 127)
#: By selection rule, as encoder cards name it; v2 does without -128, so that its codes are symmetric, and so
#: do we where nothing is published.
QUANTISATIONS = {
    "none": _SYMMETRIC,
    "v2": _SYMMETRIC,
    "v1.1": Quantisation(-128, 1e-8),
    "v1.0": Quantisation(-128, 1e-8),
}


def quantise(values: NDArray[np.float32], rule: str = "v2") -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return codes (N, D) and scales (N,) with codes * scale ~ values; a row with NaN: codes 0, scale NaN.

    Truncate a Matryoshka prefix, or v1.1's 192 numbers to 128, before, not after: the scale is that of the
    kept dims. ModelError for a rule that is not there.
    """
    chosen = _quantisation(rule)
    codes, scales = np.empty(values.shape, np.int8), np.empty(len(values), np.float32)
    for start in range(0, len(values), ROWS_AT_A_TIME):
        rows = slice(start, start + ROWS_AT_A_TIME)
        codes[rows], scales[rows] = _quantise_rows(values[rows], chosen)
    return codes, scales


def _quantise_rows(
    values: NDArray[np.float32], chosen: Quantisation
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    finite = np.asarray(np.isfinite(values).all(axis=-1))
    known = np.where(finite[:, None], values, np.float32(0)).astype(np.float32, copy=False)
    scales = np.maximum(np.abs(known).max(axis=-1) / np.float32(MAX_CODE), np.float32(chosen.scale_floor))
    codes = np.clip(np.rint(known / scales[:, None]), chosen.lowest_code, MAX_CODE).astype(np.int8)
    return codes, np.where(finite, scales, np.float32(np.nan))


def _quantisation(rule: str) -> Quantisation:
    if rule not in QUANTISATIONS:
        raise ModelError(f"quantisation {rule!r}: must be one of {', '.join(QUANTISATIONS)}")
    return QUANTISATIONS[rule]


def dequantise(codes: NDArray[np.int8], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (N, D) float32 embeddings; NaN where the scale is NaN."""
    return codes.astype(np.float32) * scales[:, None].astype(np.float32)
