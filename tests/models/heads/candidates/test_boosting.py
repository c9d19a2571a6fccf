"""Boosted trees: they fit what is there, know their held-out error, and one fit is one set of bytes."""

from copy import deepcopy
from functools import cache

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingRegressor

from models.heads.candidates import boosting
from models.heads.candidates.boosting import CANDIDATE, Setting, coarse
from models.heads.candidates.contract import Training


@pytest.fixture(scope="module", autouse=True)
def few_trees():
    """Fit small models: what is claimed here holds for any number of trees."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boosting, "MOST_TREES", 30)
        yield


@pytest.fixture(scope="module")
def taught(few_trees):
    """The trees of `training()`."""
    return CANDIDATE.fit(training(), 0)


def training(n=240, d=4, groups=12, seed=0, **other):
    rng = np.random.default_rng(seed)
    x, effort = rng.normal(size=(n, d)), rng.normal(size=(n, 1))
    z = 5 + 2 * x[:, 0] + 0.5 * effort[:, 0] + rng.normal(0, 0.5, n)
    plain = {
        "embeddings": x,
        "effort": effort,
        "latent": z,
        "weight": np.ones(n),
        "group": np.arange(n) % groups,
    }
    return Training(**(plain | other))


def predict(module, t):
    with torch.inference_mode():
        return module(torch.from_numpy(t.embeddings), torch.from_numpy(t.effort))


def test_the_mean_is_that_of_scikit_learn(monkeypatch):
    monkeypatch.setattr(boosting, "SETTINGS", (Setting(4, 1.0),))
    x = np.random.default_rng(0).integers(0, 40, size=(240, 5)).astype(np.float64)  # few enough for own bins
    t = training(
        embeddings=x[:, :4], effort=x[:, 4:], latent=x[:, 0] + x[:, 4], weight=np.linspace(0.5, 1.5, 240)
    )
    module = CANDIDATE.fit(t, 0)
    theirs = HistGradientBoostingRegressor(
        max_iter=len(module.trees.root),
        max_leaf_nodes=None,
        max_depth=4,
        min_samples_leaf=10,
        max_bins=64,
        early_stopping=False,
    ).fit(coarse(x.astype(np.float32)), t.latent, sample_weight=t.weight)
    np.testing.assert_allclose(predict(module, t).mean, theirs.predict(x), rtol=0, atol=1e-10)


def test_a_coarse_column_is_the_nearest_of_64_quantiles():
    column = np.arange(640, dtype=np.float32)[:, None]
    few = coarse(column)
    assert len(np.unique(few)) == 64
    assert np.abs(few - column).max() <= 10
    np.testing.assert_array_equal(coarse(few), few)


def test_a_column_of_few_values_stays_as_it_is():
    column = (np.arange(640) % 3).astype(np.float32)[:, None]
    np.testing.assert_array_equal(coarse(column), column)


def test_nine_in_ten_fresh_samples_lie_in_the_raw_interval(taught):
    said, fresh = predict(taught, training(seed=1)), training(seed=1).latent
    inside = (said.lower.numpy() <= fresh) & (fresh <= said.upper.numpy())
    assert 0.8 < inside.mean() < 0.98


def test_the_variance_is_that_of_held_out_errors(taught):
    said, fresh = predict(taught, training(seed=1)), training(seed=1).latent
    assert 0.6 < said.variance[0].item() / np.mean((said.mean.numpy() - fresh) ** 2) < 1.6


def test_the_same_seed_gives_the_same_bytes(taught):
    first, second = taught.state_dict(), CANDIDATE.fit(training(), 0).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_stored_trees_say_the_same_and_in_float32_nearly(taught):
    t = training()
    again = CANDIDATE.restore({name: tensor.clone() for name, tensor in taught.state_dict().items()})
    for said, kept in zip(predict(taught, t), predict(again, t), strict=True):
        assert torch.equal(said, kept)
    narrow = again.float()(torch.from_numpy(t.embeddings).float(), torch.from_numpy(t.effort).float())
    for said, short in zip(predict(taught, t), narrow, strict=True):
        assert short.dtype == torch.float32
        torch.testing.assert_close(short.double(), said, rtol=1e-4, atol=1e-4)


def test_more_effort_finds_more(taught):
    low, high = (predict(taught, training(effort=np.full((240, 1), e))).mean.mean() for e in (-1.5, 1.5))
    assert high - low > 0.3


def test_a_heavy_half_of_the_samples_pulls_the_mean():
    x = np.zeros((100, 2))
    t = training(
        100,
        embeddings=x,
        effort=x[:, :0],
        latent=np.arange(100) % 2.0,
        weight=1.8 - 1.6 * (np.arange(100) % 2),
    )
    torch.testing.assert_close(predict(CANDIDATE.fit(t, 0), t).mean.mean().item(), 0.1, atol=0.05, rtol=0)


RUBBISH = {
    "constant columns": training(embeddings=np.ones((240, 4)), effort=np.ones((240, 1))),
    "no effort": training(effort=np.zeros((240, 0))),
    "constant target": training(latent=np.full(240, 7.0)),
    "constant target of 0": training(latent=np.zeros(240)),
    "two values": training(latent=np.arange(240) % 2.0),
    "two groups": training(groups=2),
    "two groups, one of one row": training(group=np.r_[7, np.zeros(239, np.int64)]),
    "one group": training(groups=1),
    "50 rows": training(n=50, d=128, groups=9),
    "duplicate rows": training().rows(np.arange(240) // 20),
}


@cache
def fitted_to_rubbish(name):
    return CANDIDATE.fit(RUBBISH[name], 0)


@pytest.mark.parametrize("name", RUBBISH)
@pytest.mark.parametrize("number_format", [torch.float64, torch.float32])
def test_rubbish_gives_finite_numbers_in_order(name, number_format):
    t, module = RUBBISH[name], deepcopy(fitted_to_rubbish(name)).to(number_format)
    said = module(*(torch.from_numpy(each).to(number_format) for each in (t.embeddings, t.effort)))
    assert all(each.isfinite().all() and each.dtype == number_format for each in said)
    assert (said.variance > 0).all()
    assert (said.lower < said.mean).all()
    assert (said.mean < said.upper).all()


def test_tensors_of_something_else_are_refused(taught):
    kept = dict(taught.state_dict())
    with pytest.raises(ValueError, match="one number"):
        CANDIDATE.restore(kept | {"below": torch.zeros(3, dtype=torch.float64)})
    with pytest.raises(KeyError):
        CANDIDATE.restore({name: value for name, value in kept.items() if name != "baseline"})
