"""Comparison: every candidate on every set of features under the same folds, and the choice among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.heads.bootstrap import ScoreIntervals, score_intervals
from models.heads.candidates.contract import Array, Groups, Training
from models.heads.candidates.registry import STACK, candidate
from models.heads.card import Compared, SchemeScores
from models.heads.crew import Crew
from models.heads.holding import HeldOut, Trial, hold_out, with_features
from models.heads.samples import HeadSamples
from models.heads.schemes import Scheme
from models.heads.uncertainty.conformal import held_out_coverage
from monitoring.errors import ModelError

#: The features a head is made of; the others are there to compare.
EMBEDDING = "embedding"
#: A stack has to lower the RMSE of the best single candidate by this share to be worth its complexity, ...
WORTHWHILE_GAIN = 0.01
#: ... and a slow candidate that of the best fast one.
WORTHWHILE_WAIT = 0.01
#: The candidate that is shown on the features that are not embeddings: the first of these that is asked for.
REFERENCES = ("boosted", "landmarks", "fourier", "ridge", "mean")


@dataclass(frozen=True)
class Tried:
    """One trial and what came of it."""

    features: str
    candidate: str
    held_out: HeldOut
    row: Compared

    @property
    def rmse(self) -> float:
        """Root mean square error in the target's unit; infinite where it is undefined."""
        found = self.row.scores.rmse.estimate
        return np.inf if found is None else found


def compare(
    samples: HeadSamples,
    names: Sequence[str],
    scheme: Scheme,
    beside: Mapping[str, Array],
    seed: int,
    crew: Crew,
) -> tuple[Tried, ...]:
    """Return every candidate on the embeddings, and the reference candidate on what is set beside them.

    beside: covariates (n, k) by the name of the feature set; NaN is taken for the median of the column.
    """
    if scheme.folds is None:
        raise ModelError(f"head {samples.target.name}: no folds to compare by: {scheme.reason}")
    training = samples.training(scheme.blocks)
    asked = [(EMBEDDING, name, training) for name in names]
    asked += [
        (features, reference_of(names), each) for features, each in baselines(samples, training, beside)
    ]
    trials = [Trial(name, each, scheme.folds, seed) for _, name, each in asked]
    found = hold_out(trials, crew, "compare candidates")
    return tuple(
        Tried(features, name, held, Compared(features, name, scored(samples, held, scheme.blocks, seed)))
        for (features, name, _), held in zip(asked, found, strict=True)
    )


def reference_of(names: Sequence[str]) -> str:
    """Return the candidate that stands for all on features that are not embeddings."""
    return next((name for name in REFERENCES if name in names), names[0])


def baselines(
    samples: HeadSamples, training: Training, beside: Mapping[str, Array]
) -> list[tuple[str, Training]]:
    """Return the feature sets that embeddings are compared with, by name."""
    sets = {"place": samples.labels.coordinates} if samples.has_coordinates else {}
    for name, values in beside.items():
        whole = filled(name, values)
        sets |= {name: whole, f"{EMBEDDING} + {name}": np.column_stack([samples.embeddings, whole])}
    return [(name, with_features(training, values)) for name, values in sets.items()]


def filled(name: str, values: Array) -> Array:
    """Return covariates (n, k) with the median of the column where a sample has none.

    ModelError for a column without any value.
    """
    known = np.where(np.isfinite(values), values, np.nan)
    empty = np.asarray(np.isnan(known).all(axis=0))
    if empty.any():
        column = int(np.argmax(empty)) + 1
        raise ModelError(f"{name}: column {column} of {len(empty)} has no value at any sample")
    return np.asarray(np.where(np.isnan(known), np.nanmedian(known, axis=0), known))


def scored(samples: HeadSamples, held: HeldOut, blocks: Groups, seed: int) -> ScoreIntervals:
    """Return the scores of held-out predictions in the target's unit, with intervals over blocks."""
    predicted = natural_mean(samples, held)
    return score_intervals(samples.value, predicted, inside_90(samples, held, blocks), blocks, seed)


def natural_mean(samples: HeadSamples, held: HeldOut) -> Array:
    """Return the held-out means (n,) in the target's unit, within its bounds."""
    target = samples.target
    return np.clip(held.natural_mean(target.transform), target.low, target.high)


def inside_90(samples: HeadSamples, held: HeldOut, blocks: Groups) -> NDArray[np.bool_]:
    """Return (n,) True for samples inside an interval that was calibrated without their own fold."""
    latent, z = held.latent, samples.training(blocks).latent
    return held_out_coverage(latent.mean, latent.lower, latent.upper, z, blocks, held.fold)


def choose(tried: Sequence[Tried]) -> tuple[Tried, str]:
    """Return the trial on embeddings that predicts held-out blocks best, and the reason in words.

    A stack must be worth its members, and a slow candidate the wait.
    """
    on_embeddings = [each for each in tried if each.features == EMBEDDING and np.isfinite(each.rmse)]
    if not on_embeddings:
        raise ModelError("no candidate predicts finite values for held-out samples")
    single = [each for each in on_embeddings if each.candidate != STACK.name] or on_embeddings
    best_single = min(single, key=_rmse)
    best = min(on_embeddings, key=_rmse)
    if best.rmse > best_single.rmse * (1 - WORTHWHILE_GAIN):
        best = best_single
    fast = [each for each in single if candidate(each.candidate).is_fast]
    quick = min(fast, key=_rmse) if fast else best
    chosen = quick if quick.rmse <= best.rmse * (1 + WORTHWHILE_WAIT) else best
    return chosen, _reason(chosen, best, quick, on_embeddings)


def _rmse(tried: Tried) -> float:
    return tried.rmse


def _reason(chosen: Tried, best: Tried, quick: Tried, among: Sequence[Tried]) -> str:
    words = f"{chosen.candidate}: RMSE {chosen.rmse:.4g} on held-out blocks, among {len(among)} candidates"
    if chosen is not best:
        return (
            f"{words}; {best.candidate} ({best.rmse:.4g}) is less than {WORTHWHILE_WAIT:.0%} better and slow"
        )
    if chosen is quick:
        return f"{words}; the lowest of those that are worth their complexity"
    loss = quick.rmse / chosen.rmse - 1
    cost = candidate(chosen.candidate).cost_s
    return (
        f"{words}; slow, about {cost:g} s of one core for a million pixels: "
        f"the fast {quick.candidate} ({quick.rmse:.4g}) would lose {loss:.1%}"
    )


@dataclass(frozen=True)
class SeenBy:
    """One candidate under one scheme."""

    scheme: Scheme
    row: SchemeScores
    held_out: HeldOut | None
    """None where the samples do not allow the scheme."""


def under_schemes(
    samples: HeadSamples,
    name: str,
    schemes: Sequence[Scheme],
    group: Groups,
    seed: int,
    crew: Crew,
    known: Sequence[HeldOut] = (),
) -> tuple[SeenBy, ...]:
    """Return one candidate under every scheme, tuned inside training folds by `group`.

    known: what was held out by the same candidate, group and seed before. Schemes of equal folds, as where
    samples lie in two far-off parks, are held out once.
    """
    training = samples.training(group)
    found = {held.fold.tobytes(): held for held in known}
    distinct = {s.folds.fold.tobytes(): s.folds for s in schemes if s.folds is not None}
    fresh = {key: Trial(name, training, folds, seed) for key, folds in distinct.items() if key not in found}
    held = hold_out(list(fresh.values()), crew, "hold out by every scheme")
    found |= dict(zip(fresh, held, strict=True))
    return tuple(
        _seen_by(samples, each, found[each.folds.fold.tobytes()] if each.folds else None, seed)
        for each in schemes
    )


def _seen_by(samples: HeadSamples, scheme: Scheme, held: HeldOut | None, seed: int) -> SeenBy:
    if scheme.folds is None or held is None:
        return SeenBy(scheme, SchemeScores(scheme.name, 0, 0, scheme.reason, None), None)
    n_blocks, n_folds = len(np.unique(scheme.blocks)), scheme.folds.n_folds
    scores = scored(samples, held, scheme.blocks, seed)
    return SeenBy(scheme, SchemeScores(scheme.name, n_folds, n_blocks, scheme.reason, scores), held)
