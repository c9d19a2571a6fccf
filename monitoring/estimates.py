"""Estimates: from predictions per pixel to one row per woodland and season."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from monitoring.scenes import Sensor
from monitoring.spatial_error import Correlation, mean_variance


@dataclass(frozen=True)
class PixelEstimates:
    """A head's prediction at N pixels. NaN in `mean` means no estimate (no observation)."""

    mean: NDArray[np.float64]
    """(N,) in the target's unit: what one standard sample of the cell is expected to show."""
    sd: NDArray[np.float64]
    """(N,) standard deviation of one standard sample about `mean`, label error included, same unit."""
    sd_place: NDArray[np.float64]
    """(N,) part of the error of `mean` that stays with a place from year to year: it cancels in a slope."""
    sd_year: NDArray[np.float64]
    """(N,) part of the error of `mean` that varies from year to year: what a trend has to exceed."""
    lo90: NDArray[np.float64]
    hi90: NDArray[np.float64]
    """(N,) interval that holds 90 % of standard samples, calibrated on held-out blocks, target's unit."""
    applicable: NDArray[np.bool_]
    """(N,) False outside the area of applicability (unlike any training sample), and where `mean` is NaN."""
    dissimilarity: NDArray[np.float64]
    """(N,) dissimilarity index: distance to the nearest training sample over the mean distance among them
    (Meyer and Pebesma 2021); without unit."""
    density: NDArray[np.int64]
    """(N,) local point density: training samples within the threshold of applicability."""


@dataclass(frozen=True)
class WoodlandEstimate:
    """Model output aggregated to one woodland and one season."""

    woodland_id: str
    mean: float
    """Coverage-weighted mean over the woodland's cells; NaN when nothing was observed."""
    sd: float
    """Standard deviation of `mean`: sd_place and sd_year together, pixel errors correlated as the variogram
    of the head's held-out residuals says."""
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
    sd_place: float = float("nan")
    """Part of `sd` that stays with the place."""
    sd_year: float = float("nan")
    """Part of `sd` that varies from year to year."""
    applicable_share: float = float("nan")
    """Share of the estimated area inside the area of applicability, 0-1; NaN where nothing was estimated."""


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
    column: NDArray[np.int32],
    row: NDArray[np.int32],
    correlation: Correlation,
) -> tuple[WoodlandEstimate, ...]:
    """Return one estimate per woodland, in the order of `woodland_ids`.

    weights (W, N) is the exact fraction of each pixel's area inside each woodland;
    counts hold clear observations per pixel, (N,) for each sensor; NaN where they are not known;
    column, row (N,) of the 10 m cells (`PixelSet`).

    The sds are those of the woodland's mean, not of one sample in it: label error is no part of them. They
    assume that the errors of two cells correlate by their distance alone, as `correlation` says and alike for
    the part that stays with a place and the part that varies from year to year; that the two parts are
    independent of each other; and that the cells without an estimate are like the others. Outside the area of
    applicability they are too small: `applicable_share` says how much of the area that concerns.
    """
    finite = np.isfinite(pixels.mean)
    share = weighted_mean(weights, finite.astype(np.float64))
    touched = (weights > 0).astype(np.int64) @ finite.astype(np.int64)
    mean = weighted_mean(weights, pixels.mean)
    applicable = weighted_mean(weights, np.where(finite, pixels.applicable, np.nan))
    place, year = (
        mean_variance(weights, column, row, np.where(finite, part, np.nan), correlation)
        for part in (pixels.sd_place, pixels.sd_year)
    )
    observed = {sensor: weighted_mean(weights, counts[sensor].astype(np.float64)) for sensor in Sensor}
    return tuple(
        WoodlandEstimate(
            woodland_id=woodland_id,
            mean=float(mean[wood]),
            sd=float(np.sqrt(place[wood] + year[wood])),
            coverage=float(np.nan_to_num(share[wood])),
            n_pixels=int(touched[wood]),
            n_s2=float(observed[Sensor.S2][wood]),
            n_s1_ascending=float(observed[Sensor.S1_ASCENDING][wood]),
            n_s1_descending=float(observed[Sensor.S1_DESCENDING][wood]),
            reason="" if touched[wood] else "no pixel of the woodland was observed",
            sd_place=float(np.sqrt(place[wood])),
            sd_year=float(np.sqrt(year[wood])),
            applicable_share=float(applicable[wood]),
        )
        for wood, woodland_id in enumerate(woodland_ids)
    )
