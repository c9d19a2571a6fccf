"""Vegetation indices of a woodland on one day: a history beside richness, for people to check it against.

A quality series. Reflectance adjusted to the view from above serves these indices alone; it never goes before
an encoder, which knows only reflectance as delivered.

NDVI, NIRv = NDVI x NIR (Badgley et al. 2017) and NBR = (NIR - SWIR) / (NIR + SWIR) with B04, B08 and B12.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from monitoring.scenes import S2_BANDS, Scene

Floats = NDArray[np.float64]

#: Names of the indices, in the order in which a woodland's values come.
INDICES = ("ndvi", "nirv", "nbr")
#: Bands they need.
RED, NIR, SWIR = "B04", "B08", "B12"
#: Digital numbers per unit of reflectance.
QUANTIFICATION = 10_000.0
#: Share of a woodland's area that must be seen clear. In the simulated archive, with clouds of one scene laid
#: over clear scenes, a wood's NDVI strays from that of the whole wood by 0.06 (standard deviation) where less
#: than 5 % of it is seen and by about 0.01 from 10 % on.
MIN_COVERAGE = 0.1
#: Scene classes that no index is taken from: no data, defective, dark, shadow, unsure, cloud, cirrus, snow.
#: Stricter than the encoders' rule, to which cirrus and snow are clear: one simulated cirrus takes about 0.1
#: off a wood's NDVI.
UNCLEAR_CLASSES = (0, 1, 2, 3, 7, 8, 9, 10, 11)


@dataclass(frozen=True)
class IndexValue:
    """One index of one woodland as one scene saw it."""

    woodland_id: str
    scene_id: str
    source: str
    """Where the pixels came from; values of different sources do not belong in one series."""
    acquired_at: datetime
    index: str
    """One of `INDICES`."""
    value: float
    """Mean over the woodland's clear pixels, each weighted by its area inside; never NaN."""
    coverage: float
    """Share of the woodland's area that was seen clear, `MIN_COVERAGE` to 1."""
    is_nbar: bool
    """False where the product offers no angles: surface reflectance as delivered."""


def index_values(
    scene: Scene,
    values: NDArray[np.uint16],
    clear: NDArray[np.bool_],
    c: Mapping[str, Floats] | None,
    woodland_ids: Sequence[str],
    coverage: sparse.csr_array,
) -> tuple[IndexValue, ...]:
    """Return the indices of every woodland the scene saw, woodland by woodland in the order of `INDICES`.

    values: (N, 10) reflectance x 10000 without offset, bands of `S2_BANDS`, 0 = missing; clear: (N,) True
    where the scene class is none of `UNCLEAR_CLASSES`; c: (N,) c-factors by band, None where the product
    offers no angles; coverage: (W, N) share of each pixel inside each woodland. A woodland of which less
    than `MIN_COVERAGE` is seen has no values. ValueError when the shapes contradict each other.
    """
    _check_shapes(values, clear, woodland_ids, coverage)
    red, nir, swir = (_reflectance(values, c, band) for band in (RED, NIR, SWIR))
    seen = np.asarray(clear, np.bool_) & np.isfinite(red + nir + swir)
    per_pixel = pixel_indices(*(np.where(seen, band, 1.0) for band in (red, nir, swir)))
    means, share = _woodland_means(per_pixel, seen, coverage)
    return tuple(
        IndexValue(woodland, scene.id, scene.source, scene.acquired_at, index, value, part, c is not None)
        for woodland, of_indices, part in zip(woodland_ids, means.tolist(), share.tolist(), strict=True)
        if part >= MIN_COVERAGE
        for index, value in zip(INDICES, of_indices, strict=True)
    )


def pixel_indices(red: Floats, nir: Floats, swir: Floats) -> Floats:
    """Return NDVI, NIRv and NBR (N, 3) of positive reflectances (N,)."""
    ndvi = (nir - red) / (nir + red)
    return np.stack([ndvi, ndvi * nir, (nir - swir) / (nir + swir)], axis=1)


def _check_shapes(
    values: NDArray[np.uint16],
    clear: NDArray[np.bool_],
    woodland_ids: Sequence[str],
    coverage: sparse.csr_array,
) -> None:
    pixels = len(clear)
    if values.shape != (pixels, len(S2_BANDS)) or coverage.shape != (len(woodland_ids), pixels):
        raise ValueError(
            f"values {values.shape} and coverage {coverage.shape} do not fit {pixels} pixels x "
            f"{len(S2_BANDS)} bands and {len(woodland_ids)} woodlands"
        )


def _reflectance(values: NDArray[np.uint16], c: Mapping[str, Floats] | None, band: str) -> Floats:
    """Reflectance of a band (N,), as seen from above where c-factors are given; NaN where missing."""
    numbers = values[:, S2_BANDS.index(band)]
    reflectance = np.where(numbers > 0, numbers / QUANTIFICATION, np.nan)
    return reflectance if c is None else reflectance * c[band]


def _woodland_means(
    per_pixel: Floats, seen: NDArray[np.bool_], coverage: sparse.csr_array
) -> tuple[Floats, Floats]:
    """Means (W, 3) over what is seen, 0 where nothing is, and the share of area seen (W,)."""
    weighed = np.where(seen[:, None], np.column_stack([per_pixel, np.ones(len(seen))]), 0.0)
    sums = np.asarray(coverage @ weighed)
    area, whole = sums[:, -1], np.asarray(coverage.sum(axis=1), np.float64).ravel()
    tiny = np.finfo(np.float64).tiny
    return sums[:, :-1] / np.maximum(area, tiny)[:, None], np.minimum(area / np.maximum(whole, tiny), 1.0)
