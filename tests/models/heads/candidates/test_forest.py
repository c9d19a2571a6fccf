"""The forest: scikit-learn's mean, Meinshausen's distribution, one fit one set of bytes."""

from copy import deepcopy
from functools import cache

import numpy as np
import pytest
import torch
from sklearn.ensemble import ExtraTreesRegressor

from models.heads.candidates import forest
from models.heads.candidates.contract import Training
from models.heads.candidates.forest import CANDIDATE, SETTINGS, Setting, quantile


@pytest.fixture(scope="module", autouse=True)
def few_trees():
    """Grow small forests: what is claimed here holds for any number of trees."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 12)
        patch.setattr(forest, "TREES_TO_TUNE", 4)
        yield


@pytest.fixture(scope="module")
def taught(few_trees):
    """The forest of `training()`."""
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
    monkeypatch.setattr(forest, "SETTINGS", (Setting("extra", 1.0, 5),))
    t, fresh = training(weight=np.linspace(0.5, 1.5, 240)), training(seed=1)
    theirs = ExtraTreesRegressor(12, max_features=1.0, min_samples_leaf=5, random_state=3)
    theirs.fit(np.column_stack([t.embeddings, t.effort]), t.latent, sample_weight=t.weight)
    said = theirs.predict(np.column_stack([fresh.embeddings, fresh.effort]))
    np.testing.assert_allclose(predict(CANDIDATE.fit(t, 3), fresh).mean, said, rtol=0, atol=1e-10)


def test_the_distribution_is_that_of_targets_in_the_same_leaves(monkeypatch):
    monkeypatch.setattr(forest, "SETTINGS", (Setting("extra", 1.0, 15),))
    t, fresh = training(n=600), training(n=20, seed=1)
    module = CANDIDATE.fit(t, 0)
    columns = [
        torch.from_numpy(np.column_stack([each.embeddings, each.effort])).float() for each in (fresh, t)
    ]
    own, others = (module.trees.leaves(each).numpy() for each in columns)
    together = own[:, None] == others  # (20, 600, T)
    weight = (together / together.sum(axis=1, keepdims=True)).mean(axis=2)
    mean = weight @ t.latent
    said = predict(module, fresh)
    np.testing.assert_allclose(said.variance, weight @ t.latent**2 - mean**2, rtol=1e-9)
    below = np.array(
        [(w * (t.latent <= low)).sum() for w, low in zip(weight, said.lower.numpy(), strict=True)]
    )
    assert np.abs(below - 0.05).max() < 0.05


def test_quantiles_lie_inside_their_bin():
    reached = torch.tensor([[0.5, 0.5, 1.0], [0.0, 1.0, 1.0]], dtype=torch.float64)
    edges = torch.tensor([0.0, 10.0, 20.0, 30.0], dtype=torch.float64)
    assert quantile(reached, edges, 0.25).tolist() == [5.0, 12.5]
    assert quantile(reached, edges, 0.75).tolist() == [25.0, 17.5]


def test_the_same_seed_gives_the_same_bytes(taught):
    first = taught.state_dict()
    second, other = (CANDIDATE.fit(training(), seed).state_dict() for seed in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["trees.threshold"], other["trees.threshold"])


def test_a_stored_forest_says_the_same_and_in_float32_nearly(taught):
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


def test_every_setting_can_be_grown():
    t = training(n=60)
    for setting in SETTINGS:
        assert len(forest._grow(forest.columns_of(t), t, setting, 2, 0).estimators_) == 2


def test_tensors_of_another_forest_are_refused(taught):
    kept = dict(taught.state_dict())
    with pytest.raises(ValueError, match="edges"):
        CANDIDATE.restore(kept | {"edges": torch.zeros(3, dtype=torch.float64)})
    with pytest.raises(KeyError):
        CANDIDATE.restore({name: value for name, value in kept.items() if name != "centre"})
