"""The Bayesian regression where its features depend on each other, or say nothing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import BayesianRidge

from models.heads.candidates.bayesian import Posterior, fit_posterior
from monitoring.errors import ModelError

Array = NDArray[np.float64]


def dependent_features(n: int, m: int, rank: int) -> tuple[Array, Array]:
    """Features of a rank below their number, and a target that hangs on one of them."""
    random = np.random.default_rng(5)
    features = random.normal(size=(n, rank)) @ random.normal(size=(rank, m)) / np.sqrt(max(rank, 1) * m)
    features[:, m // 2] = 0.0
    return features, 10 + 40 * features[:, 0] + random.normal(size=n)


def variance(posterior: Posterior, features: Array) -> Array:
    centred = features - posterior.centre
    explained = centred @ posterior.known
    return np.asarray(posterior.prior_variance * (centred**2).sum(axis=1) - (explained**2).sum(axis=1))


@pytest.mark.parametrize(("n", "m", "rank"), [(120, 30, 4), (40, 60, 3), (80, 30, 29), (50, 50, 7)])
def test_dependent_features_are_solved_as_scikit_learn_does(n: int, m: int, rank: int) -> None:
    features, target = dependent_features(n, m, rank)
    assert np.linalg.cond(features - features.mean(axis=0)) > 1e15
    theirs = BayesianRidge(tol=1e-9, max_iter=5000).fit(features, target)
    ours = fit_posterior(features, target, np.ones(n))
    np.testing.assert_allclose(ours.mean(features), theirs.predict(features), rtol=1e-3)
    assert (variance(ours, features) >= -1e-12).all()


def test_features_that_never_vary_leave_the_mean_of_the_labels() -> None:
    features, target = dependent_features(30, 4, 0)
    ours = fit_posterior(features, target, np.ones(30))
    np.testing.assert_allclose(ours.mean(features), target.mean())
    np.testing.assert_array_equal(variance(ours, features), 0)


def test_embeddings_of_one_direction_are_fitted() -> None:
    random = np.random.default_rng(7)
    features = np.outer(random.normal(size=60), random.normal(size=16))
    ours = fit_posterior(features, 8 + features[:, 0], np.ones(60))
    np.testing.assert_allclose(ours.mean(features), 8 + features[:, 0], atol=1e-3)


def test_the_same_features_are_solved_to_the_last_bit_again() -> None:
    features, target = dependent_features(50, 50, 7)
    first, second = (fit_posterior(features, target, np.ones(50)) for _ in range(2))
    assert all(
        np.array_equal(one, two) for one, two in zip(vars(first).values(), vars(second).values(), strict=True)
    )


def test_what_cannot_be_solved_is_one_clear_line() -> None:
    features, target = dependent_features(40, 6, 2)
    features[3, 1] = np.inf
    with (
        pytest.raises(
            ModelError, match="regression on 40 samples of 6 features: cannot be solved"
        ) as refusal,
        np.errstate(invalid="ignore"),
    ):
        fit_posterior(features, target, np.ones(40))
    assert "\n" not in str(refusal.value)
