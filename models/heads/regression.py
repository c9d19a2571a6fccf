"""The regression inside a head: embeddings and sampling effort to a mean and sd in the target's unit.

Bayesian ridge (MacKay 1992, Neural Computation 4:415) on standardised embeddings, optionally widened by
random Fourier features (Rahimi and Recht 2007), which makes it an approximate Gaussian process. It works on
a transformed target; means and sds come back through the exact moments of the rectified normal, so that
they are unbiased by the transform and never negative.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.special import ndtr
from sklearn.linear_model import BayesianRidge

from models.heads.folds import Folds
from monitoring.errors import ModelError

Array = NDArray[np.float64]

#: Rows predicted at a time: 16,384 x 385 features in float64 are 50 MB.
ROWS_PER_BATCH = 16_384
#: Residual variance never falls below this share of the target's own: no sample table is free of noise.
LEAST_RESIDUAL_SHARE = 1e-4
#: The iteration ends when all coefficients together move less than this, or after this many steps.
TOLERANCE, MOST_STEPS = 1e-5, 300
#: Shape and rate of the gamma priors on both precisions: as good as none.
VAGUE = 1e-6
#: Two-sided 90 % of a normal distribution, in sds.
Z_90 = 1.6448536269514722


@dataclass(frozen=True)
class Form:
    """What is chosen by spatial cross-validation."""

    transform: str
    """`sqrt` or `log1p`."""
    n_fourier: int = 0
    """Random Fourier features beside the embedding itself; 0 = linear."""


@dataclass(frozen=True)
class Regression:
    """A fitted regression of D embedding dimensions through M features."""

    form: Form
    embedding_mean: Array
    """(D,)"""
    embedding_scale: Array
    """(D,) sd of each dimension over the training samples; 1 where it does not vary."""
    effort_mean: float
    effort_scale: float
    """Mean and sd of log reads over the training samples."""
    frequencies: Array
    """(D, R) random directions of the Fourier features."""
    phases: Array
    """(R,)"""
    feature_mean: Array
    """(M,)"""
    coefficients: Array
    """(M,)"""
    intercept: float
    covariance_factor: Array
    """(M, M) whose product with its own transpose is the posterior covariance of the coefficients."""
    residual_variance: float
    """Variance that cross-validation left beyond the posterior's, on the transformed scale."""

    def predict(self, embeddings: Array, log_reads: Array) -> tuple[Array, Array]:
        """Return (mean, sd), both (n,) in the target's unit; a result too large to represent is NaN."""
        mean, posterior = self.latent(embeddings, log_reads)
        return moments(self.form.transform, mean, posterior + self.residual_variance)

    def latent(self, embeddings: Array, log_reads: Array) -> tuple[Array, Array]:
        """Return (mean, posterior variance), both (n,) on the transformed scale."""
        starts = range(0, len(embeddings), ROWS_PER_BATCH)
        parts = [slice(start, start + ROWS_PER_BATCH) for start in starts]
        batches = [self._latent(embeddings[part], log_reads[part]) for part in parts]
        if not batches:
            return np.empty(0), np.empty(0)
        return np.concatenate([mean for mean, _ in batches]), np.concatenate([var for _, var in batches])

    def _latent(self, embeddings: Array, log_reads: Array) -> tuple[Array, Array]:
        centred = self._features(embeddings, log_reads) - self.feature_mean
        spread = centred @ self.covariance_factor
        return centred @ self.coefficients + self.intercept, np.einsum("nm,nm->n", spread, spread)

    def _features(self, embeddings: Array, log_reads: Array) -> Array:
        standard = (embeddings - self.embedding_mean) / self.embedding_scale
        effort = (log_reads - self.effort_mean) / self.effort_scale
        waves = np.cos(standard @ self.frequencies + self.phases)
        return _features(standard, effort, waves)


def _features(standard: Array, effort: Array, waves: Array) -> Array:
    # Each block gets unit prior variance in total, whatever its width, so that none drowns another.
    linear = standard / np.sqrt(max(standard.shape[1], 1))
    return np.column_stack([linear, effort, waves * np.sqrt(2.0 / max(waves.shape[1], 1))])


def fit_regression(embeddings: Array, log_reads: Array, target: Array, form: Form, seed: int) -> Regression:
    """Return the regression of target (n,) on embeddings (n, D) and log reads (n,); its residual
    variance is 0 until cross-validation has spoken."""
    mean, scale = embeddings.mean(axis=0), _scale(embeddings)
    effort_mean, effort_scale = float(log_reads.mean()), float(_scale(log_reads))
    standard = (embeddings - mean) / scale
    frequencies, phases = _draw_waves(standard, form.n_fourier, seed)
    waves = np.cos(standard @ frequencies + phases)
    features = _features(standard, (log_reads - effort_mean) / effort_scale, waves)
    posterior = fit_posterior(features, forward(form.transform, target))
    feature_mean = features.mean(axis=0)
    return Regression(
        form=form,
        embedding_mean=mean,
        embedding_scale=scale,
        effort_mean=effort_mean,
        effort_scale=effort_scale,
        frequencies=frequencies,
        phases=phases,
        feature_mean=feature_mean,
        coefficients=posterior.coefficients,
        intercept=float(posterior.intercept + feature_mean @ posterior.coefficients),
        covariance_factor=_factor(posterior.covariance),
        residual_variance=0.0,
    )


@dataclass(frozen=True)
class Posterior:
    """What a Bayesian ridge says of M coefficients."""

    coefficients: Array
    """(M,) posterior mean."""
    intercept: float
    covariance: Array
    """(M, M)"""


def fit_posterior(features: Array, target: Array) -> Posterior:
    """Return the Bayesian ridge of target (n,) on features (n, M), of whatever rank; ModelError if none.

    LAPACK's fast singular value decomposition, which scikit-learn takes, may give up on features that depend
    on each other; then the same estimate is made from the slower one, which does not.
    """
    try:
        ridge = BayesianRidge(tol=TOLERANCE, max_iter=MOST_STEPS).fit(features, target)
    except np.linalg.LinAlgError:
        return fit_stubborn(features, target)
    return Posterior(ridge.coef_, float(ridge.intercept_), ridge.sigma_)


def fit_stubborn(features: Array, target: Array) -> Posterior:
    """Return what `fit_posterior` does, by QR iteration; equal but for rounding."""
    (n, m), offset, level = features.shape, features.mean(axis=0), float(target.mean())
    try:
        left, strength, axes = linalg.svd(features - offset, full_matrices=n < m, lapack_driver="gesvd")
    except np.linalg.LinAlgError as error:
        raise ModelError(f"regression on {n} samples of {m} features: cannot be solved: {error}") from error
    varying, known = axes[: len(strength)], np.zeros(m)
    noise, prior = _precisions(left, strength, varying, target - level)
    coefficients = _along(left, strength, target - level, prior / noise) @ varying
    known[: len(strength)] = noise * strength**2
    covariance = axes.T @ (axes / (known + prior)[:, np.newaxis])
    return Posterior(coefficients, level - float(offset @ coefficients), covariance)


def _along(left: Array, strength: Array, target: Array, ratio: float) -> Array:
    """Return the posterior mean along each principal axis, `ratio` being prior over noise precision."""
    return np.asarray(strength * (left.T @ target) / (strength**2 + ratio))


def _precisions(left: Array, strength: Array, axes: Array, target: Array) -> tuple[float, float]:
    """Return the precisions of noise and prior that MacKay's iteration settles at."""
    noise, prior = 1.0 / (float(target.var()) + float(np.finfo(np.float64).eps)), 1.0
    before = np.full(axes.shape[1], np.inf)
    for _ in range(MOST_STEPS):
        along = _along(left, strength, target, prior / noise)
        coefficients = along @ axes
        determined = float(np.sum(noise * strength**2 / (prior + noise * strength**2)))
        misfit = float(np.sum((target - left @ (strength * along)) ** 2))
        prior = (determined + 2 * VAGUE) / (float(np.sum(along**2)) + 2 * VAGUE)
        noise = (len(target) - determined + 2 * VAGUE) / (misfit + 2 * VAGUE)
        if np.abs(before - coefficients).sum() < TOLERANCE:
            break
        before = coefficients
    return noise, prior


def _scale(values: Array) -> Array:
    spread = values.std(axis=0)
    return np.where(spread > 0, spread, 1.0)


def _draw_waves(standard: Array, n_fourier: int, seed: int) -> tuple[Array, Array]:
    # Length scale: the root mean square distance between two samples, sqrt(2 D) once standardised.
    random = np.random.default_rng(seed)
    dims = standard.shape[1]
    frequencies = random.standard_normal((dims, n_fourier)) / np.sqrt(2.0 * dims)
    return frequencies, random.uniform(0, 2 * np.pi, n_fourier)


def _factor(covariance: Array) -> Array:
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


@dataclass(frozen=True)
class Validation:
    """Predictions of every sample by models that did not see its fold."""

    mean: Array
    """(n,) in the target's unit, at each sample's own sampling effort."""
    sd: Array
    """(n,) with the residual variance estimated from the other folds only."""
    residual_variance: float
    """On the transformed scale, from all folds."""

    def inside_90(self, observed: Array) -> NDArray[np.bool_]:
        """Return (n,) True where the observation is within mean -+ 1.645 sd."""
        return np.abs(observed - self.mean) <= Z_90 * self.sd


def cross_validate(
    embeddings: Array, log_reads: Array, target: Array, folds: Folds, form: Form, seed: int
) -> Validation:
    """Return what models fitted without each fold predict for it."""
    mean, posterior, residual = np.empty_like(target), np.empty_like(target), np.empty_like(target)
    for training, held_out in folds.splits():
        model = fit_regression(embeddings[training], log_reads[training], target[training], form, seed)
        mean[held_out], posterior[held_out] = model.latent(embeddings[held_out], log_reads[held_out])
    latent_target = forward(form.transform, target)
    excess = (latent_target - mean) ** 2 - posterior
    floor = LEAST_RESIDUAL_SHARE * float(latent_target.var())
    for training, held_out in folds.splits():
        residual[held_out] = max(float(excess[training].mean()), floor)
    return Validation(*moments(form.transform, mean, posterior + residual), max(float(excess.mean()), floor))


def with_residual(regression: Regression, residual_variance: float) -> Regression:
    """Return the regression with the residual variance that cross-validation found."""
    return replace(regression, residual_variance=residual_variance)


def forward(transform: str, target: Array) -> Array:
    """Return the target on the transformed scale; target >= 0."""
    return np.sqrt(target) if transform == "sqrt" else np.log1p(target)


def moments(transform: str, mean: Array, variance: Array) -> tuple[Array, Array]:
    """Return (mean, sd) in the target's unit of a latent normal cut at zero and transformed back.

    Exact, so no separate correction for the bias of back-transforming is due.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        first, second = _MOMENTS[transform](mean, variance)
        first = np.maximum(first, 0.0)
        sd = np.sqrt(np.maximum(second - first**2, 0.0))
        finite = np.isfinite(first) & np.isfinite(sd)
    return np.where(finite, first, np.nan), np.where(finite, sd, np.nan)


def _square_moments(m: Array, v: Array) -> tuple[Array, Array]:
    """First two moments of max(Z, 0)**2 for Z ~ N(m, v)."""
    s = np.sqrt(v)
    below, density = ndtr(m / s), np.exp(-0.5 * m**2 / v) / np.sqrt(2 * np.pi)
    first = (m**2 + v) * below + m * s * density
    second = (m**4 + 6 * m**2 * v + 3 * v**2) * below + (m**3 * s + 5 * m * s**3) * density
    return first, second


def _expm1_moments(m: Array, v: Array) -> tuple[Array, Array]:
    """First two moments of expm1(max(Z, 0)) for Z ~ N(m, v)."""
    s = np.sqrt(v)
    zeroth = ndtr(m / s)
    once = np.exp(m + v / 2) * ndtr((m + v) / s)
    twice = np.exp(2 * (m + v)) * ndtr((m + 2 * v) / s)
    return once - zeroth, twice - 2 * once + zeroth


_MOMENTS: dict[str, Callable[[Array, Array], tuple[Array, Array]]] = {
    "sqrt": _square_moments,
    "log1p": _expm1_moments,
}
