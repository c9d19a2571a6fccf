"""A stack: a weighted mean of other candidates, weighted by how well they predict held-out groups.

Weights are those of least squared error, none below zero and of sum one (Breiman 1996, stacked regressions),
on inner out-of-fold predictions. Interval ends are averaged, which keeps intervals as sharp as the members'
(Lichtendahl et al. 2013); the variance is that of the mixture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from scipy.optimize import nnls
from torch import nn

from models.heads.candidates.contract import Array, Candidate, Latent, Spread, Training
from models.heads.candidates.tuning import inner_splits, least_variance

#: A member of less weight is left out: it costs more than it gives.
LEAST_WEIGHT = 0.01
#: Share of inner held-out rows inside a member's interval.
INSIDE = 0.9
#: Buffers of a member, each ().
SHARES = ("weight", "scale", "residual", "reach")


class Member(nn.Module):
    """One fitted candidate and its part in the stack."""

    def __init__(self, fitted: nn.Module, shares: Mapping[str, torch.Tensor]) -> None:
        """`shares`: the weight; variance = scale x its own + residual; half-widths are its own x reach."""
        super().__init__()
        self.fitted = fitted
        for name in SHARES:
            self.register_buffer(name, shares[name])

    def forward(self, embeddings: torch.Tensor, effort: torch.Tensor) -> Latent:
        """Return what the candidate predicts, its spread as inner held-out rows showed it."""
        latent, reach = self.fitted(embeddings, effort), self.get_buffer("reach")
        return Latent(
            latent.mean,
            self.get_buffer("scale") * latent.variance + self.get_buffer("residual"),
            latent.mean - reach * (latent.mean - latent.lower),
            latent.mean + reach * (latent.upper - latent.mean),
        )


class Stack(nn.Module):
    """Members by the names of their candidates; its `state_dict` has `name.weight` and `name.fitted.*`."""

    def __init__(self, members: Mapping[str, Member]) -> None:
        super().__init__()
        # Sums must not depend on the order in which a file lists its tensors.
        for name in sorted(members):
            self.add_module(name, members[name])

    def forward(self, embeddings: torch.Tensor, effort: torch.Tensor) -> Latent:
        """Return the weighted means of the members' means and interval ends, and the mixture's variance."""
        weight = torch.stack([member.get_buffer("weight") for member in self.children()])
        latents = [member(embeddings, effort) for member in self.children()]
        means, variances, lower, upper = (torch.stack(each, dim=1) for each in zip(*latents, strict=True))
        mean = means @ weight
        variance = (variances + (means - mean[:, None]) ** 2) @ weight
        return Latent(mean, variance, lower @ weight, upper @ weight)


def make_stack(members: Mapping[str, Candidate]) -> Candidate:
    """Return the stack of some candidates as a candidate; fast where all of them are."""
    return Candidate(
        name="stack",
        words=f"weighted mean of {', '.join(members)}, weights from inner folds",
        spread=Spread.PREDICTIVE,
        is_fast=all(each.is_fast for each in members.values()),
        cost_s=sum(each.cost_s for each in members.values()),
        fit=partial(_fit, members),
        restore=partial(_restore, members),
    )


def _fit(members: Mapping[str, Candidate], training: Training, seed: int) -> nn.Module:
    """Return the members that earn a weight on inner folds, refitted to all rows."""
    held_out, judged = _out_of_fold(list(members.values()), training, seed)
    weights = simplex_weights(np.column_stack([each.mean for each in held_out]), judged.latent, judged.weight)
    fitted = {}
    for (name, candidate), weight, seen in zip(members.items(), weights, held_out, strict=True):
        if weight > 0:
            share = _share(candidate.spread, float(weight), seen, judged)
            fitted[name] = Member(candidate.fit(training, seed), share)
    return Stack(fitted)


@dataclass(frozen=True)
class _Seen:
    """What one candidate predicts for rows it has not seen, each (n,)."""

    mean: Array
    variance: Array
    lower: Array
    upper: Array


def _out_of_fold(
    candidates: Sequence[Candidate], training: Training, seed: int
) -> tuple[list[_Seen], Training]:
    """Return what each candidate predicts for rows outside its folds, and those rows in the same order."""
    splits = list(inner_splits(training.group))
    found = [
        [_seen(each.fit(training.rows(seen), seed), training.rows(judged)) for seen, judged in splits]
        for each in candidates
    ]
    judged = training.rows(np.concatenate([np.flatnonzero(rows) for _, rows in splits]))
    return [_joined(parts) for parts in found], judged


def _seen(module: nn.Module, rows: Training) -> _Seen:
    with torch.inference_mode():
        latent = module(torch.from_numpy(rows.embeddings), torch.from_numpy(rows.effort))
    return _Seen(*(each.double().numpy() for each in latent))


def _joined(parts: Sequence[_Seen]) -> _Seen:
    return _Seen(
        *(np.concatenate(each) for each in zip(*(vars(part).values() for part in parts), strict=True))
    )


def simplex_weights(predicted: Array, observed: Array, weight: Array) -> Array:
    """Return weights (K,) of least squared error of `predicted` (n, K), not below 0 and of sum 1.

    Those below LEAST_WEIGHT are 0. Exact: non-negative least squares with one more equation, that the weights
    sum to one, finds a multiple of the answer whatever that equation counts.
    """
    error = np.sqrt(weight / weight.sum())[:, None] * (predicted - observed[:, None])
    # Of the size of the smallest error the system is well conditioned.
    error /= np.sqrt((error**2).sum(axis=0)).min() or 1.0
    n, k = error.shape
    found, _ = nnls(np.vstack([error, np.ones(k)]), np.append(np.zeros(n), 1.0))
    kept = np.where(found / found.sum() < LEAST_WEIGHT, 0.0, found)
    return np.asarray(kept / kept.sum())


def _share(spread: Spread, weight: float, seen: _Seen, judged: Training) -> dict[str, torch.Tensor]:
    """Return the buffers of a member from what it predicted for the judged rows."""
    squared = float(np.average((judged.latent - seen.mean) ** 2, weights=judged.weight))
    stated = float(np.average(seen.variance, weights=judged.weight))
    least = least_variance(judged.latent)
    if spread is Spread.POSTERIOR or stated <= 0:
        scale, residual = 1.0, max(squared - stated, least)
    else:
        scale, residual = max(squared, least) / stated, 0.0
    shares = (weight, scale, residual, _reach(seen, judged))
    return {
        name: torch.tensor(value, dtype=torch.float64) for name, value in zip(SHARES, shares, strict=True)
    }


def _reach(seen: _Seen, judged: Training) -> float:
    """Return the factor on the half-widths that makes 90 % of the judged rows lie inside; at least 0.01."""
    error = judged.latent - seen.mean
    half = np.where(error < 0, seen.mean - seen.lower, seen.upper - seen.mean)
    wanted = np.divide(np.abs(error), half, out=np.ones_like(error), where=half > 0)
    return max(float(np.quantile(wanted, INSIDE, weights=judged.weight, method="inverted_cdf")), LEAST_WEIGHT)


def _restore(members: Mapping[str, Candidate], tensors: Mapping[str, torch.Tensor]) -> nn.Module:
    """Return the stack of a `state_dict`; KeyError where a member is unknown or lacks a part."""
    names = {key.split(".", 1)[0] for key in tensors}
    unknown = sorted(names - set(members))
    if unknown or not names:
        raise KeyError(f"stack: members {', '.join(unknown) or 'none'}: known are {', '.join(members)}")
    return Stack({name: _restored(members[name], _below(f"{name}.", tensors)) for name in names})


def _restored(candidate: Candidate, tensors: Mapping[str, torch.Tensor]) -> Member:
    return Member(candidate.restore(_below("fitted.", tensors)), {name: tensors[name] for name in SHARES})


def _below(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors whose key starts with the prefix, without it."""
    return {key.removeprefix(prefix): each for key, each in tensors.items() if key.startswith(prefix)}
