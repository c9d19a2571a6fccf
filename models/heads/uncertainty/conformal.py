"""Conformal intervals: half-widths stretched until blocks that took no part in it are covered.

Samples of one block err alike, so only blocks can be called exchangeable, and a fresh block is what has to be
covered (hierarchical conformal prediction: Dunn, Wasserman and Ramdas 2023; Lee, Barber and Willett 2023).
There a block of n samples counts as one. Where samples of a block err independently that throws information
away and widens every interval, so a block counts here as n / (1 + (n - 1) r): as many independent samples as
it is worth, r being how far misses come together within blocks (Kish 1965, design effect). At r = 1 that is
the hierarchical rule, at r = 0 split conformal prediction with its (n + 1) / n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from models.heads.candidates.contract import Array, Groups
from models.heads.samples import intraclass_correlation

#: Share of samples that may lie beyond each end of a 90 % interval.
MISS_EACH_SIDE = 0.05

Values = TypeVar("Values", Array, torch.Tensor)


@dataclass(frozen=True)
class Conformal:
    """What the raw half-widths of an interval are multiplied by, each at least 0."""

    lower: float
    """On mean - lower."""
    upper: float
    """On upper - mean."""

    def interval(self, mean: Values, lower: Values, upper: Values) -> tuple[Values, Values]:
        """Return the calibrated (low, high), each (n,), on the transformed scale."""
        return mean - self.lower * (mean - lower), mean + self.upper * (upper - mean)


def calibrate(mean: Array, lower: Array, upper: Array, observed: Array, blocks: Groups) -> Conformal:
    """Return the factors by which samples of a fresh block lie beyond each end in 5 % of cases.

    All (n,), on the transformed scale, predicted by fits that have not seen the sample's block. The factors
    are finite: with fewer effective samples than 19 no finite one can promise 5 %, and the largest ratio
    seen is taken. 1 where no ratio is finite.
    """
    with np.errstate(invalid="ignore", over="ignore"):  # a prediction that is not finite is a miss
        below, above = _ratio(mean - observed, mean - lower), _ratio(observed - mean, upper - mean)
    return Conformal(lower=_factor(below, blocks), upper=_factor(above, blocks))


def held_out_coverage(
    mean: Array, lower: Array, upper: Array, observed: Array, blocks: Groups, fold: Groups
) -> NDArray[np.bool_]:
    """Return (n,) True for samples inside an interval that was calibrated on the other folds only."""
    inside = np.zeros(len(mean), bool)
    for number in np.unique(fold):
        own, other = fold == number, fold != number
        factors = calibrate(mean[other], lower[other], upper[other], observed[other], blocks[other])
        with np.errstate(invalid="ignore", over="ignore"):
            low, high = factors.interval(mean[own], lower[own], upper[own])
        inside[own] = (low <= observed[own]) & (observed[own] <= high)
    return inside


def _ratio(miss: Array, half_width: Array) -> Array:
    """Return (n,) how many half-widths a sample lies on this side; infinite where none would reach it."""
    reachable = np.isfinite(miss) & (half_width > 0)
    ratio = np.divide(miss, half_width, out=np.full(len(miss), np.inf), where=reachable)
    return np.asarray(np.where(miss <= 0, np.minimum(ratio, 0.0), ratio))


def _factor(ratio: Array, blocks: Groups) -> float:
    """Return the weighted quantile of the ratios that leaves 5 % beyond it, one effective sample spared."""
    finite = np.isfinite(ratio)
    if not finite.any():
        return 1.0
    weight = block_weights(ratio > _quantile(ratio, np.ones(len(ratio)), 1 - MISS_EACH_SIDE), blocks)
    effective = float(weight.sum())
    found = _quantile(ratio, weight, (1 - MISS_EACH_SIDE) * (effective + 1) / effective)
    return max(min(found, float(ratio[finite].max())), 0.0)


def block_weights(missed: NDArray[np.bool_], blocks: Groups) -> Array:
    """Return (n,) how many independent samples each sample is worth, 1 where it is alone in its block.

    missed (n,): True for samples beyond an end of the interval; how far they come together in blocks decides.
    """
    _, block, count = np.unique(blocks, return_inverse=True, return_counts=True)
    number, missed_at_all = count[block.ravel()], bool(missed.any())
    together = intraclass_correlation(missed.astype(np.float64), block.ravel()) if missed_at_all else 1.0
    return np.asarray(1.0 / (1.0 + (number - 1) * together))


def _quantile(values: Array, weight: Array, level: float) -> float:
    """Return the smallest value at or below which a share `level` of the weight lies; the largest above 1."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order])
    at = np.searchsorted(reached, level * reached[-1] * (1 - 1e-12))
    return float(values[order][min(int(at), len(values) - 1)])
