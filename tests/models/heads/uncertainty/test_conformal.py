"""Conformal intervals: fresh blocks are covered, whatever the law of the errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.heads.uncertainty.conformal import Conformal, block_weights, calibrate, held_out_coverage

NAN, INF = float("nan"), float("inf")


@dataclass(frozen=True)
class World:
    """Samples of some blocks, predicted as 0 with half-width `half`."""

    error: np.ndarray
    half: np.ndarray
    block: np.ndarray

    def factors(self) -> Conformal:
        zero = np.zeros(len(self.error))
        return calibrate(zero, -self.half, self.half, self.error, self.block)

    def covered_by(self, factors: Conformal) -> float:
        low, high = factors.interval(np.zeros(len(self.error)), -self.half, self.half)
        return float(np.mean((low <= self.error) & (self.error <= high)))


def world(law: str, n_blocks: int, rng: np.random.Generator) -> World:
    """Blocks of 1-40 samples (`crowded`: one in twenty of 400) that share a part of their error."""
    size = rng.integers(1, 40, n_blocks)
    if law == "crowded":
        size = np.where(rng.random(n_blocks) < 0.05, 400, rng.integers(1, 10, n_blocks))
    block = np.repeat(np.arange(n_blocks), size)
    n, shared = len(block), rng.normal(size=n_blocks)[block]
    half = rng.uniform(0.3, 3, n) if law == "heteroscedastic" else np.ones(n)
    error = {
        "independent": lambda: rng.normal(size=n),
        "normal": lambda: 0.6 * shared + 0.8 * rng.normal(size=n),
        "crowded": lambda: 0.6 * shared + 0.8 * rng.normal(size=n),
        "skewed": lambda: 0.5 * shared + rng.exponential(1, n) ** 1.3 - 1,
        "heteroscedastic": lambda: half * np.exp(0.5 * shared) * rng.standard_t(5, n),
    }[law]()
    return World(error, half, block)


@pytest.mark.parametrize("n_blocks", [20, 60])
@pytest.mark.parametrize("law", ["independent", "normal", "crowded", "skewed", "heteroscedastic"])
def test_fresh_blocks_are_covered_nine_times_in_ten(law: str, n_blocks: int) -> None:
    rng = np.random.default_rng(11)
    covered = [world(law, 200, rng).covered_by(world(law, n_blocks, rng).factors()) for _ in range(150)]
    assert 0.88 <= np.mean(covered) <= 0.92


def test_each_side_of_a_skewed_error_gets_its_own_factor() -> None:
    found = world("skewed", 200, np.random.default_rng(3)).factors()
    assert found.upper > 1.5 * found.lower


def test_with_every_sample_its_own_block_it_is_split_conformal_prediction() -> None:
    """n = 99: the 95th smallest ratio, ceil(0.95 (n + 1))."""
    error = np.random.default_rng(0).permutation(np.arange(1, 100) / 10)
    zero = np.zeros(99)
    found = calibrate(zero, zero - 1, zero + 1, error, np.arange(99))
    assert found.upper == pytest.approx(9.5)
    assert found.lower == 0  # nothing lies below


def test_blocks_whose_samples_are_all_alike_count_once() -> None:
    """20 blocks of 1 to 20 equal samples: ceil(0.95 x 21) = the 20th smallest block, however large."""
    size = np.arange(20, 0, -1)
    block, value = np.repeat(np.arange(20), size), np.repeat(np.arange(1.0, 21.0), size)
    zero = np.zeros(len(block))
    assert calibrate(zero, zero - 1, zero + 1, value, block).upper == 20
    missed = value > 19
    np.testing.assert_allclose(block_weights(missed, block)[missed], 1.0)


def test_misses_that_come_together_make_a_block_worth_less() -> None:
    block = np.repeat(np.arange(10), 10)
    together, apart = block == 0, np.arange(100) % 10 == 0
    assert block_weights(together, block) == pytest.approx(0.1)
    assert block_weights(apart, block) == pytest.approx(1.0)


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 80), st.integers(1, 12), st.integers(0, 2**32 - 1), st.floats(0.01, 100))
def test_the_unit_and_the_order_of_samples_do_not_matter(n: int, k: int, seed: int, unit: float) -> None:
    rng = np.random.default_rng(seed)
    error, block, zero = rng.normal(size=n), rng.integers(0, k, n), np.zeros(n)
    found = calibrate(zero, zero - 1, zero + 1, error, block)
    order = rng.permutation(n)
    again = calibrate(zero, zero - unit, zero + unit, unit * error[order], block[order] + 5)
    assert (again.lower, again.upper) == pytest.approx((found.lower, found.upper))
    assert 0 <= found.lower < INF
    assert 0 <= found.upper < INF


def test_too_few_blocks_give_the_largest_ratio_seen_and_not_infinity() -> None:
    zero = np.zeros(5)
    found = calibrate(zero, zero - 1, zero + 2, np.array([-3.0, -1, 0, 2, 8]), np.arange(5))
    assert found == Conformal(lower=3.0, upper=4.0)


def test_what_no_factor_can_reach_is_a_miss_and_not_a_factor() -> None:
    mean = np.array([0.0, 0, 0, NAN])
    lower, upper = np.array([-1.0, -1, 0, NAN]), np.array([1.0, 1, 0, NAN])
    observed = np.array([0.5, -2, 3, 0])
    found = calibrate(mean, lower, upper, observed, np.arange(4))
    assert found == Conformal(lower=2.0, upper=0.5)
    nothing = calibrate(mean[3:], lower[3:], upper[3:], observed[3:], np.arange(1))
    assert nothing == Conformal(1.0, 1.0)


def test_a_prediction_that_is_not_finite_is_not_covered() -> None:
    mean, half = np.array([0.0] * 38 + [NAN, INF]), np.ones(40)
    inside = held_out_coverage(mean, mean - half, mean + half, np.zeros(40), np.arange(40), np.arange(40) % 2)
    assert inside.tolist() == [True] * 38 + [False] * 2


def test_a_sample_is_judged_by_the_other_folds_only() -> None:
    """Fold 1 errs ten times more: the factors of fold 0 miss it, its own would not."""
    error = np.concatenate([np.linspace(-1, 1, 40), np.linspace(-10, 10, 40)])
    fold, zero = np.repeat([0, 1], 40), np.zeros(80)
    inside = held_out_coverage(zero, zero - 1, zero + 1, error, np.arange(80), fold)
    assert inside[:40].all()
    assert inside[40:].mean() == pytest.approx(0.1, abs=0.03)


def test_held_out_coverage_is_nine_in_ten_of_samples_from_one_law() -> None:
    rng = np.random.default_rng(4)
    covered = []
    for _ in range(40):
        w = world("normal", 60, rng)
        zero = np.zeros(len(w.error))
        covered.append(held_out_coverage(zero, -w.half, w.half, w.error, w.block, w.block % 5).mean())
    assert 0.88 <= np.mean(covered) <= 0.92


def test_intervals_are_the_same_in_numpy_and_in_torch() -> None:
    arrays = np.array([[1.0, 2.0], [0.0, 1.5], [3.0, 4.0]])
    low, high = Conformal(2.0, 0.5).interval(*arrays)
    np.testing.assert_array_equal(low, [-1.0, 1.0])
    np.testing.assert_array_equal(high, [2.0, 3.0])
    tensors = Conformal(2.0, 0.5).interval(*torch.from_numpy(arrays))
    assert [each.tolist() for each in tensors] == [low.tolist(), high.tolist()]
