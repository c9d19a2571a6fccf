"""Estimates: from predictions per pixel to one row per woodland and season."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from monitoring.scenes import Sensor


@dataclass(frozen=True)
class PixelEstimates:
    """A head's prediction at N pixels. NaN in `mean` means no estimate (no observation)."""

    mean: NDArray[np.float64]
    """(N,) in the target's unit."""
    sd: NDArray[np.float64]
    """(N,) standard deviation of the prediction, same unit."""


@dataclass(frozen=True)
class WoodlandEstimate:
    """Model output aggregated to one woodland and one season."""

    woodland_id: str
    mean: float
    """Coverage-weighted mean over the woodland's cells; NaN when nothing was observed."""
    sd: float
    """Standard deviation of `mean`, pixel errors taken as fully correlated (an upper bound)."""
    coverage: float
    """Share of the woodland's area that has an estimate, 0-1."""
    n_pixels: int
    """Number of 10 m pixels with an estimate that the woodland touches."""
    n_s2: float
    """Clear Sentinel-2 observations per pixel, coverage-weighted mean; NaN where nobody counted them."""
    n_s1_ascending: float
    n_s1_descending: float
    reason: str = ""
    """Why `mean` is NaN; empty where it is not."""


def weighted_mean(weights: sparse.csr_array, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each row's weighted mean over its finite values; NaN where a row has none.

    weights (W, N) coverage fractions; values (N,); result (W,).
    """
    finite = np.isfinite(values)
    total = weights @ finite.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, (weights @ np.where(finite, values, 0.0)) / total, np.nan)


def aggregate(
    woodland_ids: tuple[str, ...],
    weights: sparse.csr_array,
    pixels: PixelEstimates,
    counts: Mapping[Sensor, NDArray[np.int64] | NDArray[np.float64]],
) -> tuple[WoodlandEstimate, ...]:
    """Return one estimate per woodland, in the order of `woodland_ids`.

    weights (W, N) is the exact fraction of each pixel's area inside each woodland;
    counts hold clear observations per pixel, (N,) for each sensor; NaN where they are not known.
    """
    finite = np.isfinite(pixels.mean)
    share = weighted_mean(weights, finite.astype(np.float64))
    touched = (weights > 0).astype(np.int64) @ finite.astype(np.int64)
    mean = weighted_mean(weights, pixels.mean)
    sd = weighted_mean(weights, np.where(finite, pixels.sd, np.nan))
    observed = {sensor: weighted_mean(weights, counts[sensor].astype(np.float64)) for sensor in Sensor}
    return tuple(
        WoodlandEstimate(
            woodland_id=woodland_id,
            mean=float(mean[row]),
            sd=float(sd[row]),
            coverage=float(np.nan_to_num(share[row])),
            n_pixels=int(touched[row]),
            n_s2=float(observed[Sensor.S2][row]),
            n_s1_ascending=float(observed[Sensor.S1_ASCENDING][row]),
            n_s1_descending=float(observed[Sensor.S1_DESCENDING][row]),
            reason="" if touched[row] else "no pixel of the woodland was observed",
        )
        for row, woodland_id in enumerate(woodland_ids)
    )
