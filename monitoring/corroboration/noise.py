"""Noise: how a dense series scatters about its seasonal model, and for how long it remembers.

A dry month or a thin haze lasts over several acquisitions; a test that took each for independent would
find a break in most series.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from monitoring.corroboration.stable_history import years_since_first

Floats = NDArray[np.float64]
Days = NDArray[np.datetime64]

#: Candidates of the noise: share of the variance that is remembered, and for how many days.
_REMEMBERED = (0.0, 0.25, 0.5, 0.75, 0.95)
_MEMORY_DAYS = (8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
#: Residuals smaller than this share of the values are rounding.
_ROUNDING = 1e-7
#: Difference in log likelihood within which a memory is nearly as likely: half of chi-square's 95 %, 1 df.
_NEARLY_AS_LIKELY = 1.92


@dataclass(frozen=True)
class Noise:
    """Scatter of a series about its seasonal model."""

    sd: float
    remembered: float
    """Share of the variance that fades with time, 0-1; the rest belongs to each acquisition alone."""
    memory_days: float
    """Days after which the remembered part has fallen to 1/e."""

    def covariance(self, days: Days) -> Floats:
        """Return (n, n) of values on these days."""
        at = years_since_first(days) * 365.25
        fading = np.exp(-np.abs(at[:, None] - at) / self.memory_days)
        share = self.remembered * fading + (1 - self.remembered) * np.eye(len(at))
        return np.asarray(self.sd**2 * share)


def fitted_noise(days: Days, values: Floats, design: Floats) -> Noise:
    """Return the noise of the values (n,) about any combination of the design (n, k).

    Restricted likelihood (Patterson & Thompson 1971), so that what the design takes up is not taken for
    calm; the variance is worked out, the two figures of memory are tried on a grid. Of the memories that are
    nearly as likely as the best, the one under which a mean is least certain: a design that was chosen to fit
    a change hides some of the memory.
    """
    left = values - design @ (np.linalg.pinv(design) @ values)
    if float(np.ptp(left)) <= _ROUNDING * float(np.abs(values).max()):
        return Noise(0.0, 0.0, _MEMORY_DAYS[0])
    basis = np.linalg.svd(design, full_matrices=False)[0]
    candidates = [(0.0, _MEMORY_DAYS[0]), *itertools.product(_REMEMBERED[1:], _MEMORY_DAYS)]
    fits = [(*_likelihood(days, values, basis, *one), *one) for one in candidates]
    best = max(fit[0] for fit in fits)
    nearly = [Noise(*fit[1:]) for fit in fits if fit[0] >= best - _NEARLY_AS_LIKELY]
    return max(nearly, key=lambda noise: float(noise.covariance(days).mean()))


def _likelihood(
    days: Days, values: Floats, basis: Floats, remembered: float, memory_days: float
) -> tuple[float, float]:
    """Return (restricted log likelihood but for a constant, most likely sd) of one memory."""
    root = np.linalg.cholesky(Noise(1.0, remembered, memory_days).covariance(days))
    whitened = solve_triangular(root, np.column_stack([values, basis]), lower=True)
    orthogonal, triangle = np.linalg.qr(whitened[:, 1:])
    left = whitened[:, 0] - orthogonal @ (orthogonal.T @ whitened[:, 0])
    degrees = len(values) - basis.shape[1]
    variance = float(left @ left) / degrees
    scale = np.log(np.diag(root)).sum() + np.log(np.abs(np.diag(triangle))).sum()
    return float(-scale - degrees / 2 * np.log(variance)), float(np.sqrt(variance))
