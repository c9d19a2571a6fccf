"""The regression against scikit-learn's own predictions, and the moments against numerical integration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, linalg, stats
from sklearn.linear_model import BayesianRidge

from models.heads.regression import Form, fit_posterior, fit_regression, fit_stubborn, forward, moments
from monitoring.errors import ModelError

BACK = {"sqrt": lambda z: max(z, 0.0) ** 2, "log1p": lambda z: np.expm1(max(z, 0.0))}


@pytest.mark.parametrize("n_fourier", [0, 20])
@pytest.mark.parametrize("transform", ["sqrt", "log1p"])
def test_latent_mean_and_variance_equal_scikit_learns(transform: str, n_fourier: int) -> None:
    random = np.random.default_rng(1)
    embeddings, log_reads = random.normal(size=(90, 5)), random.normal(9, 0.5, 90)
    target = (4 + embeddings[:, 0] + 0.2 * random.normal(size=90)) ** 2
    ours = fit_regression(embeddings, log_reads, target, Form(transform, n_fourier), seed=3)
    features = ours._features(embeddings, log_reads)
    theirs = BayesianRidge(tol=1e-5).fit(features, forward(transform, target))
    mean, sd = theirs.predict(features, return_std=True)
    got_mean, got_variance = ours.latent(embeddings, log_reads)
    np.testing.assert_allclose(got_mean, mean, rtol=1e-9)
    np.testing.assert_allclose(got_variance + 1 / theirs.alpha_, sd**2, rtol=1e-9)


@given(st.sampled_from(["sqrt", "log1p"]), st.floats(-2, 6), st.floats(0.05, 1.5))
@settings(max_examples=40, deadline=None)
def test_moments_equal_numerical_integration(transform: str, mean: float, sd: float) -> None:
    density = stats.norm(mean, sd).pdf
    lowest, highest = max(mean - 12 * sd, 0.0), max(mean + 14 * sd, 1.0)

    def moment(order: int) -> float:
        def weighted(z: float) -> float:
            return float(BACK[transform](z) ** order * density(z))

        return float(integrate.quad(weighted, lowest, highest, limit=200, points=[max(mean, 0)])[0])

    first, second = moment(1), moment(2)
    got_mean, got_sd = moments(transform, np.array([mean]), np.array([sd**2]))
    assert got_mean[0] == pytest.approx(first, rel=1e-6, abs=1e-9)
    assert got_sd[0] ** 2 == pytest.approx(second - first**2, rel=1e-5, abs=1e-9)


def test_a_result_too_large_to_represent_is_no_estimate() -> None:
    mean, sd = moments("log1p", np.array([2000.0, 1.0]), np.array([1.0, 0.1]))
    assert np.isnan(mean).tolist() == np.isnan(sd).tolist() == [True, False]


def test_a_batch_boundary_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    embeddings, log_reads = random.normal(size=(70, 4)), np.zeros(70)
    target = 10 + embeddings[:, 0] ** 2
    model = fit_regression(embeddings, log_reads, target, Form("sqrt", 8), seed=1)
    whole = model.latent(embeddings, log_reads)
    monkeypatch.setattr("models.heads.regression.ROWS_PER_BATCH", 32)
    np.testing.assert_allclose(model.latent(embeddings, log_reads), whole, rtol=1e-12)


def dependent_features(n: int, m: int, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Features of a rank below their number, and a target that hangs on one of them."""
    random = np.random.default_rng(5)
    features = random.normal(size=(n, rank)) @ random.normal(size=(rank, m)) / np.sqrt(max(rank, 1) * m)
    features[:, m // 2] = 0.0
    return features, 10 + 40 * features[:, 0] + random.normal(size=n)


@pytest.fixture
def give_up(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let LAPACK's decompositions give up, as some builds do on dependent features and others do not."""
    genuine = linalg.svd

    def give_up(*drivers: str) -> None:
        def svd(*arguments: Any, lapack_driver: str = "gesdd", **more: Any) -> Any:
            if lapack_driver in drivers:
                raise np.linalg.LinAlgError("SVD did not converge")
            return genuine(*arguments, lapack_driver=lapack_driver, **more)

        monkeypatch.setattr(linalg, "svd", svd)

    return give_up


@pytest.mark.parametrize(
    ("n", "m", "rank"), [(120, 30, 4), (40, 60, 3), (80, 30, 29), (50, 50, 7), (30, 4, 0)]
)
def test_dependent_features_are_solved_where_lapack_gives_up(
    n: int, m: int, rank: int, give_up: Callable[..., None]
) -> None:
    features, target = dependent_features(n, m, rank)
    centred = features - features.mean(axis=0)
    assert not rank or np.linalg.cond(centred) > 1e15
    usual = fit_posterior(features, target)
    give_up("gesdd")
    found = fit_posterior(features, target)
    np.testing.assert_allclose(found.coefficients, usual.coefficients, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(
        found.covariance, usual.covariance, rtol=1e-6, atol=1e-9 * usual.covariance.max()
    )
    assert found.intercept == pytest.approx(usual.intercept, rel=1e-9)
    again = fit_posterior(features, target)
    assert (again.coefficients == found.coefficients).all()
    assert (again.covariance == found.covariance).all()


def test_independent_features_are_scikit_learns_to_the_last_bit() -> None:
    random = np.random.default_rng(6)
    features = random.normal(size=(90, 7))
    target = features[:, 0] + random.normal(size=90)
    ours, theirs = fit_posterior(features, target), BayesianRidge(tol=1e-5).fit(features, target)
    assert (ours.coefficients == theirs.coef_).all()
    assert (ours.covariance == theirs.sigma_).all()
    assert ours.intercept == theirs.intercept_
    slower = fit_stubborn(features, target)
    np.testing.assert_allclose(slower.coefficients, ours.coefficients, rtol=1e-9)
    np.testing.assert_allclose(slower.covariance, ours.covariance, rtol=1e-9, atol=1e-15)


def test_a_head_is_fitted_to_embeddings_of_one_direction(give_up: Callable[..., None]) -> None:
    random = np.random.default_rng(7)
    embeddings = np.outer(random.normal(size=60), random.normal(size=16))
    target = (8 + embeddings[:, 0]) ** 2
    give_up("gesdd")
    model = fit_regression(embeddings, np.zeros(60), target, Form("sqrt", 20), seed=1)
    mean, variance = model.latent(embeddings, np.zeros(60))
    np.testing.assert_allclose(mean, 8 + embeddings[:, 0], atol=0.1)
    assert (variance >= 0).all()


def test_what_no_decomposition_solves_is_one_clear_line(give_up: Callable[..., None]) -> None:
    give_up("gesdd", "gesvd")
    with pytest.raises(
        ModelError, match="regression on 40 samples of 6 features: cannot be solved"
    ) as refusal:
        fit_posterior(*dependent_features(40, 6, 2))
    assert "\n" not in str(refusal.value)
