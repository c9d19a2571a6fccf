"""The ridge, and the Bayesian regression beneath it, against scikit-learn's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import BayesianRidge

from models.heads.candidates.bayesian import chosen_inside, fit_posterior, standard_of
from models.heads.candidates.contract import Z_90, Latent, Training
from models.heads.candidates.ridge import CANDIDATE
from models.heads.candidates.waves import BUFFERS

Array = NDArray[np.float64]


def training(n: int = 90, dims: int = 5, seed: int = 1, efforts: int = 1) -> Training:
    random = np.random.default_rng(seed)
    embeddings, effort = random.normal(3, 2, (n, dims)), random.normal(9, 0.5, (n, efforts))
    latent = 4 + embeddings[:, 0] + effort.sum(axis=1) + 0.3 * random.normal(size=n)
    return Training(embeddings, effort, latent, np.ones(n), np.arange(n) % 6)


def predicted(rows: Training, at: Training | None = None) -> Latent:
    at = at or rows
    return Latent(*CANDIDATE.fit(rows, 0)(torch.tensor(at.embeddings), torch.tensor(at.effort)))


@pytest.mark.parametrize(("n", "dims"), [(90, 5), (20, 40)])
def test_mean_and_variance_are_those_of_scikit_learn(n: int, dims: int) -> None:
    random = np.random.default_rng(3)
    features = random.normal(size=(n, 4)) @ random.normal(size=(4, dims))
    target = features[:, 0] + 0.5 * random.normal(size=n)
    theirs = BayesianRidge(tol=1e-9, max_iter=5000).fit(features, target)
    ours = fit_posterior(features, target, np.ones(n))
    np.testing.assert_allclose(ours.mean(features), theirs.predict(features), rtol=1e-3, atol=1e-3)
    covariance = ours.prior_variance * np.eye(dims) - ours.known @ ours.known.T
    centred = features - features.mean(axis=0)
    variance = np.einsum("nm,mk,nk->n", centred, covariance, centred)
    stated = np.einsum("nm,mk,nk->n", centred, theirs.sigma_, centred)
    assert np.all(variance >= stated * (1 - 1e-3))
    assert variance.mean() <= stated.mean() + 0.021 * (stated.mean() + 1 / theirs.alpha_)


def test_a_weight_of_two_is_the_same_row_twice() -> None:
    rows = training()
    twice = rows.rows(np.concatenate([np.arange(90), np.arange(30)]))
    weighted = Training(*{**vars(rows), "weight": np.where(np.arange(90) < 30, 2.0, 1.0)}.values())
    for one, other in zip(predicted(weighted), predicted(twice, rows), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


def test_the_interval_is_that_of_a_normal() -> None:
    latent = predicted(training())
    torch.testing.assert_close(latent.upper - latent.mean, Z_90 * latent.variance.sqrt())
    assert (latent.lower < latent.mean).all()


def test_more_effort_is_expected_to_find_more() -> None:
    rows = training()
    more = Training(*{**vars(rows), "effort": rows.effort + 1}.values())
    assert float((predicted(rows, more).mean - predicted(rows).mean).mean()) == pytest.approx(1, abs=0.2)


def test_without_effort_it_still_fits() -> None:
    rows = training(efforts=0)
    assert float(np.std(predicted(rows).mean.numpy() - rows.latent)) < 0.4


def test_a_constant_dimension_changes_no_mean() -> None:
    rows = training()
    wider = Training(
        *{**vars(rows), "embeddings": np.column_stack([rows.embeddings, np.full(90, 7.1)])}.values()
    )
    torch.testing.assert_close(predicted(rows).mean, predicted(wider).mean, rtol=1e-4, atol=1e-4)


def test_standard_columns_have_weighted_mean_0_and_sd_1() -> None:
    values, weight = np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([1.5, 0.5])
    standard = standard_of(values, weight)
    np.testing.assert_allclose(standard.mean, [1.5, 5.0])
    np.testing.assert_allclose(standard.scale, [np.sqrt(0.75), 1.0])


def test_a_stored_module_predicts_to_the_bit_what_the_fitted_one_does() -> None:
    rows = training()
    module = CANDIDATE.fit(rows, 0)
    again = CANDIDATE.restore(module.state_dict())
    x, e = torch.tensor(rows.embeddings), torch.tensor(rows.effort)
    assert all(torch.equal(a, b) for a, b in zip(module(x, e), again(x, e), strict=True))


def test_a_state_that_does_not_fit_is_refused() -> None:
    state = dict(CANDIDATE.fit(training(), 0).state_dict())
    assert set(state) == set(BUFFERS)
    with pytest.raises(ValueError, match="known: 5 rows, must be 6"):
        CANDIDATE.restore(state | {"known": state["known"][:5]})
    with pytest.raises(KeyError, match="level"):
        CANDIDATE.restore({name: each for name, each in state.items() if name != "level"})


def _offset_by(rows: Training, option: float) -> Array:
    return np.full(len(rows.latent), option)


def test_inner_folds_choose_the_option_that_predicts_unseen_groups_best() -> None:
    rows = training()
    mean = float(rows.latent.mean())
    found = chosen_inside((0.0, mean, 99.0), 0.0, rows, lambda _, option: lambda at: _offset_by(at, option))
    assert found == mean


def test_with_one_group_the_default_is_taken() -> None:
    rows = training()
    alone = Training(*{**vars(rows), "group": np.zeros(90, np.int64)}.values())
    assert chosen_inside((0.0, 13.0), 0.0, alone, lambda _, option: lambda at: _offset_by(at, option)) == 0.0
