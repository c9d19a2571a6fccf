"""Where a head may be applied: how unlike its training samples a pixel is, and how many of them are near.

Dissimilarity index and area of applicability after Meyer & Pebesma 2021 (Methods in Ecology and Evolution 12,
1620), local point density after Schumacher et al. 2024. Lengths are in units of the mean distance between two
training samples, so that a distance is an index.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.heads.candidates.contract import Array, Groups, Training
from monitoring.errors import ModelError

#: More distinct training samples than this are thinned.
MOST_REFERENCES = 4096
#: Threshold: upper quartile plus so many interquartile ranges of the training index (the upper whisker).
WHISKER = 1.5
#: Principal axes are left out as long as no distance changes by more than this.
AXES_TOLERANCE = 1e-3
#: Distances that a product of matrices gives below this are worked out anew as differences: it cancels there.
NEAR = 0.03
#: Distances held at a time: what stays in a processor's cache between the passes over them.
TILE_VALUES = 2**21
#: Rows compared at a time while fitting.
FIT_TILE = 512
#: A standard deviation below this share of the largest value is rounding.
ROUNDING = 1e-9
#: Rows that the weights are worked out from at most, and permutations of each dimension.
MOST_WEIGHT_ROWS, PERMUTATIONS = 1000, 4


class Applicability(nn.Module):
    """The area of applicability of a head: a pure function of embeddings."""

    def __init__(
        self,
        reference: torch.Tensor,
        count: torch.Tensor,
        centre: torch.Tensor,
        factor: torch.Tensor,
        limit: torch.Tensor,
        covering_radius: torch.Tensor,
    ) -> None:
        """Keep the distinct training samples (m, D), centred and scaled, and how many each stands for (m,).

        centre, factor (D,): scaled = (embedding - centre) * factor. limit (): largest index inside.
        covering_radius (): no training sample is farther than this from a reference. ValueError for shapes
        that do not fit or values that are not finite.
        """
        super().__init__()
        m, dims = reference.shape
        shapes = (count.shape, centre.shape, factor.shape, limit.shape, covering_radius.shape)
        if not m or shapes != ((m,), (dims,), (dims,), (), ()):
            raise ValueError(
                f"applicability of {m} references, {dims} dimensions: shapes {shapes} do not fit"
            )
        stored = (reference, count, centre, factor, limit, covering_radius)
        for name, values in zip(STORED, stored, strict=True):
            if not values.isfinite().all():
                raise ValueError(f"applicability: {name} is not finite")
            self.register_buffer(name, values.double())
        axes, right = _served(reference.double())
        self.register_buffer("axes", axes, persistent=False)
        self.register_buffer("right", right, persistent=False)

    reference: torch.Tensor
    count: torch.Tensor
    centre: torch.Tensor
    factor: torch.Tensor
    limit: torch.Tensor
    covering_radius: torch.Tensor
    axes: torch.Tensor
    """(D, K) principal axes of the references: enough of them for `AXES_TOLERANCE`."""
    right: torch.Tensor
    """(K + 2, m) references along the axes times -2, their squared lengths, ones."""

    @property
    def threshold(self) -> float:
        """Largest dissimilarity index inside the area."""
        return float(self.limit)

    @property
    def n_reference(self) -> int:
        """How many distinct training samples pixels are compared with."""
        return len(self.reference)

    @torch.no_grad()
    def forward(self, embeddings: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (dissimilarity index, local point density), (N,) each, of embeddings (N, D).

        Density is the int64 number of training samples within the threshold: 0 outside, at least 1 inside.
        A row with NaN has index NaN; one beyond the number format is infinitely dissimilar. The index is the
        distance to the nearest reference within `AXES_TOLERANCE`, so a smaller threshold than that is not
        resolved; where training was thinned, it is larger than that to the nearest sample by at most the
        covering radius.
        """
        tile = max(1, TILE_VALUES // self.n_reference)
        room = self.factor.new_empty(min(tile, len(embeddings)), self.n_reference)
        tiles = [self._tile(rows, room) for rows in torch.split(embeddings, tile)]
        index, density = (torch.cat(parts) for parts in zip(*tiles, strict=True))
        return index, density

    def contains(self, embeddings: Array) -> NDArray[np.bool_]:
        """Return (N,) True where embeddings (N, D) lie inside the area; False where they are NaN."""
        index, _ = self(torch.from_numpy(np.ascontiguousarray(embeddings)))
        return np.asarray((index <= self.limit).cpu().numpy())

    def _tile(self, embeddings: torch.Tensor, room: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scaled = (embeddings.to(self.factor.dtype) - self.centre) * self.factor
        squared = torch.einsum("nd,nd->n", scaled, scaled)
        excess = torch.mm(self._left(scaled, squared), self.right, out=room[: len(scaled)])
        index = (excess.amin(dim=1) + self.limit**2).clamp(min=0).sqrt()
        self._refine(index, scaled, excess)
        index = torch.where(squared.isinf(), math.inf, index)
        inside = index <= self.limit
        near = excess.le_(0) @ self.count  # in place: the distances are not needed any more
        return index, torch.where(inside, near.clamp(min=1), 0).long()

    def _left(self, scaled: torch.Tensor, squared: torch.Tensor) -> torch.Tensor:
        """Return (n, K + 2) whose product with `right` is each squared distance less the squared limit."""
        beyond = (squared - self.limit**2)[:, None]
        return torch.cat([scaled @ self.axes, torch.ones_like(beyond), beyond], dim=1)

    def _refine(self, index: torch.Tensor, scaled: torch.Tensor, excess: torch.Tensor) -> None:
        """Replace short distances in place by those to the same references, free of cancellation."""
        (short,) = torch.nonzero(index < NEAR, as_tuple=True)
        if len(short):
            nearest = self.reference[excess[short].argmin(dim=1)]
            index[short] = torch.linalg.vector_norm(scaled[short] - nearest, dim=1)


#: What is kept of it, in the order of the constructor.
STORED = ("reference", "count", "centre", "factor", "limit", "covering_radius")


def restore_applicability(tensors: Mapping[str, torch.Tensor]) -> Applicability:
    """Return the area of a `state_dict`; KeyError or ValueError where it does not fit."""
    return Applicability(*(tensors[name] for name in STORED))


def _served(reference: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (axes, right) as `Applicability` serves them.

    Only the inner product of pixel and reference is taken along the axes, their lengths are whole. What a
    reference has beyond the axes, of length r, then changes a distance by at most sqrt(2) r.
    """
    _, vectors = torch.linalg.eigh(reference.T @ reference)
    along = reference @ vectors.flip(1)  # (m, D), the longest axis first
    beyond = (along**2).flip(1).cumsum(1).flip(1).amax(dim=0).sqrt()  # of the axes from each one on
    n_axes = max(1, int((beyond > AXES_TOLERANCE / math.sqrt(2)).sum()))
    lengths = (reference**2).sum(dim=1)
    right = torch.cat([-2 * along[:, :n_axes].T, lengths[None], torch.ones_like(lengths)[None]])
    return vectors.flip(1)[:, :n_axes].contiguous(), right.contiguous()


def fit_applicability(embeddings: Array, weights: Array, fold: Groups) -> Applicability:
    """Return the area of applicability of n training samples.

    embeddings (n, D) finite; weights (D,) importance of each dimension, not negative; fold (n,). A sample's
    own index looks at samples of other folds only; the threshold is the upper whisker of these, at most
    their largest. A constant dimension counts for nothing. ModelError for bad input, for a single fold, and
    where all samples are the same.
    """
    _refuse(embeddings, weights, fold)
    centre, factor = embeddings.mean(axis=0), _factor(embeddings, weights)
    scaled = (embeddings - centre) * factor
    mean, nearest = _distances(scaled, fold)
    if not mean > 0:
        raise ModelError(
            f"applicability: the mean distance between {len(scaled)} weighted samples is 0, must be above 0"
        )
    thinned = _thinned(scaled / mean)
    kept = (*thinned[:2], centre, factor / mean, _whisker(nearest / mean), thinned.radius)
    return Applicability(*(torch.as_tensor(each, dtype=torch.float64) for each in kept))


def _refuse(embeddings: Array, weights: Array, fold: Groups) -> None:
    if embeddings.ndim != 2 or weights.shape != embeddings.shape[1:] or fold.shape != embeddings.shape[:1]:
        raise ModelError(
            f"applicability: embeddings {embeddings.shape}, weights {weights.shape}, folds {fold.shape} "
            "must be (n, D), (D,), (n,)"
        )
    if not np.isfinite(embeddings).all():
        n_bad = int((~np.isfinite(embeddings).all(axis=1)).sum())
        raise ModelError(f"applicability: {n_bad} of {len(embeddings)} embeddings are not finite")
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ModelError(f"applicability: weights from {weights.min():g}: must be finite and at least 0")
    n_folds = len(np.unique(fold))
    if n_folds < 2:
        raise ModelError(f"applicability: {n_folds} fold of {len(fold)} samples, needs at least 2")


def _factor(embeddings: Array, weights: Array) -> Array:
    spread = embeddings.std(axis=0)
    varies = spread > ROUNDING * np.abs(embeddings).max(axis=0)
    return np.where(varies, weights / np.where(varies, spread, 1.0), 0.0)


def _distances(scaled: Array, fold: Groups) -> tuple[float, Array]:
    """Return the mean distance between two samples, and (n,) that to the nearest one of another fold."""
    samples, folds = torch.from_numpy(scaled), torch.from_numpy(fold)
    total, nearest = 0.0, []
    for rows, own in zip(torch.split(samples, FIT_TILE), torch.split(folds, FIT_TILE), strict=True):
        apart = torch.cdist(rows, samples, compute_mode="donot_use_mm_for_euclid_dist")
        total += float(apart.sum())
        nearest.append(apart.masked_fill_(own[:, None] == folds, math.inf).amin(dim=1))
    n = len(scaled)
    return total / (n * (n - 1)), torch.cat(nearest).numpy()


def _whisker(index: Array) -> float:
    low, high = np.quantile(index, [0.25, 0.75])
    return float(min(high + WHISKER * (high - low), index.max()))


class _Thinned(NamedTuple):
    reference: Array
    stands_for: Array
    """(m,) samples."""
    radius: float


def _thinned(scaled: Array) -> _Thinned:
    """Return the distinct samples; of more than `MOST_REFERENCES` those that cover the rest best."""
    distinct, repeats = np.unique(scaled + 0.0, axis=0, return_counts=True)  # + 0.0: no negative zero
    count = repeats.astype(np.float64)
    if len(distinct) <= MOST_REFERENCES:
        return _Thinned(distinct, count, 0.0)
    chosen, owner, radius = _farthest_first(distinct, MOST_REFERENCES)
    return _Thinned(distinct[chosen], np.bincount(owner, count).astype(np.float64), radius)


def _farthest_first(points: Array, m: int) -> tuple[Groups, Groups, float]:
    """Return m of n points, the one of them nearest to each point (n,), and the largest distance to it.

    Each next one is the point farthest from those before (Gonzalez 1985: at most twice the best radius); the
    first is the one nearest to the origin.
    """
    chosen, owner = np.empty(m, np.int64), np.zeros(len(points), np.int64)
    apart = np.full(len(points), math.inf)
    following = int(np.argmin(np.einsum("nd,nd->n", points, points)))
    for number in range(m):
        chosen[number] = following
        offset = points - points[following]
        squared = np.einsum("nd,nd->n", offset, offset)
        owner[squared < apart] = number
        np.minimum(apart, squared, out=apart)
        following = int(np.argmax(apart))
    return chosen, owner, float(np.sqrt(apart.max()))


def feature_weights(module: nn.Module, training: Training, seed: int) -> Array:
    """Return (D,) how far the latent prediction moves when a dimension is permuted, summing to 1.

    The root mean square change, which is in the unit of the prediction, as a weight on a length should be,
    and is never negative. Label-free, as importance by error is not: in that, noise decides between
    dimensions that say nearly the same. All equal where the prediction depends on none.
    """
    random = np.random.default_rng(seed)
    few = training.rows(np.sort(random.permutation(len(training.latent))[:MOST_WEIGHT_ROWS]))
    before = _latent_mean(module, few.embeddings, few.effort)
    moved = np.zeros(few.embeddings.shape[1])
    for dimension in range(len(moved)):
        for permuted in _permutations(few.embeddings, dimension, random):
            moved[dimension] += np.mean((_latent_mean(module, permuted, few.effort) - before) ** 2)
    weights = np.sqrt(moved)
    return weights / weights.sum() if weights.sum() > 0 else np.full(len(moved), 1 / len(moved))


def _permutations(embeddings: Array, dimension: int, random: np.random.Generator) -> Iterator[Array]:
    for _ in range(PERMUTATIONS):
        permuted = embeddings.copy()
        random.shuffle(permuted[:, dimension])
        yield permuted


def _latent_mean(module: nn.Module, embeddings: Array, effort: Array) -> Array:
    with torch.inference_mode():
        mean: torch.Tensor = module(torch.from_numpy(embeddings), torch.from_numpy(effort)).mean
    return np.asarray(mean.double().numpy())
