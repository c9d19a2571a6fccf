"""The module of `ridge` and `fourier`: a Bayesian regression on embeddings, sampling effort and waves."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from models.heads.candidates.bayesian import (
    Standard,
    fit_posterior,
    latent_normal,
    refuse_sizes,
    register,
    standard_of,
)
from models.heads.candidates.contract import Array, Latent, Training

#: Buffers, with their numbers of axes.
BUFFERS = {
    "embedding_mean": 1, "embedding_scale": 1, "effort_mean": 1, "effort_scale": 1, "frequencies": 2,
    "phases": 1, "centre": 1, "coefficients": 1, "level": 0, "prior_variance": 0, "known": 2,
}  # fmt: skip


class WaveRegression(nn.Module):
    """D standardised dimensions, E efforts and R waves, cos(x . frequency + phase), to a normal."""

    embedding_mean: torch.Tensor
    embedding_scale: torch.Tensor
    effort_mean: torch.Tensor
    effort_scale: torch.Tensor
    frequencies: torch.Tensor
    phases: torch.Tensor
    centre: torch.Tensor
    coefficients: torch.Tensor
    level: torch.Tensor
    prior_variance: torch.Tensor
    known: torch.Tensor

    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        register(self, tensors, BUFFERS)
        dims, waves = self.frequencies.shape
        features = dims + len(self.effort_mean) + waves
        sizes = {"embedding_mean": dims, "phases": waves, "centre": features, "known": features}
        refuse_sizes(tensors, sizes)

    def forward(self, embeddings: torch.Tensor, effort: torch.Tensor) -> Latent:
        """Return the posterior of the fitted function at embeddings (n, D) and effort (n, E)."""
        centred = self.features(embeddings, effort) - self.centre
        prior = self.prior_variance * centred.square().sum(dim=1)
        # One product of matrices: that of a matrix and a vector depends on the rows beside a row.
        along = centred @ torch.cat([self.known, self.coefficients[:, None]], dim=1)
        return latent_normal(along[:, -1] + self.level, prior - along[:, :-1].square().sum(dim=1))

    def features(self, embeddings: torch.Tensor, effort: torch.Tensor) -> torch.Tensor:
        """Return (n, D + E + R): each block has unit prior variance in total, so that none drowns another."""
        standard = (embeddings - self.embedding_mean) / self.embedding_scale
        efforts = (effort - self.effort_mean) / self.effort_scale
        linear = standard / math.sqrt(max(standard.shape[1], 1))
        if not len(self.phases):
            return torch.cat([linear, efforts], dim=1)
        waves = torch.addmm(self.phases, standard, self.frequencies).cos_()
        return torch.cat([linear, efforts, waves.mul_(math.sqrt(2 / len(self.phases)))], dim=1)


def fit_waves(training: Training, frequencies: Array, phases: Array) -> WaveRegression:
    """Return the regression with these waves; frequencies (D, R) on standardised embeddings, phases (R,)."""
    embedding = standard_of(training.embeddings, training.weight)
    effort = standard_of(training.effort, training.weight)
    tensors = _inputs(embedding, effort) | {"frequencies": frequencies, "phases": phases}
    posterior = fit_posterior(
        _features(embedding.of(training.embeddings), effort.of(training.effort), frequencies, phases),
        training.latent,
        training.weight,
    )
    fitted = {name: getattr(posterior, name) for name in BUFFERS if hasattr(posterior, name)}
    return WaveRegression({name: torch.tensor(value) for name, value in (tensors | fitted).items()})


def _inputs(embedding: Standard, effort: Standard) -> dict[str, Array]:
    return {
        "embedding_mean": embedding.mean,
        "embedding_scale": embedding.scale,
        "effort_mean": effort.mean,
        "effort_scale": effort.scale,
    }


def _features(standard: Array, efforts: Array, frequencies: Array, phases: Array) -> Array:
    waves = np.cos(standard @ frequencies + phases) * np.sqrt(2.0 / max(len(phases), 1))
    return np.column_stack([standard / np.sqrt(max(standard.shape[1], 1)), efforts, waves])
