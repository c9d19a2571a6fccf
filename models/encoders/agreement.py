"""Agreement: how near embeddings in a short number format must be to those in float32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.encoders.quantise import quantise
from monitoring.errors import ModelError

#: Least cosine of a pixel's two embeddings, and least share of int8 codes within one level.
LEAST_COSINE, LEAST_CODES = 0.9995, 0.97


@dataclass(frozen=True)
class Agreement:
    """How two sets of embeddings of the same pixels compare."""

    cosine: float
    """The least over the pixels."""
    codes_within_one: float
    """Share of int8 codes that differ by at most one level."""
    largest_difference: float


def agreement(exact: NDArray[np.float32], other: NDArray[np.float32]) -> Agreement:
    """Return how (N, D) embeddings compare with exact ones; pixels that are NaN in both are left out."""
    known = np.isfinite(exact).all(axis=1)
    if not (known == np.isfinite(other).all(axis=1)).all():
        return Agreement(-1.0, 0.0, np.inf)
    a, b = exact[known].astype(np.float64), other[known].astype(np.float64)
    if not len(a):
        return Agreement(1.0, 1.0, 0.0)
    cosine = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    levels = np.abs(quantise(exact[known])[0].astype(int) - quantise(other[known])[0].astype(int))
    return Agreement(float(cosine.min()), float((levels <= 1).mean()), float(np.abs(a - b).max()))


def refuse_disagreement(name: str, exact: NDArray[np.float32], other: NDArray[np.float32]) -> None:
    """Raise ModelError when bfloat16 embeddings are further from float32 than the bounds."""
    found = agreement(exact, other)
    if found.cosine < LEAST_COSINE or found.codes_within_one < LEAST_CODES:
        raise ModelError(
            f"encoder {name} in bf16: cosine to fp32 {found.cosine:.5f} (bound {LEAST_COSINE}), "
            f"int8 codes within one level {found.codes_within_one:.1%} (bound {LEAST_CODES:.0%}); use fp32"
        )
