"""Candidate `mean`: the weighted mean of the labels everywhere, the baseline of every table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from models.heads.candidates.bayesian import latent_normal
from models.heads.candidates.contract import Candidate, Latent, Spread, Training
from models.heads.candidates.tuning import least_variance


class Mean(nn.Module):
    """One prediction for every row."""

    level: torch.Tensor
    variance: torch.Tensor

    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        for name in ("level", "variance"):
            self.register_buffer(name, tensors[name].to(torch.float64).reshape(()))

    def forward(self, embeddings: torch.Tensor, effort: torch.Tensor) -> Latent:
        """Return the mean and variance of the labels for each of the n rows."""
        n = len(embeddings)
        return latent_normal(self.level.expand(n), self.variance.expand(n))


def fit_mean(training: Training, seed: int) -> nn.Module:
    """Return the weighted mean and variance of the labels; nothing is drawn."""
    level = np.average(training.latent, weights=training.weight)
    variance = float(np.average((training.latent - level) ** 2, weights=training.weight))
    variance = max(variance, least_variance(training.latent))
    return Mean({"level": torch.tensor(level), "variance": torch.tensor(variance)})


CANDIDATE = Candidate(
    name="mean",
    words="the weighted mean of the labels, everywhere",
    spread=Spread.PREDICTIVE,
    is_fast=True,
    cost_s=0.5,
    fit=fit_mean,
    restore=Mean,
)
