"""Shrinkage: what a slope probably is, given how the slopes of all the others spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]

#: Factor between neighbouring widths of the prior's components.
_STEP = np.sqrt(2.0)
#: Weight, in slopes, that the narrowest component has before any is seen: errs towards "no trend".
_NULL_WEIGHT = 10.0
_SWEEPS = 200
_SETTLED = 1e-6


@dataclass(frozen=True)
class Shrunk:
    """Posterior of W slopes; all NaN where a slope or its error is."""

    mean: Floats
    """(W,) same unit as the slopes."""
    sd: Floats
    below: Floats
    """(W,) probability that the slope lies below the bound asked for, 0-1."""


def shrink(slopes: Floats, errors: Floats, bound: Floats | float = 0.0) -> Shrunk:
    """Return posteriors of slopes (W,) with standard errors (W,), each shrunk towards zero.

    The prior is a mixture of normal distributions about zero, its weights fitted to all slopes
    (Stephens 2017, Biostatistics 18:275): a few steep declines among many woodlands that hold are not pulled
    in as far as one normal distribution would, and those that hold are pulled in further. `below` is the
    probability of a slope below `bound`. Slopes without error stay as they are. A
    family of a few has the prior's word that nothing happens: only steep slopes stand out from it.

    Slopes relative to a control are zero where nothing happens, whatever the family does: a centre fitted to
    it would follow its decliners and call the rest declining. Nor do parks get one of their own: what the
    woods of a park share after the control is taken off is mostly the control's own error.
    """
    known = np.isfinite(slopes) & np.isfinite(errors) & (errors > 0)
    parts = [np.full(slopes.shape, np.nan) for _ in range(3)]
    limit = np.broadcast_to(bound, slopes.shape)[known]
    found = _posterior(slopes[known], errors[known], limit)
    exact = np.isfinite(slopes) & (errors == 0)
    certain = slopes[exact], errors[exact], (slopes < bound)[exact].astype(np.float64)
    for part, values, sure in zip(parts, found, certain, strict=True):
        part[known], part[exact] = values, sure
    return Shrunk(*parts)


def _posterior(slopes: Floats, errors: Floats, limit: Floats) -> tuple[Floats, Floats, Floats]:
    if not len(slopes):
        return slopes, errors, np.zeros(0)
    widths = _widths(slopes, errors)
    spread = np.hypot(widths[None, :], errors[:, None])
    likelihood = _likelihood(slopes, spread)
    weight = _responsibility(likelihood, _mixture(likelihood))
    pull = (widths[None, :] / spread) ** 2
    means, sds = pull * slopes[:, None], np.sqrt(pull) * errors[:, None]
    mean = (weight * means).sum(axis=1)
    sd = np.sqrt((weight * (sds**2 + (means - mean[:, None]) ** 2)).sum(axis=1))
    below = (weight * ndtr((limit[:, None] - means) / sds)).sum(axis=1)
    return mean, sd, np.clip(below, 0.0, 1.0)  # weights sum to one but for rounding


def _widths(slopes: Floats, errors: Floats) -> Floats:
    """Return standard deviations of the prior's components, from next to nothing to the widest slopes."""
    narrow, wide = 0.1 * float(errors.min()), 2 * float(np.abs(slopes).max()) + float(errors.max())
    exponents = np.arange(np.ceil(np.log(wide / narrow) / np.log(_STEP)) + 1)
    widths: Floats = narrow * _STEP**exponents
    return widths


def _likelihood(slopes: Floats, spread: Floats) -> Floats:
    """Return (W, K): of every slope under every component, each row over its largest."""
    log_density = -0.5 * (slopes[:, None] / spread) ** 2 - np.log(spread)
    likelihood: Floats = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    return likelihood


def _mixture(likelihood: Floats) -> Floats:
    """Return the weights of the components by expectation and maximisation."""
    by_component = np.ascontiguousarray(likelihood.T)
    weights = np.full(len(by_component), 1 / len(by_component))
    for _ in range(_SWEEPS):
        # The sums over slopes of `_responsibility`; einsum adds in the same order on any number of threads.
        total = np.einsum("k,kw->w", weights, by_component)
        shares = weights * np.einsum("kw,w->k", by_component, 1 / total)
        shares[0] += _NULL_WEIGHT
        previous, weights = weights, shares / shares.sum()
        if np.abs(weights - previous).max() < _SETTLED:
            break
    return weights


def _responsibility(likelihood: Floats, weights: Floats) -> Floats:
    """Return (W, K): the probability of every component given each slope."""
    joint = likelihood * weights
    shares: Floats = joint / joint.sum(axis=1, keepdims=True)
    return shares
