"""Memory of yearly noise: one autocorrelation for a family of short series, and what it does to a slope.

Nine values say next to nothing about the autocorrelation of their noise; thousands of such series say it
well, provided that the bias of each is not averaged into the answer. Here every series gives up its level,
its slope and its scatter, and what is left (a direction in n - 2 dimensions) has a likelihood in which only
the shared parameters remain. Its maximum converges on the truth as series are added, however short they are;
the bias of autocorrelations of residuals never enters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

Floats = NDArray[np.float64]

#: Shares of the noise that may be remembered; the rest is error of each year's estimate alone.
_SHARES = (1.0, 0.75, 0.5, 0.25)
#: Bounds of the search. Noise that alternates would make slopes look surer than they are: taken as none.
_LOWEST, _HIGHEST = -0.3, 0.95
#: Step over which the curvature of the likelihood is taken.
_BEND = 0.02
#: Series looked at: more would not change the second digit, and cost time.
_MOST_SERIES = 4_000
#: Standard deviation of what is held likely before any series is seen: decides only for families of a few.
_PRIOR_SD = 0.25
#: Parameters each series gives up beside its scatter: level and slope.
LINE = 2
#: Ratios of variances are told apart to this many decimals: covariances are shared between equal rows.
_RATIO_DECIMALS = 3
#: Scatter below this share of a series' size is rounding, not noise.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Memory:
    """Autocorrelation of the yearly noise of a family of series."""

    phi: float = 0.0
    """First-order autocorrelation, 0-1, of the remembered part: the likeliest, or none where that is below
    zero, plus one standard error, so that a small family does not take slopes for surer than they are."""
    share: float = 1.0
    """Share of the noise variance that is remembered; the rest follows each year's prediction variance."""
    n_series: int = 0
    """Series it rests on."""


@dataclass(frozen=True)
class Lines:
    """Generalised least-squares lines through W series; NaN below three values."""

    slope: Floats
    """(W,) units per year."""
    factor: Floats
    """(W,) variance of the slope over the variance of the noise."""
    scatter: Floats
    """(W,) estimated variance of the noise, n - 2 degrees of freedom; zero for an exact line."""
    degrees: NDArray[np.int64]
    """(W,) degrees of freedom of `scatter`."""


def variance_ratios(variances: Floats, values: Floats) -> Floats:
    """Return (W, T): each year's prediction variance over its mean in the series; 1 where it is not known."""
    known = np.isfinite(values) & np.isfinite(variances) & (variances > 0)
    total, n = np.where(known, variances, 0.0).sum(axis=1), known.sum(axis=1)
    mean = np.where(n > 0, total / np.maximum(n, 1), 1.0)
    return np.where(known, variances / np.where(mean > 0, mean, 1.0)[:, None], 1.0)


def fit_memory(years: NDArray[np.int64], values: Floats, ratios: Floats | None = None) -> Memory:
    """Return the memory that makes W series (W, T) likeliest, NaN left out, each with a line and a scatter.

    ratios (W, T) are those of `variance_ratios`: where they differ between years, part of the noise may
    follow them and have no memory. Series that are exact lines, or have fewer than four values, say nothing.
    Negative autocorrelation is reported as none.
    """
    rows = _telling(years, values)
    if not len(rows):
        return Memory()
    patterns = _patterns(values[rows], np.ones(values[rows].shape) if ratios is None else ratios[rows])
    residuals = _least_squares(years, values[rows])[1]
    shares = _SHARES if patterns.vary else _SHARES[:1]
    fits = [_best_phi(partial(_unlikely, share, years, residuals, patterns)) for share in shares]
    best = min(range(len(shares)), key=lambda which: fits[which][0])
    error = _error_of_phi(partial(_unlikely, shares[best], years, residuals, patterns), fits[best][1])
    return Memory(min(max(0.0, fits[best][1]) + error, _HIGHEST), shares[best], len(rows))


def _telling(years: NDArray[np.int64], values: Floats) -> NDArray[np.intp]:
    """Return the rows with at least four values that are no exact line, thinned evenly where very many."""
    enough = np.isfinite(values).sum(axis=1) > LINE + 1
    rows = np.flatnonzero(enough & (gls_lines(years, values, Memory()).scatter > 0))
    if len(rows) <= _MOST_SERIES:
        return rows
    return rows[np.linspace(0, len(rows) - 1, _MOST_SERIES).astype(np.intp)]


def _best_phi(unlikely: Callable[[float], float]) -> tuple[float, float]:
    found = minimize_scalar(unlikely, bounds=(_LOWEST, _HIGHEST), method="bounded", options={"xatol": 1e-4})
    return float(found.fun), float(found.x)


def _error_of_phi(unlikely: Callable[[float], float], phi: float) -> float:
    """Return the standard error of the likeliest phi, from the curvature there; at most the prior's."""
    middle = min(max(phi, _LOWEST + _BEND), _HIGHEST - _BEND)
    curvature = unlikely(middle - _BEND) + unlikely(middle + _BEND) - 2 * unlikely(middle)
    return _BEND / float(np.sqrt(max(curvature, (_BEND / _PRIOR_SD) ** 2)))


@dataclass(frozen=True)
class _Patterns:
    """The distinct rows of (known years, variance ratios), and which of them each series has."""

    known: NDArray[np.bool_]
    """(U, T)."""
    ratios: Floats
    """(U, T)."""
    of: NDArray[np.intp]
    """(W,) position of each series' pattern."""

    @property
    def vary(self) -> bool:
        """True where the ratios of some series differ between years."""
        return bool(self.known.any()) and float(np.ptp(self.ratios[self.known])) > 0


def _patterns(values: Floats, ratios: Floats) -> _Patterns:
    known = np.isfinite(values)
    rounded = np.where(known, np.round(ratios, _RATIO_DECIMALS), 0.0)
    if not known.any() or np.ptp(rounded[known]) == 0:
        rows, of = np.unique(known, axis=0, return_inverse=True)
        return _Patterns(rows, np.ones(rows.shape), of.ravel())
    rows, of = np.unique(np.concatenate([known, rounded], axis=1), axis=0, return_inverse=True)
    n = values.shape[1]
    return _Patterns(rows[:, :n].astype(bool), rows[:, n:], of.ravel())


@dataclass(frozen=True)
class _Weights:
    """What turns the values of a pattern into a slope and a residual sum of squares."""

    to_slope: Floats
    """(U, T)."""
    to_residual: Floats
    """(U, T, T) of the quadratic form."""
    factor: Floats
    """(U,) variance of the slope over that of the noise."""
    log_determinant: Floats
    """(U,) of the covariance and of the information on the line."""


def _weights(years: NDArray[np.int64], patterns: _Patterns, phi: float, share: float) -> _Weights:
    inverse, log_determinant = _inverse_covariances(years, patterns, phi, share)
    known = patterns.known
    n = np.maximum(known.sum(axis=1, keepdims=True), 1)
    centre = np.where(known, years, 0).sum(axis=1, keepdims=True) / n
    design = np.stack([known.astype(np.float64), np.where(known, years - centre, 0.0)], axis=2)
    weighted = inverse @ design
    information = np.swapaxes(design, 1, 2) @ weighted
    # Fewer than two known years have no line: their information is made regular here and left out by callers.
    information = information + np.where(known.sum(axis=1) < LINE, 1.0, 0.0)[:, None, None] * np.eye(LINE)
    solved = np.linalg.solve(information, np.swapaxes(weighted, 1, 2))
    return _Weights(
        to_slope=solved[:, 1, :],
        to_residual=inverse - weighted @ solved,
        factor=np.linalg.inv(information)[:, 1, 1],
        log_determinant=log_determinant + np.linalg.slogdet(information)[1],
    )


def _inverse_covariances(
    years: NDArray[np.int64], patterns: _Patterns, phi: float, share: float
) -> tuple[Floats, Floats]:
    """Return inverses (U, T, T) of covariances, zero in unknown years, and log determinants (U,)."""
    distance = np.abs(years[:, None] - years[None, :])
    remembered = np.where(distance == 0, 1.0, np.sign(phi) ** distance * np.abs(phi) ** distance)
    both = patterns.known[:, :, None] & patterns.known[:, None, :]
    own = np.eye(len(years)) * np.where(patterns.known, (1 - share) * patterns.ratios, 1.0)[:, :, None]
    covariance = np.where(both, share * remembered + own, own)
    return np.where(both, np.linalg.inv(covariance), 0.0), np.linalg.slogdet(covariance)[1]


def _unlikely(
    share: float, years: NDArray[np.int64], residuals: Floats, patterns: _Patterns, phi: float
) -> float:
    """Return minus the log likelihood of what level, slope and scatter leave, plus the prior's."""
    weights = _weights(years, patterns, phi, share)
    squares = _squares(residuals, weights, patterns)
    degrees = patterns.known.sum(axis=1)[patterns.of] - LINE
    # Exact lines were left out, but rounding may still turn next to nothing into zero.
    rounding = (ROUNDING * np.abs(residuals).max(axis=1)) ** 2
    each = degrees * np.log(np.maximum(squares, rounding)) + weights.log_determinant[patterns.of]
    return float(0.5 * each.sum() + 0.5 * (phi / _PRIOR_SD) ** 2)


def _squares(residuals: Floats, weights: _Weights, patterns: _Patterns) -> Floats:
    """Return the weighted sum of squares about the best line of every series, (W,), never below zero."""
    if len(patterns.known) == 1:
        turned = residuals @ weights.to_residual[0]
    else:
        turned = (residuals[:, None, :] @ weights.to_residual[patterns.of])[:, 0, :]
    squares: Floats = (turned * residuals).sum(axis=1)
    return np.maximum(squares, 0.0)


def gls_lines(
    years: NDArray[np.int64], values: Floats, memory: Memory, ratios: Floats | None = None
) -> Lines:
    """Return the best line through every row of `values` (W, T), NaN left out, under a memory.

    Noise has covariance scatter * (share * phi^|t - u| + (1 - share) * diag(ratios)). With phi 0 and equal
    ratios this is least squares.
    """
    patterns = _patterns(values, np.ones_like(values) if ratios is None else ratios)
    weights = _weights(years, patterns, memory.phi, memory.share)
    first, residuals = _least_squares(years, values)
    degrees = np.isfinite(values).sum(axis=1) - LINE
    squares = _squares(residuals, weights, patterns)
    size = np.abs(np.where(np.isfinite(values), values, 0.0)).max(axis=1, initial=0.0)
    scatter = np.where(squares > (ROUNDING * size) ** 2, squares / np.maximum(degrees, 1), 0.0)
    enough = degrees > 0
    slope = first + (weights.to_slope[patterns.of] * residuals).sum(axis=1)
    return Lines(
        slope=np.where(enough, slope, np.nan),
        factor=np.where(enough, weights.factor[patterns.of], np.nan),
        scatter=np.where(enough, scatter, np.nan),
        degrees=np.maximum(degrees, 0),
    )


def _least_squares(years: NDArray[np.int64], values: Floats) -> tuple[Floats, Floats]:
    """Return least-squares slopes (W,) and what those lines leave (W, T), zero where unknown.

    Every other line starts from here: level and slope change nothing of what follows and only cost digits,
    so many that the quadratic form of an exact line would look like noise.
    """
    known = np.isfinite(values)
    time, level = _about_mean(known, np.broadcast_to(years, values.shape)), _about_mean(known, values)
    length = (time**2).sum(axis=1)
    slope: Floats = (time * level).sum(axis=1) / np.where(length > 0, length, 1.0)
    return slope, np.where(known, level - slope[:, None] * time, 0.0)


def _about_mean(known: NDArray[np.bool_], values: NDArray[np.float64] | NDArray[np.int64]) -> Floats:
    """Return the known values about their own mean, zero where unknown."""
    n = np.maximum(known.sum(axis=1, keepdims=True), 1)
    mean = np.where(known, values, 0.0).sum(axis=1, keepdims=True) / n
    return np.where(known, values - mean, 0.0)
