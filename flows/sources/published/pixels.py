"""Published pixels: codes and scales as they were read, and what they mean."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.encoders.embeddings import Embeddings, Reason
from monitoring.scenes import Sensor

#: A scale from here on is corrupt. Of real scales 99.9 % are below 0.119 (v1); v2 scales are about 0.03.
CORRUPT_FROM = 1.0


@dataclass(frozen=True)
class PublishedPixels:
    """What is published for N pixels in one year."""

    codes: NDArray[np.int8]
    """(N, D); 0 where there is none."""
    scales: NDArray[np.float32]
    """(N, 1) one for each pixel, or (N, D) one for each code; as read, NaN where nothing was read."""
    reason: NDArray[np.uint8]
    """(N,) a Reason for each pixel."""
    counts: Mapping[Sensor, NDArray[np.float64]]
    """(N,) observations behind each embedding; NaN where the publisher does not say."""

    @classmethod
    def of(
        cls,
        codes: NDArray[np.int8],
        scales: NDArray[np.float32],
        reason: NDArray[np.uint8],
        counts: Mapping[Sensor, NDArray[np.float64]],
    ) -> PublishedPixels:
        """Return the pixels as read; one whose codes are all 0 under a sound scale is not published.

        A scale is a vector's largest magnitude / 127, so its largest code is 127: codes of 0 alone are a
        chunk that was never written.
        """
        unwritten = (reason == Reason.EMBEDDED) & ~codes.any(axis=1)
        return cls(codes, scales, np.where(unwritten, Reason.NOT_PUBLISHED, reason).astype(np.uint8), counts)

    @property
    def embeddings(self) -> Embeddings:
        """Code times scale, float32; NaN where there is a reason."""
        values = np.full(self.codes.shape, np.nan, np.float32)
        known = self.reason == Reason.EMBEDDED
        values[known] = self.codes[known].astype(np.float32) * self.scales[known]
        return Embeddings(values, self.reason)

    @property
    def digest(self) -> str:
        """Names every byte read, hexadecimal."""
        digest = hashlib.sha256()
        counts = [self.counts[sensor].astype("<f8") for sensor in Sensor]
        for array in (self.codes, self.scales.astype("<f4"), self.reason, *counts):
            digest.update(f"{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def count(self, reason: Reason) -> int:
        """Return how many pixels are missing for a reason."""
        return int((self.reason == reason).sum())


def nothing_at(n_pixels: int, dims: int, reason: Reason) -> PublishedPixels:
    """Return N pixels of which nothing is known, all for one reason."""
    return PublishedPixels(
        np.zeros((n_pixels, dims), np.int8),
        np.full((n_pixels, 1), np.nan, np.float32),
        np.full(n_pixels, reason, np.uint8),
        not_counted(n_pixels),
    )


def not_counted(n_pixels: int) -> dict[Sensor, NDArray[np.float64]]:
    """Return counts that say nothing."""
    return {sensor: np.full(n_pixels, np.nan) for sensor in Sensor}


def reason_of_scales(scales: NDArray[np.float32], nan_is: Reason) -> NDArray[np.uint8]:
    """Return (N,) what scales (N, S) say of their pixels; the worst of a pixel's scales decides.

    Finite and within (0, 1): an embedding. +inf: not published. NaN: `nan_is`. Anything else is corrupt.
    """
    usable = (scales > 0) & (scales < CORRUPT_FROM)
    absent, unnamed = np.isposinf(scales), np.isnan(scales)
    conditions = [~usable & ~absent & ~unnamed, absent, unnamed]
    reasons = [Reason.CORRUPT_SCALE, Reason.NOT_PUBLISHED, nan_is]
    found = np.select([each.any(axis=1) for each in conditions], reasons, Reason.EMBEDDED)
    return found.astype(np.uint8)
