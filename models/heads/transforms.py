"""The scales a head works on, and the way back from them.

Means and sds come back through the exact moments of a (rectified) normal, so that they are unbiased by the
transform and never below zero on the scales that know no negative value.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pair = tuple[torch.Tensor, torch.Tensor]


def forward(transform: str, target: Array) -> Array:
    """Return the target (n,) on the transformed scale; `sqrt` and `log1p` take no negative value."""
    if transform == "none":
        return target
    return np.asarray(np.sqrt(target) if transform == "sqrt" else np.log1p(target))


def backward(transform: str, latent: torch.Tensor) -> torch.Tensor:
    """Return points of the transformed scale in the target's unit: monotone, so quantiles stay quantiles."""
    if transform == "none":
        return latent
    rectified = latent.clamp(min=0)
    return rectified**2 if transform == "sqrt" else torch.expm1(rectified)


def moments(transform: str, mean: torch.Tensor, variance: torch.Tensor) -> Pair:
    """Return (mean, sd) in the target's unit of a latent normal, cut at zero where the scale needs it.

    Worked out in float64 and given in the format of `mean`; NaN where it cannot be represented.
    """
    first, second_central = _MOMENTS[transform](mean.double(), variance.double())
    sd = second_central.clamp(min=0).sqrt()
    finite = first.isfinite() & sd.isfinite()
    return tuple(  # type: ignore[return-value]
        torch.where(finite, each, math.nan).to(mean.dtype) for each in (first, sd)
    )


def _identity_moments(m: torch.Tensor, v: torch.Tensor) -> Pair:
    return m, v


def _square_moments(m: torch.Tensor, v: torch.Tensor) -> Pair:
    """Mean and variance of max(Z, 0)**2 for Z ~ N(m, v)."""
    s = v.sqrt()
    below, density = torch.special.ndtr(m / s), torch.exp(-0.5 * m**2 / v) / math.sqrt(2 * math.pi)
    first = ((m**2 + v) * below + m * s * density).clamp(min=0)
    second = (m**4 + 6 * m**2 * v + 3 * v**2) * below + (m**3 * s + 5 * m * s**3) * density
    return first, second - first**2


def _expm1_moments(m: torch.Tensor, v: torch.Tensor) -> Pair:
    """Mean and variance of expm1(max(Z, 0)) for Z ~ N(m, v)."""
    s = v.sqrt()
    zeroth = torch.special.ndtr(m / s)
    once = torch.exp(m + v / 2) * torch.special.ndtr((m + v) / s)
    twice = torch.exp(2 * (m + v)) * torch.special.ndtr((m + 2 * v) / s)
    first = (once - zeroth).clamp(min=0)
    return first, twice - 2 * once + zeroth - first**2


_MOMENTS: dict[str, Callable[[torch.Tensor, torch.Tensor], Pair]] = {
    "none": _identity_moments,
    "sqrt": _square_moments,
    "log1p": _expm1_moments,
}
