"""Bayesian ridge regression with sample weights: coefficients, and what the labels left unknown of them.

MacKay 1992 (Neural Computation 4:415): one precision for the noise, one for all coefficients, both those
under which the labels are likeliest. The features may be of any rank: it works on the eigenvectors of their
weighted products.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from scipy import linalg, optimize
from torch import nn

from models.heads.candidates.contract import Z_90, Array, Latent, Training
from models.heads.candidates.tuning import inner_splits
from monitoring.errors import ModelError

#: Logarithms of the ratio of prior to noise precision, over the strongest axis, that are tried first: from
#: 1e-6, below which labels would be followed to the rounding of float32, to 1e4, where no feature counts.
LOG_STEP = math.log(10) / 2
LOG_RATIOS = tuple(number * LOG_STEP for number in range(-12, 9))
#: The likeliest one is found to this share.
TOLERANCE = 1e-6
EPSILON, TINY = 1e-12, 1e-300
#: Axes about which the labels say least are left out of the covariance (which only raises the variance)
#: until that would add more than this share to the mean variance of one label over the training rows.
NEGLIGIBLE = 0.02
Option = TypeVar("Option")


@dataclass(frozen=True)
class Standard:
    """What brings columns to mean 0 and sd 1; a column that does not vary keeps its scale."""

    mean: Array
    scale: Array

    def of(self, values: Array) -> Array:
        """Return the values (n, D) in sds from the mean."""
        return (values - self.mean) / self.scale


def standard_of(values: Array, weight: Array) -> Standard:
    """Return the weighted means and sds of the columns of values (n, D)."""
    mean = np.average(values, axis=0, weights=weight)
    spread = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weight))
    # A column whose spread is rounding beside its mean does not vary.
    varies = spread > 1e-12 * np.maximum(np.abs(mean), 1e-300)
    return Standard(mean, np.where(varies, spread, 1.0))


@dataclass(frozen=True)
class Posterior:
    """What a Bayesian ridge says of M coefficients on centred features."""

    centre: Array
    """(M,) weighted mean of the features."""
    coefficients: Array
    """(M,) posterior mean."""
    level: float
    """Prediction at the centre."""
    prior_variance: float
    """Of each coefficient before any label."""
    known: Array
    """(M, r) prior_variance x identity - known @ known.T is the covariance of the coefficients."""
    noise_variance: float

    def mean(self, features: Array) -> Array:
        """Return (n,) the expectation at features (n, M)."""
        return np.asarray((features - self.centre) @ self.coefficients + self.level)


def fit_posterior(features: Array, target: Array, weight: Array) -> Posterior:
    """Return the ridge of target (n,) on features (n, M), row i counting weight[i] times.

    ModelError where it cannot be solved.
    """
    centre, level = np.average(features, axis=0, weights=weight), float(np.average(target, weights=weight))
    x, t = features - centre, target - level
    strength, axes = _eigen(x, weight)
    along = axes.T @ (x.T @ (weight * t))
    prior, noise = _precisions(strength, along, float(weight @ t**2), float(weight.sum()))
    coefficients = axes @ (noise * along / (prior + noise * strength))
    known = _known(strength, axes, prior, noise, float(weight.sum()))
    return Posterior(centre, coefficients, level, 1 / prior, known, 1 / noise)


def _eigen(x: Array, weight: Array) -> tuple[Array, Array]:
    """Return (k,) eigenvalues, ascending, and (M, k) eigenvectors of the weighted products of the columns."""
    n, m = x.shape
    rooted = x * np.sqrt(weight)[:, None]
    try:
        if m <= n:
            values, axes = linalg.eigh(rooted.T @ rooted)
            return np.maximum(values, 0.0), axes
        values, rows = linalg.eigh(rooted @ rooted.T)
    except (linalg.LinAlgError, ValueError) as error:
        raise ModelError(f"regression on {n} samples of {m} features: cannot be solved: {error}") from error
    kept = values > values.max(initial=0.0) * n * np.finfo(np.float64).eps
    return values[kept], rooted.T @ (rows[:, kept] / np.sqrt(values[kept]))


def _precisions(strength: Array, along: Array, total: float, n: float) -> tuple[float, float]:
    """Return the precisions of coefficients and noise under which the labels are likeliest.

    along (k,) are the products of axes and target, total the sum of squares of the target. The whole range of
    their ratio is searched: a step-by-step rule may end where every label is followed exactly.
    """
    scale = float(strength.max(initial=0.0))
    if not (scale > 0 and total > 0):
        return 1.0, n / max(total, TINY)

    def unlikelihood(log_ratio: float) -> float:
        ratio = scale * math.exp(log_ratio)
        return n * math.log(_unexplained(strength, along, total, ratio)) + float(
            np.log1p(strength / ratio).sum()
        )

    nearest = min(LOG_RATIOS, key=unlikelihood)
    ends = (nearest - LOG_STEP, nearest + LOG_STEP)
    found = optimize.minimize_scalar(
        unlikelihood, bounds=ends, method="bounded", options={"xatol": TOLERANCE}
    )
    ratio = scale * math.exp(found.x)
    noise = n / _unexplained(strength, along, total, ratio)
    return ratio * noise, noise


def _unexplained(strength: Array, along: Array, total: float, ratio: float) -> float:
    """Return the misfit plus ratio times the squared coefficients, above 0 whatever rounding did."""
    return max(total - float(np.sum(along**2 / (strength + ratio))), EPSILON * total)


def _known(strength: Array, axes: Array, prior: float, noise: float, n: float) -> Array:
    gained = 1 / prior - 1 / (prior + noise * strength)
    left_out = np.cumsum(gained * strength)  # ascending: what the labels say least about comes first
    label_variance = np.sum(strength / (prior + noise * strength)) + n / noise
    n_left_out = int(np.sum(left_out <= NEGLIGIBLE * label_variance))
    return np.asarray(axes[:, n_left_out:] * np.sqrt(gained[n_left_out:]))


def chosen_inside(
    options: tuple[Option, ...],
    default: Option,
    training: Training,
    predictor: Callable[[Training, Option], Callable[[Training], Array]],
) -> Option:
    """Return the option that predicts inner folds of whole groups best.

    The default where all rows are of one group: rows apart would flatter what only tells neighbours apart.
    """
    if len(np.unique(training.group)) < 2:
        return default
    error = dict.fromkeys(options, 0.0)
    for fitted, judged in inner_splits(training.group):
        inside, apart = training.rows(fitted), training.rows(judged)
        for option in options:
            missed = predictor(inside, option)(apart) - apart.latent
            error[option] += float(apart.weight @ missed**2)
    return min(options, key=lambda option: (error[option], option != default))


def latent_normal(mean: torch.Tensor, variance: torch.Tensor) -> Latent:
    """Return a normal prediction with its 5 % and 95 % points; a variance lost to rounding becomes tiny."""
    variance = variance.clamp(min=torch.finfo(variance.dtype).tiny)
    half = Z_90 * variance.sqrt()
    return Latent(mean, variance, mean - half, mean + half)


def register(module: nn.Module, tensors: Mapping[str, torch.Tensor], axes: Mapping[str, int]) -> None:
    """Give a module its float64 buffers, each with its number of axes; ValueError for another number."""
    for name, number in axes.items():
        if tensors[name].ndim != number:
            raise ValueError(f"{name}: {tensors[name].ndim} axes, must be {number}")
        module.register_buffer(name, tensors[name].to(torch.float64))


def refuse_sizes(tensors: Mapping[str, torch.Tensor], sizes: Mapping[str, int]) -> None:
    """ValueError for a tensor whose number of rows is not the stated one."""
    for name, size in sizes.items():
        if len(tensors[name]) != size:
            raise ValueError(f"{name}: {len(tensors[name])} rows, must be {size}")
