"""The regression against scikit-learn's own predictions, and the moments against numerical integration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from sklearn.linear_model import BayesianRidge

from models.heads.regression import Form, fit_regression, forward, moments

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
