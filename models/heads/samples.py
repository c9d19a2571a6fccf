"""The field samples a head is fitted to: checked once, then trusted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.heads.candidates.contract import Training
from models.heads.transforms import forward
from monitoring.errors import ModelError
from monitoring.samples import NO_YEAR
from monitoring.targets import Effort, Target

Array = NDArray[np.float64]
Groups = NDArray[np.int64]

#: Below this many usable samples, five spatial folds of ten say nothing.
MIN_SAMPLES = 50


@dataclass(frozen=True)
class Labels:
    """What was found at n field samples, each (n, ...), in one order."""

    ids: tuple[str, ...]
    value: Array
    """(n,) the target, own unit."""
    coordinates: Array
    """(n, 2) longitude, latitude in degrees, WGS 84; NaN where not given."""
    effort: Array
    """(n, E) sampling effort in the order of the target's; NaN where not stated."""
    year: Groups
    """(n,) calendar year of sampling, -1 where not given."""
    group: Groups | None = None
    """(n,) what folds have to keep together, by the user's word."""


@dataclass(frozen=True)
class UsedEffort:
    """One covariate of sampling effort that the samples state."""

    name: str
    scale: str
    """`log` or `none`."""
    standard: float
    """Effort every prediction is made for, own unit."""
    low: float
    high: float
    """Bounds among the samples, own unit."""

    @property
    def latent(self) -> float:
        """The standard effort on its scale."""
        return float(np.log(self.standard)) if self.scale == "log" else self.standard


@dataclass(frozen=True)
class TrainingDomain:
    """Bounds of the samples a head has seen; beyond them it extrapolates. None = not given."""

    west: float | None
    south: float | None
    east: float | None
    north: float | None
    """Degrees, WGS 84."""
    target_low: float
    target_high: float
    years: tuple[int, ...]
    """Distinct sampling years, ascending."""


@dataclass(frozen=True)
class HeadSamples:
    """n usable samples, in the order they were given."""

    target: Target
    labels: Labels
    embeddings: Array
    """(n, D), finite."""
    effort: tuple[UsedEffort, ...]
    """What the columns of `latent_effort` are."""
    latent_effort: Array
    """(n, E) finite, each on its scale."""
    weight: Array
    """(n,) positive, mean 1: n replicates of one place weigh less than n places."""

    @property
    def value(self) -> Array:
        """(n,) the target, own unit."""
        return self.labels.value

    @property
    def has_coordinates(self) -> bool:
        """True where every sample says where it was taken."""
        return bool(np.isfinite(self.labels.coordinates).all())

    def training(self, group: Groups) -> Training:
        """Return the rows to fit on, `group` (n,) being what inner folds keep together."""
        latent = forward(self.target.transform, self.value)
        return Training(self.embeddings, self.latent_effort, latent, self.weight, group)

    def seen_as(self, features: Array) -> HeadSamples:
        """Return the same samples with other features (n, D) in place of the embeddings."""
        return replace(self, embeddings=features)

    @property
    def domain(self) -> TrainingDomain:
        """Bounds of everything above."""
        west, south = self._edges(np.min)
        east, north = self._edges(np.max)
        years = tuple(sorted({int(year) for year in self.labels.year} - {NO_YEAR}))
        low, high = float(self.value.min()), float(self.value.max())
        return TrainingDomain(west, south, east, north, low, high, years)

    def _edges(self, of: Callable[..., Array]) -> tuple[float | None, float | None]:
        """Return a corner of the box around the samples; None where places are not given."""
        if not self.has_coordinates:
            return None, None
        longitude, latitude = of(self.labels.coordinates, axis=0)
        return float(longitude), float(latitude)


def usable_samples(embeddings: NDArray[np.floating], labels: Labels, target: Target) -> HeadSamples:
    """Return the samples that have an embedding and, of each effort that any states, an effort.

    embeddings (n, D), NaN rows are left out. ModelError when what is left cannot carry a head.
    """
    values = np.asarray(embeddings, np.float64)
    _refuse_lengths(values, labels, target)
    _refuse_repeats(labels, target)
    _refuse_values(labels, target)
    stated = [k for k in range(labels.effort.shape[1]) if not np.isnan(labels.effort[:, k]).all()]
    _refuse_effort(labels.effort[:, stated], [target.effort[k] for k in stated], target)
    embedded: NDArray[np.bool_] = np.asarray(np.isfinite(values).all(axis=1))
    keep: NDArray[np.bool_] = np.logical_and(embedded, np.isfinite(labels.effort[:, stated]).all(axis=1))
    _refuse_too_few(keep, embedded, labels, target)
    chosen = _rows(labels, keep)
    effort = [_used(target.effort[k], chosen.effort[:, k]) for k in stated]
    latent = np.empty((len(chosen.ids), len(stated)))
    for column, (k, used) in enumerate(zip(stated, effort, strict=True)):
        latent[:, column] = np.log(chosen.effort[:, k]) if used.scale == "log" else chosen.effort[:, k]
    weight = place_weights(values[keep], forward(target.transform, chosen.value))
    return HeadSamples(target, chosen, values[keep], tuple(effort), latent, weight)


def place_weights(embeddings: Array, latent: Array) -> Array:
    """Return (n,) weights, mean 1, by which replicates (equal embeddings) share the weight of their place.

    n replicates that agree as much as the intraclass correlation r says carry the information of
    n / (1 + (n - 1) r) independent samples (Kish 1965, design effect).
    """
    _, place, count = np.unique(embeddings, axis=0, return_inverse=True, return_counts=True)
    number = count[place.ravel()]
    weight = 1.0 / (1.0 + (number - 1) * intraclass_correlation(latent, place.ravel()))
    return np.asarray(weight / weight.mean())


def intraclass_correlation(values: Array, place: Groups) -> float:
    """Return the share of the variance of `values` (n,) that lies between places, 0-1 (analysis of variance).

    1 where no place has two values: nothing is known against it, and nothing depends on it.
    """
    count = np.bincount(place)
    n, k = len(values), len(count)
    if k == n or k < 2:
        return 1.0
    means = np.bincount(place, values) / count
    within = float(np.sum((values - means[place]) ** 2)) / (n - k)
    between = float(np.sum(count * (means - values.mean()) ** 2)) / (k - 1)
    typical = (n - float(np.sum(count**2)) / n) / (k - 1)
    total = (between - within) / typical + within
    return float(min(max((between - within) / typical / total, 0.0), 1.0)) if total > 0 else 1.0


def _rows(labels: Labels, keep: NDArray[np.bool_]) -> Labels:
    return Labels(
        ids=tuple(name for name, kept in zip(labels.ids, keep, strict=True) if kept),
        value=labels.value[keep],
        coordinates=labels.coordinates[keep],
        effort=labels.effort[keep],
        year=labels.year[keep],
        group=None if labels.group is None else labels.group[keep],
    )


def _used(effort: Effort, stated: Array) -> UsedEffort:
    standard = float(np.median(stated)) if effort.standard is None else effort.standard
    return UsedEffort(effort.name, effort.scale, standard, float(stated.min()), float(stated.max()))


def _refuse_lengths(embeddings: Array, labels: Labels, target: Target) -> None:
    lengths = [len(embeddings), *(len(part) for part in vars(labels).values() if part is not None)]
    if len(set(lengths)) > 1:
        raise ModelError(f"head {target.name}: lengths of embeddings and labels differ: {lengths}")
    if embeddings.ndim != 2 or not embeddings.shape[1]:
        raise ModelError(f"head {target.name}: embeddings must be (n, D), got {embeddings.shape}")
    if labels.effort.shape[1] != len(target.effort):
        raise ModelError(
            f"head {target.name}: {labels.effort.shape[1]} columns of sampling effort, "
            f"the target has {len(target.effort)}"
        )


def _refuse_repeats(labels: Labels, target: Target) -> None:
    unsound = next((name for name in labels.ids if not name.isprintable()), None)
    if unsound is not None:
        raise ModelError(f"head {target.name}: sample id {unsound!r} holds characters that cannot be printed")
    repeated = [(name, count) for name, count in Counter(labels.ids).items() if count > 1]
    if repeated:
        name, count = repeated[0]
        more = f", and {len(repeated) - 1} more" if len(repeated) > 1 else ""
        raise ModelError(f"head {target.name}: sample id {name!r} occurs {count} times{more}, not once")


def _refuse_values(labels: Labels, target: Target) -> None:
    values = labels.value
    if not np.isfinite(values).all():
        count = int((~np.isfinite(values)).sum())
        raise ModelError(f"head {target.name}: {count} of {len(values)} values are missing or infinite")
    outside = (values < target.low) | (values > target.high)
    if outside.any():
        raise ModelError(
            f"head {target.name}: value {values[outside][0]:g} is outside {target.low:g} to {target.high:g}"
        )


def _refuse_effort(effort: Array, wanted: Sequence[Effort], target: Target) -> None:
    for column, each in enumerate(wanted):
        values = effort[:, column]
        wrong = values[np.isinf(values) | ((values <= 0) if each.scale == "log" else False)]
        if len(wrong):
            raise ModelError(
                f"head {target.name}: sampling effort {each.name} {wrong[0]:g}: must be positive and finite"
            )


def _refuse_too_few(
    keep: NDArray[np.bool_], embedded: NDArray[np.bool_], labels: Labels, target: Target
) -> None:
    if not embedded.any():
        raise ModelError(f"head {target.name}: none of {len(keep)} samples has an embedding (all are NaN)")
    if keep.sum() < MIN_SAMPLES:
        raise ModelError(
            f"head {target.name}: {keep.sum()} usable samples of {len(keep)}, needs {MIN_SAMPLES}"
        )
    values = labels.value[keep]
    if np.ptp(values) == 0:
        raise ModelError(f"head {target.name}: all samples have the value {values[0]:g}, nothing to learn")


def refuse_other_dims(name: str, embeddings: NDArray[np.floating], dims: int) -> None:
    """ModelError where embeddings are not (N, dims)."""
    if embeddings.ndim != 2 or embeddings.shape[1] != dims:
        raise ModelError(f"head {name}: takes (N, {dims}), got {embeddings.shape}")
