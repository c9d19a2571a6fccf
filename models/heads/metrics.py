"""Scores of a regression: what a head's card says about how well it predicts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import ModelError

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Agreement of n predictions with their observations, in the target's unit; None = undefined."""

    n: int
    r2: float | None
    """1 - SSE / SST: negative when the mean of the observations would predict better."""
    rmse: float
    mae: float
    me: float
    """Mean error, predicted minus observed: positive = predicts too much."""
    ccc: float | None
    """Lin's concordance with population moments (Lin 1989, Biometrics 45:255)."""
    rpiq: float | None
    """Interquartile range of the observations / RMSE (Bellon-Maurel et al. 2010)."""
    coverage_90: float | None = None
    """Share of observations inside their 90 % interval; near 0.9 when the sd can be trusted."""


def score(observed: Vector, predicted: Vector, inside_90: NDArray[np.bool_] | None = None) -> Scores:
    """Return the scores of `predicted` (n,) against `observed` (n,); ModelError when they cannot be compared.

    inside_90 (n,) says which observations lie in their 90 % interval.
    """
    observed, predicted = _comparable(observed, predicted)
    error = predicted - observed
    rmse = float(np.sqrt(np.mean(error**2)))
    quartile_1, quartile_3 = np.quantile(observed, [0.25, 0.75])
    return Scores(
        n=len(observed),
        r2=_determination(observed, error),
        rmse=rmse,
        mae=float(np.mean(np.abs(error))),
        me=float(error.mean()),
        ccc=_concordance(observed, predicted),
        rpiq=_ratio(quartile_3 - quartile_1, rmse),
        coverage_90=None if inside_90 is None else float(np.mean(inside_90)),
    )


def _comparable(observed: Vector, predicted: Vector) -> tuple[Vector, Vector]:
    observed, predicted = np.asarray(observed, np.float64), np.asarray(predicted, np.float64)
    if observed.shape != predicted.shape or observed.ndim != 1 or not len(observed):
        raise ModelError(f"scores need two equal lists: got {observed.shape} and {predicted.shape}")
    if not (np.isfinite(observed).all() and np.isfinite(predicted).all()):
        raise ModelError("scores need finite numbers: an observation or a prediction is missing")
    return observed, predicted


def _determination(observed: Vector, error: Vector) -> float | None:
    # Rounding leaves equal numbers a little beside their mean: 0.1, three times.
    if np.ptp(observed) == 0:
        return None
    unexplained = _ratio(np.sum(error**2), np.sum((observed - observed.mean()) ** 2))
    return None if unexplained is None else 1.0 - unexplained


def _concordance(observed: Vector, predicted: Vector) -> float | None:
    covariance = np.mean((observed - observed.mean()) * (predicted - predicted.mean()))
    distance = (observed.mean() - predicted.mean()) ** 2
    return _ratio(2 * covariance, observed.var() + predicted.var() + distance)


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole > 0 else None
