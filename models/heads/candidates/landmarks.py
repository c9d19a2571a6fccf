"""Candidate `landmarks`: a Gaussian process seen through some of its training samples.

Matern 3/2 covariance of the embeddings plus a linear part of embeddings and effort (Rasmussen and Williams
2006, sections 4.2 and 8.3.4, projected process). Beside `fourier` the features are those that the samples
themselves need, and far from every sample the variance returns to the prior's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from scipy import linalg
from torch import nn

from models.heads.candidates.bayesian import (
    chosen_inside,
    fit_posterior,
    latent_normal,
    refuse_sizes,
    register,
    standard_of,
)
from models.heads.candidates.contract import Array, Candidate, Latent, Spread, Training

#: Landmarks at most: training samples drawn by the seed.
MOST_LANDMARKS = 512
#: Length scales tried, in root mean square distances between two standardised samples, sqrt(2 D).
LENGTHS = (0.5, 1.0, 2.0)
DEFAULT_LENGTH = 1.0
#: Added to the covariance of the landmarks (1 + |x|^2 / D each) so that it can be inverted and so that
#: float32 serves it.
JITTER = 1e-4
#: Buffers, with their numbers of axes.
BUFFERS = {
    "embedding_mean": 1, "embedding_scale": 1, "effort_mean": 1, "effort_scale": 1, "length": 0,
    "points": 2, "point_efforts": 2, "coefficients": 1, "level": 0, "prior_variance": 0,
    "centre_weights": 1, "centre_square": 0, "known": 2, "known_centre": 1,
}  # fmt: skip


class LandmarkRegression(nn.Module):
    """Covariances with m landmarks to a normal prediction."""

    embedding_mean: torch.Tensor
    embedding_scale: torch.Tensor
    effort_mean: torch.Tensor
    effort_scale: torch.Tensor
    length: torch.Tensor
    points: torch.Tensor
    point_efforts: torch.Tensor
    coefficients: torch.Tensor
    level: torch.Tensor
    prior_variance: torch.Tensor
    centre_weights: torch.Tensor
    centre_square: torch.Tensor
    known: torch.Tensor
    known_centre: torch.Tensor

    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        register(self, tensors, BUFFERS)
        by_point = ("point_efforts", "coefficients", "centre_weights", "known")
        refuse_sizes(tensors, dict.fromkeys(by_point, len(self.points)))

    def forward(self, embeddings: torch.Tensor, effort: torch.Tensor) -> Latent:
        """Return the posterior of the fitted function at embeddings (n, D) and effort (n, E)."""
        standard = (embeddings - self.embedding_mean) / self.embedding_scale
        efforts = (effort - self.effort_mean) / self.effort_scale
        near = covariance(standard, efforts, self.points, self.point_efforts, self.length)
        own = 1 + standard.square().sum(dim=1) / standard.shape[1] + efforts.square().sum(dim=1)
        # One product of matrices: that of a matrix and a vector depends on the rows beside a row.
        sides = (self.known, self.centre_weights[:, None], self.coefficients[:, None])
        along = near @ torch.cat(sides, dim=1)
        prior = self.prior_variance * (own - 2 * along[:, -2] + self.centre_square)
        learnt = (along[:, :-2] - self.known_centre).square().sum(dim=1)
        return latent_normal(along[:, -1] + self.level, prior - learnt)


def covariance(
    standard: torch.Tensor,
    efforts: torch.Tensor,
    points: torch.Tensor,
    point_efforts: torch.Tensor,
    length: torch.Tensor,
) -> torch.Tensor:
    """Return (n, m) prior covariances of rows and landmarks, all standardised."""
    squares = standard.square().sum(dim=1, keepdim=True) + points.square().sum(dim=1)
    inner = standard @ points.T
    steps = (squares - 2 * inner).clamp_(min=0).sqrt_().mul_(math.sqrt(3) / length)
    near = torch.exp(-steps).mul_(steps.add_(1))
    near += inner.div_(standard.shape[1])
    return near if efforts.shape[1] == 0 else near + efforts @ point_efforts.T


def fit_landmarks(training: Training, seed: int) -> nn.Module:
    """Return the process of the length scale that predicts inner folds of groups best.

    Where all rows are of one group nothing can be judged, and the length is the distance between samples.
    """

    def predictor(rows: Training, length: float) -> Callable[[Training], Array]:
        module = _fit(rows, length, seed)
        return lambda apart: _mean(module, apart)

    return _fit(training, chosen_inside(LENGTHS, DEFAULT_LENGTH, training, predictor), seed)


def _fit(training: Training, length: float, seed: int) -> LandmarkRegression:
    embedding = standard_of(training.embeddings, training.weight)
    effort = standard_of(training.effort, training.weight)
    x, e = embedding.of(training.embeddings), effort.of(training.effort)
    n, dims = x.shape
    chosen = np.sort(np.random.default_rng(seed).permutation(n)[:MOST_LANDMARKS])
    scale = torch.tensor(length * math.sqrt(2.0 * dims), dtype=torch.float64)
    points, efforts = torch.tensor(x[chosen]), torch.tensor(e[chosen])
    near = covariance(torch.tensor(x), torch.tensor(e), points, efforts, scale).numpy()
    root = linalg.cholesky(near[chosen] + JITTER * np.eye(len(chosen)), lower=True)
    posterior = fit_posterior(
        linalg.solve_triangular(root, near.T, lower=True).T, training.latent, training.weight
    )

    def on_landmarks(values: Array) -> Array:
        return np.asarray(linalg.solve_triangular(root, values, lower=True, trans="T"))

    arrays = {
        "embedding_mean": embedding.mean,
        "embedding_scale": embedding.scale,
        "effort_mean": effort.mean,
        "effort_scale": effort.scale,
        "coefficients": on_landmarks(posterior.coefficients),
        "level": posterior.level - posterior.centre @ posterior.coefficients,
        "prior_variance": posterior.prior_variance,
        "centre_weights": on_landmarks(posterior.centre),
        "centre_square": posterior.centre @ posterior.centre,
        "known": on_landmarks(posterior.known),
        "known_centre": posterior.centre @ posterior.known,
    }
    tensors = {name: torch.tensor(value) for name, value in arrays.items()}
    return LandmarkRegression(tensors | {"length": scale, "points": points, "point_efforts": efforts})


def _mean(module: nn.Module, rows: Training) -> Array:
    return np.asarray(module(torch.tensor(rows.embeddings), torch.tensor(rows.effort)).mean.numpy())


CANDIDATE = Candidate(
    name="landmarks",
    words=f"Gaussian process (Matern 3/2 plus linear) on at most {MOST_LANDMARKS} training samples",
    spread=Spread.POSTERIOR,
    is_fast=True,
    cost_s=11,
    fit=fit_landmarks,
    restore=LandmarkRegression,
)
