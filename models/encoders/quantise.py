"""Quantisation: embeddings as int8 codes with one float32 scale per pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Largest code; -128 is not used, so that codes are symmetric (TESSERA v2).
MAX_CODE = 127
#: Smallest largest magnitude of a vector, so that a vector of zeros has a finite scale (TESSERA v2).
ABSMAX_FLOOR = 1e-12


def quantise(values: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return codes (N, D) and scales (N,) with codes * scale ~ values; a row with NaN: codes 0, scale NaN.

    Truncate a Matryoshka prefix before, not after: the scale is that of the kept dims.
    """
    finite = np.asarray(np.isfinite(values).all(axis=-1))
    known = np.where(finite[:, None], values, np.float32(0)).astype(np.float32, copy=False)
    absmax = np.maximum(np.abs(known).max(axis=-1), ABSMAX_FLOOR).astype(np.float32)
    scales = absmax / np.float32(MAX_CODE)
    codes = np.clip(np.rint(known / scales[:, None]), -MAX_CODE, MAX_CODE).astype(np.int8)
    return codes, np.where(finite, scales, np.float32(np.nan))


def dequantise(codes: NDArray[np.int8], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (N, D) float32 embeddings; NaN where the scale is NaN."""
    return codes.astype(np.float32) * scales[:, None].astype(np.float32)
