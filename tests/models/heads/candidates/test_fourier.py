"""The two approximate Gaussian processes: random Fourier features, and landmarks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern

from models.heads.candidates import fourier, landmarks, ridge
from models.heads.candidates.contract import Candidate, Latent, Training

PROCESSES = (fourier.CANDIDATE, landmarks.CANDIDATE)


def curved(n: int = 160, seed: int = 0) -> Training:
    """A target that no plane follows: a ring in two of three dimensions."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 3))
    latent = np.cos(2 * np.hypot(x[:, 0], x[:, 1])) + 0.1 * random.normal(size=n)
    return Training(x, random.normal(size=(n, 1)), latent, np.ones(n), np.arange(n) % 8)


def told(module: torch.nn.Module, rows: Training, dtype: torch.dtype = torch.float64) -> Latent:
    return Latent(*module(torch.tensor(rows.embeddings, dtype=dtype), torch.tensor(rows.effort, dtype=dtype)))


def rmse(candidate: Candidate, rows: Training, apart: Training) -> float:
    mean = told(candidate.fit(rows, 0), apart).mean.numpy()
    return float(np.sqrt(np.mean((mean - apart.latent) ** 2)))


@pytest.mark.parametrize("candidate", PROCESSES, ids=lambda each: each.name)
def test_a_curve_is_followed_where_the_ridge_cannot(candidate: Candidate) -> None:
    rows, apart = curved(), curved(seed=1)
    assert rmse(candidate, rows, apart) < 0.7 * rmse(ridge.CANDIDATE, rows, apart)


@pytest.mark.parametrize("candidate", PROCESSES, ids=lambda each: each.name)
def test_the_same_seed_gives_the_same_bits_and_storage_keeps_them(candidate: Candidate) -> None:
    rows = curved(60)
    module = candidate.fit(rows, 5)
    for other in (candidate.fit(rows, 5), candidate.restore(module.state_dict())):
        assert all(torch.equal(a, b) for a, b in zip(told(module, rows), told(other, rows), strict=True))


@pytest.mark.parametrize("candidate", PROCESSES, ids=lambda each: each.name)
def test_float32_serves_what_float64_fitted(candidate: Candidate) -> None:
    rows = curved()
    module = candidate.fit(rows, 0)
    exact, served = told(module, rows), told(module.float(), rows, torch.float32)
    np.testing.assert_allclose(served.mean, exact.mean, atol=2e-4)
    # Beside the residual variance that is added to it, a thousandth of the labels' own is nothing.
    np.testing.assert_allclose(served.variance, exact.variance, atol=1e-3 * rows.latent.var())


@pytest.mark.parametrize("candidate", PROCESSES, ids=lambda each: each.name)
def test_one_group_of_samples_is_enough(candidate: Candidate) -> None:
    rows = curved(40)
    alone = Training(*{**vars(rows), "group": np.zeros(40, np.int64)}.values())
    assert bool(told(candidate.fit(alone, 0), rows).mean.isfinite().all())


def test_the_kernel_of_many_waves_is_the_squared_exponential() -> None:
    frequencies, phases = fourier.draw_waves(4, 1.0, 0)
    x = np.random.default_rng(1).normal(size=(30, 4))
    waves = np.cos(x @ frequencies + phases) * np.sqrt(2 / fourier.N_WAVES)
    squares = ((x[:, None] - x) ** 2).sum(axis=2)
    # The mean of 512 products has an sd of at most sqrt(1.5 / 512) = 0.054.
    np.testing.assert_allclose(waves @ waves.T, np.exp(-squares / (2 * 2 * 4)), atol=0.25)
    assert np.abs(waves @ waves.T - np.exp(-squares / 16)).mean() < 0.06


def test_the_covariance_is_scikit_learns_matern_plus_linear() -> None:
    x = np.random.default_rng(1).normal(size=(20, 4))
    kernel = Matern(1.7, nu=1.5) + ConstantKernel(1 / 4) * DotProduct(0.0, "fixed")
    points, none = torch.tensor(x), torch.empty(20, 0, dtype=torch.float64)
    ours = landmarks.covariance(points, none, points, none, torch.tensor(1.7, dtype=torch.float64))
    np.testing.assert_allclose(ours, kernel(x), atol=1e-6)


def test_far_from_every_sample_the_variance_of_landmarks_returns_to_the_priors() -> None:
    rows = curved()
    module = landmarks.CANDIDATE.fit(rows, 0)
    near = told(module, rows).variance.max()
    far = Training(*{**vars(rows), "embeddings": rows.embeddings + 30}.values())
    assert float(told(module, far).variance.min()) > 3 * float(near)
