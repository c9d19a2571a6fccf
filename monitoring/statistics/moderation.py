"""Moderation: scatter that few years estimate badly, steadied by what the rest of the family scatters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma

Floats = NDArray[np.float64]

#: Fewest series whose scatters are compared.
MIN_SERIES = 3
#: Steps of Newton's method; it converges in fewer than ten.
_STEPS = 50


@dataclass(frozen=True)
class Moderation:
    """Steadied variances of W series."""

    variance: Floats
    """(W,) weighted mean of the series' own variance and the family's; NaN where the series has none."""
    degrees: Floats
    """(W,) degrees of freedom of it: own plus prior; infinite where all scatter alike."""
    prior_variance: float
    """What a series of this family typically scatters; NaN for too few series."""
    prior_degrees: float
    """How much that is worth, in degrees of freedom; 0 for too few series."""


def moderate(variance: Floats, degrees: NDArray[np.int64]) -> Moderation:
    """Return moderated variances: empirical Bayes with an inverse chi-square prior fitted to the family.

    Smyth (2004), Stat. Appl. Genet. Mol. Biol. 3:3: moments of the log variances. NaN stays NaN; variances of
    zero take no part in the fit and come out as the prior's share. Fewer than three positive variances are
    left as they are.
    """
    usable = np.isfinite(variance) & (variance > 0) & (degrees > 0)
    if usable.sum() < MIN_SERIES:
        return Moderation(variance, degrees.astype(np.float64), float("nan"), 0.0)
    prior_variance, prior_degrees = _prior(variance[usable], degrees[usable])
    if np.isinf(prior_degrees):
        steadied: Floats = np.where(np.isfinite(variance), prior_variance, np.nan)
    else:
        total = prior_degrees * prior_variance + degrees * variance
        steadied = total / (prior_degrees + degrees)
    return Moderation(steadied, degrees.astype(np.float64) + prior_degrees, prior_variance, prior_degrees)


def _prior(variance: Floats, degrees: NDArray[np.int64]) -> tuple[float, float]:
    """Return the prior's variance and degrees of freedom (infinite where chance explains all spread)."""
    half = degrees / 2
    logs = np.log(variance) - digamma(half) + np.log(half)
    spread = float(logs.var(ddof=1) - polygamma(1, half).mean())
    if spread <= 0:
        return float(np.exp(logs.mean())), float("inf")
    prior_half = inverse_trigamma(spread)
    return float(np.exp(logs.mean() + digamma(prior_half) - np.log(prior_half))), 2 * prior_half


def inverse_trigamma(value: float) -> float:
    """Return the positive number whose trigamma is `value`."""
    x = 0.5 + 1 / value
    for _ in range(_STEPS):
        trigamma = float(polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, x))
        x += step
        if abs(step) < 1e-10 * x:
            break
    return x
