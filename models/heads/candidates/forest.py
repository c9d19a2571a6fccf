"""Random forest that says the whole distribution: mean, variance, 5 and 95 % points (Meinshausen 2006, JMLR).

Grown by scikit-learn, kept as tensors (`trees`). The mean is scikit-learn's own. The distribution at a row is
that of the training targets in the leaves it falls into, each leaf counting alike, samples by their weight;
targets are kept as counts in bins between quantiles of the training target, finer towards its ends, and taken
as evenly spread inside a bin.

Tuned by inner folds of groups, with 40 trees each: random forest or extremely randomised trees (Geurts et al.
2006), the share of features tried at a split, the smallest leaf. The final forest has 100 trees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from torch import nn

from models.heads.candidates.contract import Array, Candidate, Latent, Spread, Training
from models.heads.candidates.trees import Trees, joined, restore_trees, tree_of_forest
from models.heads.candidates.tuning import LEAST_HALF_WIDTH_SDS, columns_of, inner_splits, least_variance

#: Trees of the forest that is kept, and of those that only compare settings.
TREES, TREES_TO_TUNE = 100, 40
#: Ends of the bins, as quantiles of the training target.
_LOWER_HALF = (0.0, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
BIN_ENDS = (*_LOWER_HALF, *(1 - level for level in _LOWER_HALF[-2::-1]))
#: Columns of a leaf before its bins: mean, then first and second moment of the distribution.
MOMENTS = 3
KINDS = {"random": RandomForestRegressor, "extra": ExtraTreesRegressor}


@dataclass(frozen=True)
class Setting:
    """What is chosen by inner folds."""

    kind: str
    """`random` or `extra`."""
    features: float
    """Share of the features tried at each split."""
    least_leaf: int
    """Rows in a leaf, at least."""


SETTINGS = (
    Setting("extra", 1.0, 5),
    Setting("extra", 1 / 3, 5),
    Setting("extra", 1.0, 15),
    Setting("random", 1 / 3, 5),
)


class Forest(nn.Module):
    """A fitted forest.

    Buffers: those of its `trees`, whose leaves hold mean, first and second moment about `centre` and the
    share of each bin, all divided by the number of trees; `edges` (B + 1,) of the bins; `centre` and
    `least_variance` ().
    """

    centre: torch.Tensor
    edges: torch.Tensor
    least_variance: torch.Tensor

    def __init__(self, trees: Trees, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take the trees and three buffers; KeyError or ValueError where they do not match."""
        super().__init__()
        self.trees = trees
        for name in ("centre", "edges", "least_variance"):
            self.register_buffer(name, tensors[name])
        if trees.leaf.shape[1] != MOMENTS + len(self.edges) - 1:
            raise ValueError(
                f"forest: {trees.leaf.shape[1]} columns of leaves, {len(self.edges)} edges of bins"
            )

    def forward(self, embeddings: torch.Tensor, effort: torch.Tensor) -> Latent:
        """Return the prediction at n rows; embeddings (n, D), effort (n, E)."""
        leaves = self.trees(torch.cat([embeddings, effort], dim=1))
        (mean, first, second), reached = leaves[:, :MOMENTS].T, leaves[:, MOMENTS:].cumsum(dim=1)
        mean, variance = self.centre + mean, (second - first**2).clamp(min=self.least_variance)
        apart = LEAST_HALF_WIDTH_SDS * variance.sqrt()
        lower = torch.minimum(quantile(reached, self.edges, 0.05), mean - apart)
        upper = torch.maximum(quantile(reached, self.edges, 0.95), mean + apart)
        return Latent(mean, variance, lower, upper)


def quantile(reached: torch.Tensor, edges: torch.Tensor, level: float) -> torch.Tensor:
    """Return (n,) the point below which a share `level` lies.

    reached (n, B): shares at or below the upper end of each bin, the last being all; edges (B + 1,).
    """
    wanted = level * reached[:, -1:]
    at = torch.searchsorted(reached.contiguous(), wanted).clamp(max=reached.shape[1] - 1)
    to = reached.gather(1, at)
    of = torch.where(at > 0, reached.gather(1, (at - 1).clamp(min=0)), 0.0)
    inside = ((wanted - of) / (to - of).clamp(min=torch.finfo(to.dtype).tiny)).clamp(0, 1)
    return (edges[at] + inside * (edges[at + 1] - edges[at])).squeeze(1)


def fit_forest(training: Training, seed: int) -> Forest:
    """Return a forest whose setting predicts inner folds best."""
    columns = columns_of(training)
    setting = min(SETTINGS, key=lambda each: _inner_error(columns, training, each, seed))
    grown = _grow(columns, training, setting, TREES, seed)
    centre = float(np.average(training.latent, weights=training.weight))
    edges = _edges(training)
    bins = np.searchsorted(edges[1:-1], training.latent)
    said = np.column_stack([training.latent - centre, (training.latent - centre) ** 2, _one_hot(bins, edges)])
    leaves = grown.apply(columns)
    trees = [
        _with_distribution(tree.tree_, leaf, said, training.weight, centre)
        for tree, leaf in zip(grown.estimators_, leaves.T, strict=True)
    ]
    tensors = {"centre": centre, "edges": edges, "least_variance": least_variance(training.latent)}
    return Forest(
        joined([tree._replace(value=tree.value / len(trees)) for tree in trees]),
        {name: torch.as_tensor(value, dtype=torch.float64) for name, value in tensors.items()},
    )


def _inner_error(columns: NDArray[np.float32], training: Training, setting: Setting, seed: int) -> float:
    """Return the weighted sum of squared errors of held-out inner folds."""
    total = 0.0
    for seen, judged in inner_splits(training.group):
        grown = _grow(columns[seen], training.rows(seen), setting, TREES_TO_TUNE, seed)
        missed = grown.predict(columns[judged]) - training.latent[judged]
        total += float(training.weight[judged] @ missed**2)
    return total


def _grow(columns: NDArray[np.float32], training: Training, setting: Setting, n_trees: int, seed: int) -> Any:
    forest = KINDS[setting.kind](
        n_trees,
        max_features=setting.features,
        min_samples_leaf=setting.least_leaf,
        random_state=seed,
        n_jobs=1,
    )
    return forest.fit(columns, training.latent, sample_weight=training.weight)


def _edges(training: Training) -> Array:
    """Return the ends (B + 1,) of the bins, rising; one bin without width where the target is constant."""
    ends = np.unique(np.quantile(training.latent, BIN_ENDS, weights=training.weight, method="inverted_cdf"))
    return ends if len(ends) > 1 else np.repeat(ends, 2)


def _one_hot(bins: NDArray[np.intp], edges: Array) -> Array:
    return np.eye(len(edges) - 1)[bins]


def _with_distribution(tree: Any, leaf: NDArray[np.intp], said: Array, weight: Array, centre: float) -> Any:
    """Return the tree whose leaves say their mean and the weighted mean of `said` over the rows in them.

    leaf (n,) where each training row falls, said (n, K - 1).
    """
    plain = tree_of_forest(tree)
    summed = np.zeros((len(plain.feature), said.shape[1]))
    np.add.at(summed, leaf, said * weight[:, None])
    total = np.bincount(leaf, weight, minlength=len(summed))[:, None]
    shares = np.divide(summed, total, out=summed, where=total > 0)
    return plain._replace(value=np.column_stack([plain.value - centre, shares]))


def restore_forest(tensors: Mapping[str, torch.Tensor]) -> Forest:
    """Return the forest of a `state_dict`; KeyError or ValueError where it is not one."""
    return Forest(restore_trees(tensors, "trees"), tensors)


CANDIDATE = Candidate(
    name="forest",
    words=f"quantile forest of {TREES} trees; kind, features per split and smallest leaf by inner folds",
    spread=Spread.PREDICTIVE,
    is_fast=False,
    cost_s=14,
    fit=fit_forest,
    restore=restore_forest,
)
