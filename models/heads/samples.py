"""The field samples a head is fitted to: checked once, then trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import ModelError

Array = NDArray[np.float64]

#: Below this many usable samples, five spatial folds of ten say nothing.
MIN_SAMPLES = 50


@dataclass(frozen=True)
class TrainingDomain:
    """Bounds of the samples a head has seen; beyond them it extrapolates."""

    west: float
    south: float
    east: float
    north: float
    """Degrees, WGS 84."""
    target_low: float
    target_high: float
    reads_low: float | None
    reads_high: float | None
    """Sequencing effort; None where the samples state none."""
    years: tuple[int, ...]
    """Distinct sampling years, ascending; empty where not given."""


@dataclass(frozen=True)
class HeadSamples:
    """n usable samples, in the order they were given."""

    embeddings: Array
    """(n, D), finite."""
    target: Array
    """(n,), finite, not negative, not constant."""
    reads: Array
    """(n,) sampling effort: all positive, or all NaN where the samples state none."""
    coordinates: Array
    """(n, 2) longitude, latitude in degrees."""
    years: tuple[int, ...]
    """Distinct years, ascending."""

    @property
    def states_effort(self) -> bool:
        """True when every sample says how many reads it rests on."""
        return bool(np.isfinite(self.reads).all())

    @property
    def log_reads(self) -> Array:
        """(n,) zeros where the samples state no effort: a covariate with nothing to say."""
        return np.log(self.reads) if self.states_effort else np.zeros(len(self.reads))

    @property
    def domain(self) -> TrainingDomain:
        """Bounds of everything above."""
        west, south = (float(edge) for edge in self.coordinates.min(axis=0))
        east, north = (float(edge) for edge in self.coordinates.max(axis=0))
        reads_low = float(self.reads.min()) if self.states_effort else None
        reads_high = float(self.reads.max()) if self.states_effort else None
        low, high = float(self.target.min()), float(self.target.max())
        return TrainingDomain(west, south, east, north, low, high, reads_low, reads_high, self.years)


def usable_samples(
    embeddings: NDArray[np.float32],
    target: Array,
    reads: Array,
    coordinates: Array,
    years: Sequence[int],
    name: str,
) -> HeadSamples:
    """Return the samples that have an embedding and, where any states its effort, an effort.

    ModelError, which calls the target `name`, when what is left cannot carry a head.
    """
    values, coordinates = np.asarray(embeddings, np.float64), np.asarray(coordinates, np.float64)
    target, reads = np.asarray(target, np.float64), np.asarray(reads, np.float64)
    _refuse_lengths(name, values, target, reads, coordinates, years)
    _refuse_values(name, target, reads)
    keep = np.isfinite(values).all(axis=1) & (np.isfinite(reads) | np.isnan(reads).all())
    if keep.sum() < MIN_SAMPLES:
        raise ModelError(f"head {name}: {keep.sum()} usable samples of {len(keep)}, needs {MIN_SAMPLES}")
    if np.ptp(target[keep]) == 0:
        raise ModelError(f"head {name}: all samples have the value {target[keep][0]:g}, nothing to learn")
    seen = tuple(sorted({int(years[i]) for i in range(len(keep)) if keep[i]})) if len(years) else ()
    return HeadSamples(values[keep], target[keep], reads[keep], coordinates[keep], seen)


def _refuse_lengths(
    name: str, embeddings: Array, target: Array, reads: Array, coordinates: Array, years: Sequence[int]
) -> None:
    lengths = [len(embeddings), len(target), len(reads), len(coordinates), len(years) or len(target)]
    if len(set(lengths)) > 1:
        raise ModelError(
            f"head {name}: lengths of embeddings, target, reads, coordinates and years differ: {lengths}"
        )
    if embeddings.ndim != 2 or not embeddings.shape[1]:
        raise ModelError(f"head {name}: embeddings must be (n, D), got {embeddings.shape}")


def _refuse_values(name: str, target: Array, reads: Array) -> None:
    if not np.isfinite(target).all():
        count = int((~np.isfinite(target)).sum())
        raise ModelError(f"head {name}: {count} of {len(target)} target values are missing or infinite")
    if np.any(target < 0):
        raise ModelError(f"head {name}: target value {target.min():g} is below 0")
    if np.any(reads <= 0) or np.isinf(reads).any():
        wrong = reads[(reads <= 0) | np.isinf(reads)][0]
        raise ModelError(f"head {name}: sampling effort {wrong:g} reads, must be positive and finite")
