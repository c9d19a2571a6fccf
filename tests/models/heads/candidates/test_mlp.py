"""The ensemble of networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.heads.candidates import mlp
from models.heads.candidates.contract import Training


@pytest.fixture(scope="module", autouse=True)
def _short() -> Iterator[None]:
    """A short training of narrow networks is enough to see what a fit does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mlp, "HIDDEN", (16, 16))
        patch.setattr(mlp, "LOOK_EVERY", 60)
        patch.setattr(mlp, "LOOKS", 3)
        yield


@pytest.fixture(scope="module")
def taught(_short: None) -> torch.nn.Module:
    """The ensemble of 600 rows."""
    return mlp.fit(training(600), 0)


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hardly any steps: for what holds of a fit however little it has learnt."""
    monkeypatch.setattr(mlp, "LOOK_EVERY", 10)


def training(n: int = 200, dims: int = 4, groups: int = 10, efforts: int = 0, seed: int = 0) -> Training:
    """Return rows whose target is the square of the first column, and noise that grows with the second."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, dims))
    noise = np.where(x[:, 1] > 0, 0.5, 0.05) * rng.normal(size=n)
    return Training(x, rng.normal(size=(n, efforts)), x[:, 0] ** 2 + noise, np.ones(n), np.arange(n) % groups)


def predicted(module: torch.nn.Module, rows: Training) -> list[np.ndarray]:
    with torch.inference_mode():
        latent = module(torch.from_numpy(rows.embeddings), torch.from_numpy(rows.effort))
    return [each.numpy() for each in latent]


def test_a_curve_is_learnt_that_no_line_can_follow(taught: torch.nn.Module) -> None:
    fresh = training(seed=1)
    mean = predicted(taught, fresh)[0]
    assert np.mean((mean - fresh.latent) ** 2) < 0.4 * fresh.latent.var()


def test_where_labels_scatter_more_the_stated_variance_is_larger(taught: torch.nn.Module) -> None:
    fresh = training(seed=1)
    variance = predicted(taught, fresh)[1]
    noisy = fresh.embeddings[:, 1] > 0
    assert np.median(variance[noisy]) > 1.2 * np.median(variance[~noisy])


def test_mean_and_variance_are_those_of_a_mixture_of_two_members() -> None:
    # Two members without hidden layers: means 1 and 3 whatever the input, variances e^0 and e^0.
    tensors = {
        "weight_0": torch.zeros(2, 1, 2, dtype=torch.float64),
        "bias_0": torch.tensor([[[1.0, 0.0]], [[3.0, 0.0]]], dtype=torch.float64),
        "center": torch.zeros(1, dtype=torch.float64),
        "scale": torch.ones(1, dtype=torch.float64),
        **{name: torch.tensor(0.0, dtype=torch.float64) for name in ("latent_center", "least")},
        **{name: torch.tensor(1.0, dtype=torch.float64) for name in ("latent_scale", "stretch")},
    }
    mean, variance, lower, upper = mlp.restore(tensors)(torch.zeros(1, 1), torch.zeros(1, 0))
    assert (mean.item(), variance.item()) == (2.0, 2.0)  # E[v] + Var[m] = 1 + 1
    assert upper.item() - mean.item() == pytest.approx(1.6449 * 2**0.5, rel=1e-4)
    assert mean.item() - lower.item() == pytest.approx(1.6449 * 2**0.5, rel=1e-4)


def test_ninety_per_cent_intervals_hold_most_fresh_samples(taught: torch.nn.Module) -> None:
    fresh = training(1000, seed=1)
    _, _, lower, upper = predicted(taught, fresh)
    assert 0.8 < np.mean((fresh.latent > lower) & (fresh.latent < upper)) < 0.99


@pytest.mark.usefixtures("_hasty")
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    once, again, other = (mlp.fit(training(60), seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(once[name], again[name]) for name in once)
    assert not torch.equal(once["weight_0"], other["weight_0"])


@pytest.mark.usefixtures("_hasty")
def test_a_fit_leaves_the_global_random_numbers_alone() -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    mlp.fit(training(60), 0)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.usefixtures("_hasty")
def test_a_stored_ensemble_predicts_the_same() -> None:
    rows = training(60, efforts=1)
    module = mlp.fit(rows, 0)
    for one, two in zip(
        predicted(module, rows), predicted(mlp.restore(module.state_dict()), rows), strict=True
    ):
        np.testing.assert_array_equal(one, two)


@pytest.mark.usefixtures("_hasty")
def test_everything_stored_is_float64_and_the_module_serves_in_float32() -> None:
    rows = training(60)
    module = mlp.fit(rows, 0)
    assert {each.dtype for each in module.state_dict().values()} == {torch.float64}
    exact = predicted(module, rows)[0]
    quick = module.float()(torch.from_numpy(rows.embeddings).float(), torch.zeros(60, 0))
    assert quick.mean.dtype == torch.float32
    np.testing.assert_allclose(quick.mean.numpy(), exact, rtol=1e-4, atol=1e-4)


def test_more_effort_predicts_more_where_labels_rise_with_effort() -> None:
    rng = np.random.default_rng(0)
    effort = rng.normal(size=(200, 1))
    rows = Training(np.zeros((200, 2)), effort, 3 * effort[:, 0], np.ones(200), np.arange(200) % 5)
    little, much = (
        mlp.fit(rows, 0)(torch.zeros(1, 2), torch.full((1, 1), level)).mean.item() for level in (-1.0, 1.0)
    )
    assert little == pytest.approx(-3, abs=1)
    assert much == pytest.approx(3, abs=1)


def test_rows_that_weigh_next_to_nothing_are_next_to_ignored() -> None:
    rows = training(200)
    spoilt = np.arange(200) % 2 == 0
    latent = np.where(spoilt, 100.0, rows.latent)
    weight = np.where(spoilt, 1e-9, 2.0)
    module = mlp.fit(Training(rows.embeddings, rows.effort, latent, weight, rows.group), 0)
    assert np.abs(predicted(module, rows)[0]).max() < 20


@pytest.mark.usefixtures("_hasty")
@pytest.mark.parametrize("groups", [1, 2])
def test_one_or_two_groups_still_make_an_ensemble(groups: int) -> None:
    rows = training(50, groups=groups)
    mean, variance, lower, upper = predicted(mlp.fit(rows, 0), rows)
    assert np.isfinite(variance).all()
    assert (lower < mean).all()
    assert (mean < upper).all()


@pytest.mark.usefixtures("_hasty")
def test_a_constant_column_is_no_error() -> None:
    rows = training(60)
    wider = replace(rows, embeddings=np.column_stack([rows.embeddings, np.full(60, 0.1)]))
    module = mlp.fit(wider, 0)
    assert module.get_buffer("scale")[-1] == 1
    assert all(np.isfinite(each).all() for each in predicted(module, wider))


@pytest.mark.usefixtures("_hasty")
def test_equal_labels_are_predicted_with_an_interval_that_float32_can_tell_apart() -> None:
    rows = training(60)
    same = replace(rows, latent=np.full(60, 80.0))
    mean, _, lower, upper = mlp.fit(same, 0).float()(
        torch.from_numpy(rows.embeddings).float(), torch.zeros(60, 0)
    )
    torch.testing.assert_close(mean, torch.full((60,), 80.0), atol=0.1, rtol=0)
    assert (lower < mean).all()
    assert (mean < upper).all()


def test_tensors_of_something_else_are_refused(taught: torch.nn.Module) -> None:
    tensors = dict(taught.state_dict())
    with pytest.raises(KeyError, match="mlp: holds center"):
        mlp.restore({"center": tensors["center"]})
    with pytest.raises(ValueError, match=r"mlp: weight_1 \(5, 3, 16\): must be \(5, 16, 16\)"):
        mlp.restore(tensors | {"weight_1": torch.zeros(5, 3, 16)})
    with pytest.raises(ValueError, match="mlp: weight_0"):
        mlp.restore(tensors | {"weight_0": torch.tensor(1.0)})
