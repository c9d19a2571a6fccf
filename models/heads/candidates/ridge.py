"""Candidate `ridge`: Bayesian ridge on standardised embeddings and sampling effort."""

from __future__ import annotations

import numpy as np
from torch import nn

from models.heads.candidates.contract import Candidate, Spread, Training
from models.heads.candidates.waves import WaveRegression, fit_waves


def fit_ridge(training: Training, seed: int) -> nn.Module:
    """Return the ridge; nothing is drawn, so the seed changes nothing."""
    return fit_waves(training, np.empty((training.embeddings.shape[1], 0)), np.empty(0))


CANDIDATE = Candidate(
    name="ridge",
    words="Bayesian ridge on standardised embeddings and sampling effort",
    spread=Spread.POSTERIOR,
    is_fast=True,
    cost_s=1,
    fit=fit_ridge,
    restore=WaveRegression,
)
