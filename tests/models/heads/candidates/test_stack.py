"""The stack: weights, what is kept, what comes back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch import nn

from models.heads.candidates.contract import Candidate, Latent, Spread, Training
from models.heads.candidates.stack import make_stack, simplex_weights


class Column(nn.Module):
    """Predicts a multiple of one column, with a fixed variance and half-width."""

    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.register_buffer("slope", tensors["slope"])

    def forward(self, embeddings: torch.Tensor, effort: torch.Tensor) -> Latent:
        mean = embeddings @ self.get_buffer("slope")
        return Latent(mean, torch.ones_like(mean), mean - 1, mean + 2)


def column(
    number: int, slope: float = 1.0, spread: Spread = Spread.PREDICTIVE, is_fast: bool = True
) -> Candidate:
    """Return a candidate that predicts the column of that number, of three."""

    def fit(_training: Training, _seed: int) -> nn.Module:
        return Column({"slope": slope * torch.eye(3, dtype=torch.float64)[number]})

    return Candidate(f"column_{number}", "a column", spread, is_fast, 1.0, fit, Column)


def rows(latent: np.ndarray, embeddings: np.ndarray, weight: np.ndarray | None = None) -> Training:
    n = len(latent)
    return Training(
        embeddings, np.empty((n, 0)), latent, np.ones(n) if weight is None else weight, np.arange(n) % 6
    )


def sample(n: int = 300) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 3))


def parts(module: nn.Module, embeddings: np.ndarray) -> Latent:
    return module(torch.from_numpy(embeddings), torch.empty(len(embeddings), 0, dtype=torch.float64))


def test_a_target_that_is_three_parts_of_one_and_one_of_another_gets_these_weights() -> None:
    x = sample()
    module = make_stack({"a": column(0), "b": column(1)}).fit(rows(0.75 * x[:, 0] + 0.25 * x[:, 1], x), 0)
    tensors = module.state_dict()
    assert tensors["a.weight"].item() == pytest.approx(0.75)
    assert tensors["b.weight"].item() == pytest.approx(0.25)


def test_a_member_without_weight_is_left_out() -> None:
    x = sample()
    module = make_stack({"a": column(0), "b": column(1)}).fit(rows(x[:, 0], x), 0)
    assert {key.split(".")[0] for key in module.state_dict()} == {"a"}
    np.testing.assert_allclose(parts(module, x).mean.numpy(), x[:, 0])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_no_other_weights_on_the_simplex_err_less(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    predicted, observed, weight = rng.normal(size=(40, k)), rng.normal(size=40), rng.uniform(0.5, 2, 40)

    def squared(weights: np.ndarray) -> float:
        return float(np.average((predicted @ weights - observed) ** 2, weights=weight))

    ours = simplex_weights(predicted, observed, weight)
    start = np.full(k, 1 / k)
    theirs = minimize(
        squared,
        start,
        method="SLSQP",
        bounds=[(0, 1)] * k,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-12},
    )
    assert ours.sum() == pytest.approx(1)
    assert (ours >= 0).all()
    assert squared(ours) <= theirs.fun + 2e-3  # weights under 1 % are cut to 0


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_unit_of_the_target_does_not_change_the_weights(scale: float) -> None:
    x = sample()
    observed = x @ [0.5, 0.3, 0.2] + x[:, 0] ** 2
    once = simplex_weights(x, observed, np.ones(300))
    np.testing.assert_allclose(simplex_weights(scale * x, scale * observed, np.ones(300)), once, atol=1e-6)


def test_rows_of_more_weight_decide() -> None:
    x = sample()
    first = np.arange(300) < 150
    observed = np.where(first, x[:, 0], x[:, 1])
    weights = simplex_weights(x, observed, np.where(first, 1.99, 0.01))
    assert weights[0] > 0.95


def test_members_that_predict_perfectly_share_the_weight_without_fault() -> None:
    weights = simplex_weights(np.full((50, 2), 80.0), np.full(50, 80.0), np.ones(50))
    assert weights.sum() == pytest.approx(1)


def test_variance_is_that_of_the_mixture_of_corrected_members() -> None:
    x = sample()
    module = make_stack({"a": column(0), "b": column(1)}).fit(rows(0.5 * x[:, 0] + 0.5 * x[:, 1], x), 0)
    tensors = module.state_dict()
    a, b = tensors["a.weight"].item(), tensors["b.weight"].item()
    mean, variance, _, _ = (each.numpy() for each in parts(module, x))
    within = a * tensors["a.scale"].item() + b * tensors["b.scale"].item()  # each states a variance of 1
    between = a * (x[:, 0] - mean) ** 2 + b * (x[:, 1] - mean) ** 2
    np.testing.assert_allclose(variance, within + between)


@pytest.mark.parametrize("spread", list(Spread))
def test_a_members_variance_becomes_that_of_inner_held_out_rows(spread: Spread) -> None:
    x = sample(3000)
    noisy = x[:, 0] + 2 * x[:, 1]
    module = make_stack({"a": column(0, spread=spread)}).fit(rows(noisy, x), 0)
    np.testing.assert_allclose(parts(module, x).variance.numpy(), np.mean((2 * x[:, 1]) ** 2))


def test_intervals_hold_nine_in_ten_of_the_rows_they_were_stretched_on() -> None:
    x = sample(3000)
    noisy = x[:, 0] + 2 * x[:, 1]
    _, _, lower, upper = (
        each.numpy() for each in parts(make_stack({"a": column(0)}).fit(rows(noisy, x), 0), x)
    )
    assert np.mean((noisy >= lower) & (noisy <= upper)) == pytest.approx(0.9, abs=0.001)


def test_a_stored_stack_predicts_the_same_whatever_the_order_of_its_tensors() -> None:
    x = sample()
    stack = make_stack({"b": column(1), "a": column(0), "c": column(2)})
    module = stack.fit(rows(0.7 * x[:, 1] + 0.3 * x[:, 0], x), 0)
    backwards = dict(reversed(module.state_dict().items()))
    for one, two in zip(parts(module, x), parts(stack.restore(backwards), x), strict=True):
        assert torch.equal(one, two)


def test_tensors_of_an_unknown_member_or_of_half_a_member_are_refused() -> None:
    x = sample()
    stack = make_stack({"a": column(0)})
    tensors = dict(stack.fit(rows(x[:, 0], x), 0).state_dict())
    with pytest.raises(KeyError, match="stack: members z: known are a"):
        stack.restore({key.replace("a.", "z.", 1): each for key, each in tensors.items()})
    with pytest.raises(KeyError, match="reach"):
        stack.restore({key: each for key, each in tensors.items() if key != "a.reach"})


def test_one_slow_member_makes_the_stack_slow() -> None:
    assert make_stack({"a": column(0)}).is_fast
    assert not make_stack({"a": column(0), "b": column(1, is_fast=False)}).is_fast


@pytest.mark.parametrize("n_groups", [1, 2])
def test_one_or_two_groups_still_make_a_stack(n_groups: int) -> None:
    x = sample(50)
    few = Training(x, np.empty((50, 0)), x[:, 0], np.ones(50), np.arange(50) % n_groups)
    lower, mean = (
        getattr(parts(make_stack({"a": column(0)}).fit(few, 0), x), each) for each in ("lower", "mean")
    )
    assert (lower < mean).all()
