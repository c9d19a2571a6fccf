"""Candidate `fourier`: Bayesian regression on embeddings widened by random Fourier features.

Rahimi and Recht 2007: an approximate Gaussian process of squared exponential covariance, plus a linear part.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from models.heads.candidates.bayesian import chosen_inside
from models.heads.candidates.contract import Array, Candidate, Spread, Training
from models.heads.candidates.waves import WaveRegression, fit_waves

N_WAVES = 512
#: Length scales tried, in root mean square distances between two standardised samples, sqrt(2 D).
LENGTHS = (0.5, 1.0, 2.0)
DEFAULT_LENGTH = 1.0


def fit_fourier(training: Training, seed: int) -> nn.Module:
    """Return the regression of the length scale that predicts inner folds of groups best.

    Where all rows are of one group nothing can be judged, and the length is the distance between samples.
    """

    def predictor(rows: Training, length: float) -> Callable[[Training], Array]:
        module = fit_waves(rows, *draw_waves(rows.embeddings.shape[1], length, seed))
        return lambda apart: _mean(module, apart)

    length = chosen_inside(LENGTHS, DEFAULT_LENGTH, training, predictor)
    return fit_waves(training, *draw_waves(training.embeddings.shape[1], length, seed))


def draw_waves(dims: int, length: float, seed: int) -> tuple[Array, Array]:
    """Return (dims, N_WAVES) frequencies and (N_WAVES,) phases; the same directions at every length."""
    random = np.random.default_rng(seed)
    frequencies = random.standard_normal((dims, N_WAVES)) / (length * np.sqrt(2.0 * dims))
    return frequencies, random.uniform(0, 2 * np.pi, N_WAVES)


def _mean(module: WaveRegression, rows: Training) -> Array:
    return np.asarray(module(torch.tensor(rows.embeddings), torch.tensor(rows.effort)).mean.numpy())


CANDIDATE = Candidate(
    name="fourier",
    words=f"Bayesian regression on embeddings, sampling effort and {N_WAVES} random Fourier features",
    spread=Spread.POSTERIOR,
    is_fast=True,
    cost_s=10,
    fit=fit_fourier,
    restore=WaveRegression,
)
