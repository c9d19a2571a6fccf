"""Where a head may be applied."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist
from torch import nn

from models.heads import applicability as module_under_test
from models.heads.applicability import (
    AXES_TOLERANCE,
    Applicability,
    feature_weights,
    fit_applicability,
    restore_applicability,
)
from models.heads.candidates.contract import Latent, Training
from monitoring.errors import ModelError

Array = NDArray[np.float64]


class Expected(NamedTuple):
    threshold: float
    dissimilarity: Array
    density: NDArray[np.int64]


def by_definition(training: Array, weights: Array, fold: NDArray[np.int64], pixels: Array) -> Expected:
    """Meyer & Pebesma 2021, equations 1 to 4, and the count of Schumacher et al. 2024, word by word."""
    mean, sd = training.mean(axis=0), training.std(axis=0)
    samples, new = (training - mean) / sd * weights, (pixels - mean) / sd * weights
    average = pdist(samples).mean()
    between = cdist(samples, samples)
    between[fold[:, None] == fold[None, :]] = np.inf
    own = between.min(axis=1) / average
    q25, q75 = np.percentile(own, [25, 75])
    threshold = min(q75 + 1.5 * (q75 - q25), own.max())
    distance = cdist(new, samples) / average
    return Expected(threshold, distance.min(axis=1), (distance <= threshold).sum(axis=1))


def world(n: int = 60, dims: int = 6, seed: int = 0) -> tuple[Array, Array, NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    return random.normal(3, 2, (n, dims)), random.uniform(0, 1, dims), np.arange(n) % 5


def tell(area: Applicability, pixels: Array) -> tuple[Array, NDArray[np.int64]]:
    index, density = area(torch.from_numpy(pixels))
    return index.double().numpy(), density.numpy()


def test_three_samples_worked_out_by_hand() -> None:
    """Samples at 0, 1 and 5, each a fold: distances 1, 4, 5, mean 10/3, own indices 0.3, 0.3 and 1.2.

    Quartiles 0.3 and 0.75, whisker 0.75 + 1.5 * 0.45 = 1.425, cut at the largest own index: 1.2.
    A pixel at 3 is 2 from the nearest: index 0.6; within 1.2 * 10/3 = 4 of it lie all three samples.
    A pixel at 10 is 5 from the nearest: index 1.5, outside.
    """
    area = fit_applicability(np.array([[0.0], [1.0], [5.0]]), np.ones(1), np.arange(3))
    index, density = tell(area, np.array([[3.0], [10.0], [2.0], [8.5]]))
    assert area.threshold == pytest.approx(1.2)
    assert index == pytest.approx([0.6, 1.5, 0.3, 1.05])
    assert density.tolist() == [3, 0, 3, 1]


@pytest.mark.parametrize("seed", range(3))
def test_index_threshold_and_density_are_those_of_the_papers(seed: int) -> None:
    training, weights, fold = world(seed=seed)
    pixels = np.random.default_rng(9).normal(3, 4, (500, training.shape[1]))
    expected = by_definition(training, weights, fold, pixels)
    area = fit_applicability(training, weights, fold)
    index, density = tell(area, pixels)
    assert area.threshold == pytest.approx(expected.threshold, rel=1e-12)
    assert index == pytest.approx(expected.dissimilarity, abs=1e-9)
    assert np.array_equal(density, expected.density)
    assert 0 < (density == 0).mean() < 1


@given(st.integers(0, 2**16), st.floats(1e-3, 1e3), st.floats(-50, 50))
@settings(max_examples=25, deadline=None)
def test_units_of_embeddings_and_weights_do_not_matter(seed: int, scale: float, shift: float) -> None:
    training, weights, fold = world(seed=seed)
    pixels = np.random.default_rng(seed + 1).normal(3, 4, (20, training.shape[1]))
    plain, _ = tell(fit_applicability(training, weights, fold), pixels)
    other = fit_applicability(training * scale + shift, weights * 7, fold)
    assert tell(other, pixels * scale + shift)[0] == pytest.approx(plain, rel=1e-6, abs=1e-6)


@given(st.integers(0, 2**16))
@settings(max_examples=25, deadline=None)
def test_a_pixel_is_inside_exactly_where_a_sample_is_near(seed: int) -> None:
    training, weights, fold = world(seed=seed)
    pixels = np.random.default_rng(seed).normal(3, 4, (200, training.shape[1])).astype(np.float32)
    area = fit_applicability(training, weights, fold).float()
    index, density = area(torch.from_numpy(pixels))
    assert torch.equal(index <= area.limit, density >= 1)


def test_single_precision_keeps_a_training_sample_at_zero() -> None:
    """Two tight clouds far apart: the mean distance is large and the product of matrices cancels."""
    random = np.random.default_rng(0)
    training = np.concatenate([random.normal(0, 0.01, (200, 64)), random.normal(100, 0.01, (200, 64))])
    area = fit_applicability(training, np.ones(64), np.arange(400) % 4).float()
    index, _ = area(torch.from_numpy(training.astype(np.float32)))
    assert float(index.max()) < 1e-3


def test_single_precision_changes_no_index_by_more_than_the_tolerance() -> None:
    random = np.random.default_rng(0)
    training = random.normal(size=(300, 12)) @ random.normal(size=(12, 128)) + 1e-4 * random.normal(
        size=(300, 128)
    )
    pixels = random.normal(size=(2000, 12)) @ random.normal(size=(12, 128))
    fold, weights = np.arange(300) % 5, random.uniform(0, 1, 128)
    area = fit_applicability(training, weights, fold).float()
    index, _ = area(torch.from_numpy(pixels.astype(np.float32)))
    expected = by_definition(training, weights, fold, pixels).dissimilarity
    assert area.axes.shape[1] < 20  # the other axes hold next to nothing of the samples
    assert float(np.abs(index.numpy() - expected).max()) < 2 * AXES_TOLERANCE


def test_neighbours_of_the_same_fold_do_not_make_a_sample_familiar() -> None:
    pairs = np.repeat(np.arange(10.0)[:, None], 2, axis=0)
    together = fit_applicability(pairs, np.ones(1), np.arange(20) // 2)
    apart = fit_applicability(pairs, np.ones(1), np.arange(20) % 2)
    assert apart.threshold == 0
    assert together.threshold == pytest.approx(1 / pdist(pairs).mean())


def test_samples_that_share_an_embedding_are_kept_once_and_counted_all() -> None:
    training, weights, fold = world()
    repeated = fit_applicability(np.repeat(training, 3, axis=0), weights, np.repeat(fold, 3))
    assert repeated.n_reference == len(training)
    _, density = tell(repeated, training)
    everywhere = by_definition(np.repeat(training, 3, axis=0), weights, np.repeat(fold, 3), training)
    assert np.array_equal(density, everywhere.density)


def test_thinned_samples_stay_within_the_covering_radius(monkeypatch: pytest.MonkeyPatch) -> None:
    training, weights, fold = world(n=400)
    pixels = np.random.default_rng(1).normal(3, 4, (300, training.shape[1]))
    whole, _ = tell(fit_applicability(training, weights, fold), pixels)
    monkeypatch.setattr(module_under_test, "MOST_REFERENCES", 50)
    area = fit_applicability(training, weights, fold)
    thinned, _ = tell(area, pixels)
    radius = float(area.covering_radius)
    assert area.n_reference == 50
    assert float(area.count.sum()) == 400
    assert 0 < radius < 1
    assert bool(((thinned >= whole - 1e-9) & (thinned <= whole + radius + 1e-9)).all())


def test_no_more_references_than_allowed_are_thinned_to_the_best_spread() -> None:
    points = np.array([[0.0], [0.1], [5.0], [5.1], [-9.0]])
    chosen, owner, radius = module_under_test._farthest_first(points, 3)
    assert chosen.tolist() == [0, 4, 3]
    assert owner.tolist() == [0, 0, 2, 2, 1]
    assert radius == pytest.approx(0.1)


def test_a_pixel_without_embedding_is_of_unknown_dissimilarity_and_has_no_neighbour() -> None:
    training, weights, fold = world()
    pixels = training[:4].copy()
    pixels[1, 2] = np.nan
    pixels[2, 0] = 1e200
    area = fit_applicability(training, weights, fold)
    index, density = tell(area, pixels)
    assert np.isnan(index).tolist() == [False, True, False, False]
    assert np.isinf(index).tolist() == [False, False, True, False]
    assert density[[1, 2]].tolist() == [0, 0]
    assert area.contains(pixels).tolist() == [True, False, False, True]


def test_no_pixels_are_no_indices() -> None:
    training, weights, fold = world()
    index, density = tell(fit_applicability(training, weights, fold), training[:0])
    assert index.shape == density.shape == (0,)


def test_tiles_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    training, weights, fold = world()
    area = fit_applicability(training, weights, fold)
    whole = tell(area, training * 1.3)
    monkeypatch.setattr(module_under_test, "TILE_VALUES", 7 * area.n_reference)
    tiled = tell(area, training * 1.3)
    assert whole[0] == pytest.approx(tiled[0], abs=1e-12)
    assert np.array_equal(whole[1], tiled[1])


def test_a_constant_dimension_counts_for_nothing() -> None:
    training, weights, fold = world()
    training[:, 0] = 0.1
    odd = training.copy()
    odd[:, 0] = 99
    area = fit_applicability(training, weights, fold)
    assert np.array_equal(tell(area, odd)[0], tell(area, training)[0])


def test_an_area_comes_back_from_its_tensors_bit_for_bit() -> None:
    training, weights, fold = world()
    area = fit_applicability(training, weights, fold)
    stored = area.state_dict()
    again = restore_applicability(stored)
    assert all(values.dtype == torch.float64 for values in stored.values())
    assert set(stored) == set(module_under_test.STORED)
    assert np.array_equal(tell(again, training * 2)[0], tell(area, training * 2)[0])


@pytest.mark.parametrize("name", module_under_test.STORED)
def test_tensors_that_do_not_fit_are_refused(name: str) -> None:
    stored = dict(fit_applicability(*world()).state_dict())
    with pytest.raises(ValueError, match="finite"):
        restore_applicability(stored | {name: stored[name] * float("nan")})
    if name != "reference":
        with pytest.raises(ValueError, match="do not fit"):
            restore_applicability(stored | {name: torch.ones(3)})
    del stored[name]
    with pytest.raises(KeyError, match=name):
        restore_applicability(stored)


def test_what_cannot_be_an_area_is_refused_in_one_line() -> None:
    training, weights, fold = world()
    broken = training.copy()
    broken[3, 1] = np.nan
    refusals = {
        "1 fold of 60 samples, needs at least 2": (training, weights, fold * 0),
        "mean distance between 60 weighted samples is 0": (training * 0 + 1, weights, fold),
        "1 of 60 embeddings are not finite": (broken, weights, fold),
        "at least 0": (training, -weights, fold),
        r"must be \(n, D\)": (training, weights[:-1], fold),
    }
    for words, (embeddings, given_weights, folds) in refusals.items():
        with pytest.raises(ModelError, match=words) as refused:
            fit_applicability(embeddings, given_weights, folds)
        assert "\n" not in str(refused.value)


class Linear(nn.Module):
    """A prediction whose coefficients can be read."""

    def __init__(self, coefficients: Array) -> None:
        super().__init__()
        self.register_buffer("coefficients", torch.from_numpy(coefficients))

    coefficients: torch.Tensor

    def forward(self, embeddings: torch.Tensor, effort: torch.Tensor) -> Latent:
        mean = embeddings @ self.coefficients
        return Latent(mean, mean * 0, mean - 1, mean + 1)


def training_of(embeddings: Array) -> Training:
    n = len(embeddings)
    return Training(embeddings, np.zeros((n, 0)), np.zeros(n), np.ones(n), np.arange(n))


def test_weights_of_a_linear_head_are_the_sizes_of_its_standard_coefficients() -> None:
    embeddings = np.random.default_rng(0).normal(size=(900, 3)) * np.array([1.0, 10.0, 1.0])
    weights = feature_weights(Linear(np.array([3.0, -0.1, 0.0])), training_of(embeddings), seed=0)
    assert weights == pytest.approx([0.75, 0.25, 0.0], abs=0.02)


def test_weights_are_the_same_for_the_same_seed_and_leave_the_samples_alone() -> None:
    embeddings = np.random.default_rng(0).normal(size=(50, 3))
    before, module = embeddings.copy(), Linear(np.array([3.0, -0.1, 0.0]))
    first = feature_weights(module, training_of(embeddings), seed=3)
    assert np.array_equal(first, feature_weights(module, training_of(embeddings), seed=3))
    assert np.array_equal(embeddings, before)


def test_a_head_that_looks_at_no_dimension_weighs_all_alike() -> None:
    weights = feature_weights(Linear(np.zeros(4)), training_of(world()[0][:, :4]), seed=0)
    assert weights.tolist() == [0.25] * 4


def test_errors_of_a_region_unlike_the_training_are_larger_outside_the_area() -> None:
    """A line is fitted to a curve on 0 to 3 and asked about the region from 0 to 9, which was left out."""
    random = np.random.default_rng(0)
    seen, asked = random.uniform(0, 3, (200, 1)), random.uniform(0, 9, (400, 1))
    slope, level = np.polyfit(seen[:, 0], np.sin(seen[:, 0]), 1)
    area = fit_applicability(seen, np.ones(1), np.arange(200) % 5)
    error, inside = slope * asked[:, 0] + level - np.sin(asked[:, 0]), area.contains(asked)
    assert 0.2 < inside.mean() < 0.5
    assert np.sqrt(np.mean(error[~inside] ** 2)) > 1.5 * np.sqrt(np.mean(error[inside] ** 2))
