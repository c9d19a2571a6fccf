"""How far the scores could lie from what they are, had other places been sampled.

Whole blocks are drawn with replacement, never samples: neighbours err alike, and n samples of one place are
not n answers (Efron & Tibshirani 1993, chapter 8; Roberts et al. 2017, Ecography 40:913).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.heads.metrics import score
from monitoring.errors import ModelError

Vector = NDArray[np.float64]
Groups = NDArray[np.int64]

#: Share of the repeats between low and high.
INTERVAL = 0.95
#: With fewer blocks a repeat is one of too few mixtures: five give 126.
MIN_BLOCKS = 5
#: Repeats worked on at once: 100 of 7,000 samples take some 10 MB.
CHUNK = 100
SCORES = ("r2", "rmse", "mae", "me", "ccc", "rpiq", "coverage_90")


@dataclass(frozen=True)
class ScoreInterval:
    """A score and the percentiles of its repeats that hold 95 %."""

    estimate: float | None
    """Of all samples; None = undefined."""
    low: float | None
    high: float | None
    """None where there are too few blocks, or the score is undefined."""


@dataclass(frozen=True)
class ScoreIntervals:
    """The scores of n predictions with 95 % intervals, in the target's unit: see `Scores`."""

    r2: ScoreInterval
    rmse: ScoreInterval
    mae: ScoreInterval
    me: ScoreInterval
    ccc: ScoreInterval
    rpiq: ScoreInterval
    coverage_90: ScoreInterval
    n_blocks: int
    repeats: int
    caution: str = ""
    """Why there are no intervals; empty where there are."""


def score_intervals(
    observed: Vector,
    predicted: Vector,
    inside_90: NDArray[np.bool_] | None,
    blocks: Groups,
    seed: int,
    repeats: int = 1000,
) -> ScoreIntervals:
    """Return the scores of `predicted` (n,) against `observed` (n,) with intervals over `blocks` (n,).

    Repeats in which a score is undefined (constant observations) are left out of its interval. ModelError
    when observed, predicted and blocks cannot be compared. The same input and seed give the same bytes.
    """
    scores = score(observed, predicted, inside_90)
    if np.shape(blocks) != (scores.n,):
        raise ModelError(f"scores need one block per sample: got {np.shape(blocks)} for {scores.n}")
    _, block = np.unique(blocks, return_inverse=True)
    n_blocks = int(block.max()) + 1
    if n_blocks < MIN_BLOCKS:
        repeated, caution = {}, f"{n_blocks} blocks, fewer than the {MIN_BLOCKS} that an interval needs"
    else:
        repeated, caution = _repeated(observed, predicted, inside_90, block, seed, repeats), ""
    intervals = {name: _interval(getattr(scores, name), repeated.get(name)) for name in SCORES}
    return ScoreIntervals(**intervals, n_blocks=n_blocks, repeats=repeats, caution=caution)


def _interval(estimate: float | None, repeats: Vector | None) -> ScoreInterval:
    if estimate is None or repeats is None or np.isnan(repeats).all():
        return ScoreInterval(estimate, None, None)
    low, high = np.nanquantile(repeats, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2])
    return ScoreInterval(estimate, float(low), float(high))


def _repeated(
    observed: Vector,
    predicted: Vector,
    inside_90: NDArray[np.bool_] | None,
    block: Groups,
    seed: int,
    repeats: int,
) -> dict[str, Vector]:
    """Return each score of each repeat (repeats,)."""
    sums = _block_sums(observed, predicted, inside_90, block)
    order = np.argsort(observed, kind="stable")
    ordered, block_in_order = observed[order], block[order]
    chunks = [_scores(drawn, sums, ordered, block_in_order) for drawn in _draws(len(sums), seed, repeats)]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def _draws(n_blocks: int, seed: int, repeats: int) -> Iterator[NDArray[np.int64]]:
    """Yield how often each block is drawn (chunk, n_blocks): as many draws as there are blocks."""
    generator = np.random.default_rng(seed)
    even = np.full(n_blocks, 1 / n_blocks)
    for start in range(0, repeats, CHUNK):
        yield generator.multinomial(n_blocks, even, size=min(CHUNK, repeats - start))


def _block_sums(
    observed: Vector, predicted: Vector, inside_90: NDArray[np.bool_] | None, block: Groups
) -> Vector:
    """Return (n_blocks, 10) sums over each block's samples, about the mean observation to keep the digits."""
    o, p = observed - observed.mean(), predicted - observed.mean()
    error = predicted - observed
    inside = np.zeros(len(block)) if inside_90 is None else inside_90.astype(np.float64)
    terms = (np.ones(len(block)), error, np.abs(error), error**2, o, o**2, p, p**2, o * p, inside)
    return np.column_stack([np.bincount(block, weights=term) for term in terms])


def _scores(
    drawn: NDArray[np.int64], sums: Vector, ordered: Vector, block_in_order: Groups
) -> dict[str, Vector]:
    """Return the scores (chunk,) of the drawn blocks: the same as of the samples written out."""
    # Not a matrix product: that may change its last bit with the number of threads.
    total = np.einsum("rb,bs->sr", drawn.astype(np.float64), sums)
    n = total[0]
    me, mae, mse, o, oo, p, pp, op, inside = total[1:] / n
    lowest, quartile_1, quartile_3, highest = _quantiles(drawn, ordered, block_in_order)
    variance = np.where(highest > lowest, oo - o**2, 0.0)
    distance = variance + (pp - p**2).clip(0) + (o - p) ** 2
    rmse = np.sqrt(mse)
    return {
        "r2": 1 - _ratio(mse, variance),
        "rmse": rmse,
        "mae": mae,
        "me": me,
        "ccc": _ratio(2 * (op - o * p), distance),
        "rpiq": _ratio(quartile_3 - quartile_1, rmse),
        "coverage_90": inside,
    }


def _quantiles(drawn: NDArray[np.int64], ordered: Vector, block_in_order: Groups) -> Vector:
    """Return minimum, quartiles (type 7) and maximum (4, chunk) of the drawn observations.

    The i-th smallest of the samples written out is the first whose running count of copies exceeds i.
    """
    running = np.cumsum(drawn[:, block_in_order], axis=1)
    return np.array([_row_quantiles(count, ordered) for count in running]).T


def _row_quantiles(count: Groups, ordered: Vector) -> Vector:
    last = count[-1] - 1
    place = last * np.array([0.0, 0.25, 0.75, 1.0])
    below = np.floor(place).astype(np.int64)
    low = ordered[np.searchsorted(count, below, side="right")]
    high = ordered[np.searchsorted(count, np.minimum(below + 1, last), side="right")]
    return np.asarray(low + (place - below) * (high - low))


def _ratio(part: Vector, whole: Vector) -> Vector:
    """Return part / whole, NaN where whole is zero."""
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
