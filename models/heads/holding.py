"""Holding out: what a candidate predicts for samples that its fit has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from models.heads.candidates.contract import Array, Groups, Latent, Spread, Training
from models.heads.candidates.registry import candidate
from models.heads.crew import Crew
from models.heads.folds import Folds
from models.heads.samples import place_weights
from models.heads.serving import widened
from models.heads.transforms import moments

#: Residual variance never falls below this share of the target's own: no sample table is free of noise.
LEAST_RESIDUAL_SHARE = 1e-4


@dataclass(frozen=True)
class Correction:
    """What makes a candidate's variance that of one held-out label: scale * variance + residual."""

    scale: float
    residual: float


@dataclass(frozen=True)
class LatentArrays:
    """A prediction at n samples on the transformed scale, each (n,)."""

    mean: Array
    variance: Array
    lower: Array
    upper: Array

    @property
    def tensors(self) -> Latent:
        """The same as tensors."""
        return Latent(*(torch.from_numpy(each) for each in vars(self).values()))

    def rows(self, chosen: NDArray[np.bool_]) -> LatentArrays:
        """Return some of the samples."""
        return LatentArrays(*(each[chosen] for each in vars(self).values()))


@dataclass(frozen=True)
class HeldOut:
    """Every sample as predicted without its fold."""

    latent: LatentArrays
    """Corrected by what the other folds showed; before conformal calibration."""
    correction: Correction
    """What all folds show together: for the head that is fitted to every sample."""
    fold: Groups
    """(n,) the fold each sample was held out in."""

    def natural_mean(self, transform: str) -> Array:
        """Return the predicted mean (n,) in the target's unit; infinite where it cannot be represented."""
        mean, _ = moments(transform, *self.latent.tensors[:2])
        return np.asarray(np.nan_to_num(mean.numpy(), nan=np.inf))


@dataclass(frozen=True)
class _Fit:
    """One candidate on one fold."""

    name: str
    training: Training
    embeddings: Array
    effort: Array
    """Of the held-out rows."""
    seed: int


@dataclass(frozen=True)
class Trial:
    """One candidate on one set of features under one set of folds."""

    candidate: str
    training: Training
    folds: Folds
    seed: int


def hold_out(trials: Sequence[Trial], crew: Crew, label: str) -> list[HeldOut]:
    """Return what each trial predicts for every sample by fits that have not seen its fold."""
    jobs = [job for trial in trials for job in _fits(trial)]
    found = iter(crew.do(_predict, jobs, label))
    return [_joined(trial, [next(found) for _ in range(trial.folds.n_folds)]) for trial in trials]


def _fits(trial: Trial) -> list[_Fit]:
    t = trial.training
    return [
        _Fit(trial.candidate, reweighed(t.rows(seen)), t.embeddings[held_out], t.effort[held_out], trial.seed)
        for seen, held_out in trial.folds.splits()
    ]


def reweighed(training: Training) -> Training:
    """Return the rows with the weights that they give themselves: those of all know the held-out labels."""
    return replace(training, weight=place_weights(training.embeddings, training.latent))


def _predict(job: _Fit) -> LatentArrays:
    module = candidate(job.name).fit(job.training, job.seed)
    return latent_of(module, job.embeddings, job.effort)


def latent_of(module: torch.nn.Module, embeddings: Array, effort: Array) -> LatentArrays:
    """Return what a fitted module predicts at n rows, in float64."""
    with torch.inference_mode():
        latent = module(torch.from_numpy(embeddings), torch.from_numpy(effort))
    return LatentArrays(*(np.asarray(each.double().numpy()) for each in latent))


def _joined(trial: Trial, parts: Sequence[LatentArrays]) -> HeldOut:
    raw = LatentArrays(*np.empty((4, len(trial.training.latent))))
    for (_, held_out), part in zip(trial.folds.splits(), parts, strict=True):
        _put(raw, part, held_out)
    spread, t = candidate(trial.candidate).spread, trial.training
    corrected = LatentArrays(*np.empty((4, len(t.latent))))
    for seen, held_out in trial.folds.splits():
        found = correction(spread, raw.rows(seen), t.rows(seen))
        _put(corrected, corrected_by(raw.rows(held_out), found), held_out)
    return HeldOut(corrected, correction(spread, raw, t), trial.folds.fold)


def _put(whole: LatentArrays, part: LatentArrays, where: NDArray[np.bool_]) -> None:
    for into, values in zip(vars(whole).values(), vars(part).values(), strict=True):
        into[where] = values


def corrected_by(latent: LatentArrays, found: Correction) -> LatentArrays:
    """Return a prediction whose variance is that of one held-out label."""
    wide = widened(latent.tensors, found.scale, found.residual)
    return LatentArrays(*(np.asarray(each.numpy()) for each in wide))


def correction(spread: Spread, latent: LatentArrays, seen: Training) -> Correction:
    """Return what held-out errors say of a candidate's own variance."""
    squared = float(np.average((seen.latent - latent.mean) ** 2, weights=seen.weight))
    stated = float(np.average(latent.variance, weights=seen.weight))
    floor = LEAST_RESIDUAL_SHARE * float(seen.latent.var())
    if spread is Spread.POSTERIOR or stated <= 0:
        return Correction(1.0, max(squared - stated, floor))
    return Correction(max(squared, floor) / stated, 0.0)


def with_features(training: Training, features: Array) -> Training:
    """Return the rows with other features in place of the embeddings."""
    return replace(training, embeddings=features)
