"""Barlow Twins: two views of one thing should agree in every dim, and the dims should differ.

Zbontar et al. 2021, arXiv 2103.03230.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

#: Keeps a dim that does not vary within a batch from dividing by zero.
STD_FLOOR = 1e-5


def projector(width: int, hidden: int) -> nn.Sequential:
    """Return the MLP in whose output the loss is taken; it is dropped after training."""
    return nn.Sequential(
        nn.Linear(width, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden, bias=False),
    )


def barlow_twins_loss(first: Tensor, second: Tensor, off_diagonal_weight: float) -> Tensor:
    """Return how far the cross-correlation of two views (b, d) is from the identity.

    Sum over dims of (1 - c_ii)^2 plus `off_diagonal_weight` times the sum of c_ij^2, divided by the dims.
    """
    correlation = _standardised(first).T @ _standardised(second) / len(first)  # (d, d)
    diagonal = correlation.diagonal()
    agreement = (1 - diagonal).square().sum()
    redundancy = correlation.square().sum() - diagonal.square().sum()
    return (agreement + off_diagonal_weight * redundancy) / len(correlation)


def _standardised(x: Tensor) -> Tensor:
    return (x - x.mean(dim=0)) / (x.std(dim=0, correction=0) + STD_FLOOR)


def effective_rank(embeddings: NDArray[np.float32]) -> float:
    """Return RankMe: exp of the entropy of the singular values of (N, D) (Garrido et al. 2023)."""
    singular = np.linalg.svd(embeddings.astype(np.float64), compute_uv=False)
    share = singular / singular.sum() + np.finfo(np.float64).tiny
    return float(np.exp(-(share * np.log(share)).sum()))


def mean_cosine(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the mean cosine between the rows of two (N, D) arrays."""
    a, b = (torch.from_numpy(x).double() for x in (first, second))
    return float(nn.functional.cosine_similarity(a, b, dim=1).mean())
