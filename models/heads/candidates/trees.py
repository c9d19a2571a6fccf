"""Trees as tensors: grown by scikit-learn, kept as plain numbers, evaluated by torch for many rows at once.

Nothing is pickled. Features are compared as float32, and thresholds are rounded down to a float32 beforehand:
x <= t holds for exactly the same float32 x, so a row takes the same way in float64 and after `.float()`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import embedding_bag

from models.heads.candidates.contract import Array

Whole = NDArray[np.integer[Any]]

#: (row, tree) pairs that walk down together. On a processor half of what torch begins to share among threads
#: (its grain size, 2^15), as they would wait for each other at every step; else what keeps a device busy.
PAIRS_ON_PROCESSOR, PAIRS_ON_DEVICE = 2**14, 2**24
#: Pairs whose leaves are added up together: 16 MB of numbers of leaves.
PAIRS_ADDED = 2**22
BUFFERS = ("feature", "threshold", "child", "root", "leaf")


class Tree(NamedTuple):
    """One tree of m nodes, the first being its root: a row goes left where its feature <= threshold."""

    feature: Whole
    threshold: Array
    left: Whole
    right: Whole
    is_leaf: NDArray[np.bool_]
    value: Array
    """(m, K) what a leaf says; rows of inner nodes are not looked at."""


def tree_of_forest(tree: Any) -> Tree:
    """Return the `tree_` of a fitted scikit-learn tree, K = 1."""
    left, right = tree.children_left, tree.children_right
    return Tree(tree.feature, tree.threshold, left, right, left < 0, tree.value[:, 0, :])


def trees_of_boosting(model: Any) -> list[Tree]:
    """Return the trees of a fitted HistGradientBoostingRegressor without categories, K = 1.

    Their sum and `baseline_of` make its raw prediction.
    """
    return [_boosted_tree(stage[0].nodes) for stage in model._predictors]


def baseline_of(model: Any) -> float:
    """Return what a HistGradientBoostingRegressor predicts before its first tree, before its link."""
    return float(model._baseline_prediction.item())


def _boosted_tree(nodes: Any) -> Tree:
    is_leaf = nodes["is_leaf"].astype(bool)
    left, right = (nodes[name].astype(np.int64) for name in ("left", "right"))
    return Tree(nodes["feature_idx"], nodes["num_threshold"], left, right, is_leaf, nodes["value"][:, None])


class Trees(nn.Module):
    """T trees of F features with M nodes in all, of which the last L are leaves.

    Buffers: feature (M,), child (M, 2) and root (T,) int32; threshold (M,), each a float32; leaf (L, K). A
    leaf is its own child, so that every row walks the same number of levels.
    """

    feature: torch.Tensor
    threshold: torch.Tensor
    child: torch.Tensor
    root: torch.Tensor
    leaf: torch.Tensor

    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take the five buffers; KeyError or ValueError where they do not make trees."""
        super().__init__()
        for name in BUFFERS:
            self.register_buffer(name, tensors[name])
        self._refuse_what_fits_not()
        self.levels = self._count_levels()

    @property
    def first_leaf(self) -> int:
        """Number of the first node that is a leaf."""
        return len(self.feature) - len(self.leaf)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (n, K) the sum over trees of what the leaves say that rows (n, F) fall into."""
        said = self.leaf.new_empty(len(features), self.leaf.shape[1])
        for rows in self._parts(len(features), PAIRS_ADDED):
            said[rows] = embedding_bag(self.leaves(features[rows]), self.leaf, mode="sum")
        return said

    def leaves(self, features: torch.Tensor) -> torch.Tensor:
        """Return (n, T) the number of the leaf that each row (n, F) falls into."""
        together = PAIRS_ON_PROCESSOR if features.device.type == "cpu" else PAIRS_ON_DEVICE
        found = self.root.new_empty(len(features), len(self.root))
        for rows in self._parts(len(features), together):
            found[rows] = self._walk(features[rows].to(torch.float32)).T
        return found

    def _parts(self, n: int, pairs: int) -> Iterator[slice]:
        step = max(pairs // len(self.root), 1)
        return (slice(start, start + step) for start in range(0, n, step))

    def _walk(self, features: torch.Tensor) -> torch.Tensor:
        """Return (T, n) the leaves of float32 features (n, F): tree by tree, as their nodes lie together."""
        n, n_trees = len(features), len(self.root)
        by_feature, child = features.T.reshape(-1), self.child.reshape(-1)
        row = torch.arange(n, dtype=torch.int32, device=features.device).repeat(n_trees)
        node = self.root.repeat_interleave(n)
        for _ in range(self.levels):
            value = by_feature.index_select(0, self.feature.index_select(0, node) * n + row)
            is_right = value > self.threshold.index_select(0, node)
            node = child.index_select(0, 2 * node + is_right)
        return (node - self.first_leaf).view(n_trees, n)

    def _refuse_what_fits_not(self) -> None:
        m, n_leaves = len(self.feature), len(self.leaf)
        shapes = (self.threshold.shape == (m,), self.child.shape == (m, 2), self.leaf.ndim == 2)
        if not (all(shapes) and self.root.ndim == 1 and 0 < n_leaves <= m and len(self.root)):
            raise ValueError(f"trees: {m} nodes, {n_leaves} leaves and {len(self.root)} roots do not match")
        if any(each.dtype != torch.int32 for each in (self.feature, self.child, self.root)):
            raise ValueError("trees: numbers of nodes and features must be int32")
        numbers = torch.cat([self.child.reshape(-1), self.root])
        if numbers.min() < 0 or numbers.max() >= m or self.feature.min() < 0:
            raise ValueError(f"trees: a node or feature is numbered outside 0 .. {m - 1}")

    def _count_levels(self) -> int:
        """Return how many steps lead to the farthest leaf; ValueError where a way never ends."""
        child, node, levels = self.child.cpu().numpy(), self.root.cpu().numpy(), 0
        while (inner := node < self.first_leaf).any():
            node, levels = np.unique(child[node[inner]]), levels + 1
            if levels > self.first_leaf:
                raise ValueError("trees: a way down comes back to where it was")
        return levels


def joined(trees: Sequence[Tree]) -> Trees:
    """Return the trees as one module, its leaves in the order of the trees and of their nodes."""
    offset = np.cumsum([0, *(len(tree.feature) for tree in trees)])
    is_leaf = np.concatenate([tree.is_leaf for tree in trees])
    order = np.argsort(is_leaf, kind="stable")  # inner nodes first
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(len(order))
    children = np.concatenate([_children(tree) + at for tree, at in zip(trees, offset, strict=False)])
    feature = np.where(is_leaf, 0, np.concatenate([tree.feature for tree in trees]))
    threshold = np.where(is_leaf, 0.0, np.concatenate([tree.threshold for tree in trees]))
    return Trees(
        {
            "feature": _int32(feature[order]),
            "threshold": torch.from_numpy(rounded_down(threshold[order])),
            "child": _int32(number[children[order]]),
            "root": _int32(number[offset[:-1]]),
            "leaf": torch.from_numpy(np.concatenate([tree.value for tree in trees])[is_leaf]),
        }
    )


def _children(tree: Tree) -> Whole:
    """Return (m, 2) the nodes below each node of one tree; a leaf is its own."""
    own = np.arange(len(tree.feature))
    return np.column_stack([np.where(tree.is_leaf, own, side) for side in (tree.left, tree.right)])


def _int32(numbers: Whole) -> torch.Tensor:
    return torch.from_numpy(numbers.astype(np.int32))


def rounded_down(values: Array) -> Array:
    """Return the largest float32 at or below each value, as float64."""
    nearest = values.astype(np.float32)
    below = np.nextafter(nearest, np.float32(-np.inf))
    return np.asarray(np.where(nearest > values, below, nearest), np.float64)


def restore_trees(tensors: Mapping[str, torch.Tensor], name: str) -> Trees:
    """Return the trees kept below `name` in a `state_dict`; KeyError or ValueError where there are none."""
    return Trees({buffer: tensors[f"{name}.{buffer}"] for buffer in BUFFERS})
