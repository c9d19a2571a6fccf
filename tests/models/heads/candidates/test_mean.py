"""The mean: what every other candidate has to beat."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.heads.candidates.contract import Training
from models.heads.candidates.mean import CANDIDATE


def fitted(latent: list[float], weight: list[float]) -> torch.nn.Module:
    n = len(latent)
    return CANDIDATE.fit(
        Training(np.zeros((n, 2)), np.zeros((n, 0)), np.array(latent), np.array(weight), np.arange(n)), 0
    )


def test_every_row_is_told_the_weighted_mean_and_variance() -> None:
    latent = fitted([1.0, 3.0], [1.5, 0.5])(torch.ones(3, 2), torch.ones(3, 0))
    assert latent.mean.tolist() == [1.5, 1.5, 1.5]
    assert latent.variance.tolist() == [0.75, 0.75, 0.75]


def test_labels_that_agree_still_leave_an_interval() -> None:
    latent = fitted([2.0, 2.0], [1.0, 1.0])(torch.ones(1, 2), torch.ones(1, 0))
    assert float(latent.lower[0]) < 2.0 < float(latent.upper[0])


def test_a_stored_mean_comes_back() -> None:
    state = fitted([1.0, 3.0], [1.0, 1.0]).state_dict()
    assert float(CANDIDATE.restore(state)(torch.ones(1, 2), torch.ones(1, 0)).mean[0]) == 2.0
    with pytest.raises(KeyError):
        CANDIDATE.restore({"level": state["level"]})
