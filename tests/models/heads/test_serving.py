"""Serving: tiles, bounds, intervals and the area of applicability of a fitted head."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats

from models.heads.applicability import Applicability, fit_applicability
from models.heads.candidates import fourier, landmarks, mean, ridge
from models.heads.candidates.contract import Candidate, Latent, Training
from models.heads.serving import TILE_ROWS, ServedHead, widened
from models.heads.uncertainty.conformal import Conformal
from models.heads.uncertainty.parts import ErrorParts
from monitoring.spatial_error import Correlation
from monitoring.targets import Target

CANDIDATES = (mean.CANDIDATE, ridge.CANDIDATE, fourier.CANDIDATE, landmarks.CANDIDATE)
PARTS = ErrorParts(0.5, 0.3, 0.2, "made up", Correlation(0.5, 100.0))
RICHNESS = Target("richness", "taxa", "sqrt", 0.0, 60.0)


@dataclass(frozen=True)
class Corrected:
    scale: float = 1.0
    residual: float = 0.25


class Known(torch.nn.Module):
    """Predicts its first dimension, with variance 0.04 and points 0.3 below and 0.5 above."""

    def forward(self, embeddings: torch.Tensor, effort: torch.Tensor) -> Latent:
        m = embeddings[:, 0] + effort.sum(dim=1)
        return Latent(m, torch.full_like(m, 0.04), m - 0.3, m + 0.5)


def samples(n: int = 120) -> Training:
    random = np.random.default_rng(0)
    x = random.normal(size=(n, 6))
    latent = 5 + x[:, 0] + 0.2 * random.normal(size=n)
    return Training(x, np.zeros((n, 0)), latent, np.ones(n), np.arange(n) % 6)


def area() -> Applicability:
    rows = samples()
    return fit_applicability(rows.embeddings, np.full(6, 1 / 6), rows.group)


def served(
    module: torch.nn.Module,
    applicability: Applicability | None = None,
    correction: Corrected | None = None,
    conformal: Conformal | None = None,
    target: Target = RICHNESS,
    effort: tuple[float, ...] = (),
    device: str = "cpu",
) -> ServedHead:
    return ServedHead.of(
        module,
        applicability,
        correction or Corrected(),
        conformal or Conformal(1.0, 1.0),
        PARTS,
        target,
        effort,
        device,
    )


def pixels(n: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(size=(n, 6)).astype(np.float32)


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda each: each.name)
def test_a_pixel_is_told_the_same_whoever_is_beside_it(candidate: Candidate) -> None:
    head = served(candidate.fit(samples(), 0), area())
    together = pixels(TILE_ROWS["cpu"] + 700)
    whole = head.predict(together)
    order = np.random.default_rng(2).permutation(len(together))[:500]
    few = head.predict(together[order])
    for name, values in vars(few).items():
        np.testing.assert_array_equal(values, getattr(whole, name)[order], err_msg=name)


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda each: each.name)
def test_a_pixel_is_told_the_same_by_one_thread_and_by_two(
    candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, asked = served(candidate.fit(samples(), 0), area()), pixels(3 * TILE_ROWS["cpu"])
    told = []
    for threads in (1, 2):
        with monkeypatch.context() as patch:
            patch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
            told.append(head.predict(asked))
    for name, values in vars(told[0]).items():
        np.testing.assert_array_equal(values, getattr(told[1], name), err_msg=name)


def test_threads_started_after_a_prediction_compute_on_as_many_cores_as_before() -> None:
    def seen() -> int:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(torch.get_num_threads).result()

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert seen() == 2
        served(Known()).predict(pixels(3))
        assert seen() == 2
    finally:
        torch.set_num_threads(before)


def test_float32_tiles_agree_with_the_float64_module() -> None:
    module = landmarks.CANDIDATE.fit(samples(), 0)
    x = pixels(50)
    got = served(module).predict(x)
    latent = widened(module(torch.tensor(x).double(), torch.empty(50, 0)), 1.0, 0.25)
    sd = latent.variance.sqrt().detach().numpy()
    square = latent.mean.detach().numpy() ** 2 + sd**2  # nothing is below zero here
    np.testing.assert_allclose(got.mean, square, rtol=1e-4)


def test_a_normal_comes_back_with_its_moments_and_points() -> None:
    linear = Target("carbon", "g/kg", "none", -100.0, 100.0)
    got = served(Known(), target=linear).predict(np.full((1, 6), 2.0, np.float32))
    assert got.mean[0] == pytest.approx(2.0)
    assert got.sd[0] == pytest.approx(math.sqrt(0.04 + 0.25))
    low, high = stats.norm(2.0, got.sd[0]).ppf([0.05, 0.95])
    assert (got.lo90[0], got.hi90[0]) == pytest.approx((low, high), rel=1e-6)


def test_place_and_year_are_their_shares_of_the_squared_sd() -> None:
    got = served(Known()).predict(pixels(5))
    np.testing.assert_allclose(got.sd_place**2, 0.3 * got.sd**2)
    np.testing.assert_allclose(got.sd_year**2, 0.2 * got.sd**2)


def test_own_points_are_stretched_by_the_root_of_the_scale_then_by_conformal_factors() -> None:
    linear = Target("carbon", "g/kg", "none", -100.0, 100.0)
    head = served(Known(), None, Corrected(4.0, 0.0), Conformal(0.5, 2.0), linear)
    got = head.predict(np.full((1, 6), 2.0, np.float32))
    assert got.sd[0] == pytest.approx(0.4)
    assert got.lo90[0] == pytest.approx(2 - 0.3 * 2 * 0.5)
    assert got.hi90[0] == pytest.approx(2 + 0.5 * 2 * 2)


def test_nothing_is_told_beyond_the_bounds_of_the_target() -> None:
    x = np.zeros((2, 6), np.float32)
    x[:, 0] = -9, 9
    got = served(Known()).predict(x)
    assert got.mean.tolist() == [pytest.approx(0, abs=1e-6), 60.0]
    assert got.lo90[0] == 0
    assert got.hi90[1] == 60


def test_predictions_are_made_for_the_standard_effort() -> None:
    linear = Target("carbon", "g/kg", "none", -100.0, 100.0)
    got = served(Known(), target=linear, effort=(1.5, 2.0)).predict(np.zeros((1, 6), np.float32))
    assert got.mean[0] == 3.5


@pytest.mark.parametrize("gap", [np.nan, np.inf])
def test_a_row_with_a_gap_has_no_estimate_and_is_not_applicable(gap: float) -> None:
    x = pixels(3)
    x[1, 4] = gap
    got = served(ridge.CANDIDATE.fit(samples(), 0), area()).predict(x)
    for name in ("mean", "sd", "sd_place", "sd_year", "lo90", "hi90", "dissimilarity"):
        assert np.isnan(getattr(got, name)).tolist() == [False, True, False], name
    assert not got.applicable[1]
    assert got.density[1] == 0


def test_what_lies_far_from_every_sample_is_not_applicable() -> None:
    inside, far = samples().embeddings[:1], samples().embeddings[:1] + 50
    got = served(ridge.CANDIDATE.fit(samples(), 0), area()).predict(
        np.concatenate([inside, far]).astype(np.float32)
    )
    assert got.applicable.tolist() == [True, False]
    assert got.density[0] >= 1
    assert got.density[1] == 0


def test_without_an_area_every_estimate_is_applicable_and_the_index_is_unknown() -> None:
    got = served(Known()).predict(pixels(2))
    assert got.applicable.all()
    assert np.isnan(got.dissimilarity).all()


def test_no_pixel_gives_no_estimate() -> None:
    assert served(Known(), area()).predict(pixels(0)).mean.shape == (0,)


def test_a_tensor_and_an_array_are_told_the_same_and_the_module_is_left_as_it_was() -> None:
    module = ridge.CANDIDATE.fit(samples(), 0)
    head = served(module)
    x = pixels(10)
    np.testing.assert_array_equal(head.predict(x).mean, head.predict(torch.tensor(x)).mean)
    assert module.get_buffer("known").dtype == torch.float64


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_a_gpu_says_what_the_processor_says() -> None:
    module = landmarks.CANDIDATE.fit(samples(), 0)
    x = pixels(1000)
    here, there = served(module, area()).predict(x), served(module, area(), device="cuda").predict(x)
    np.testing.assert_allclose(there.mean, here.mean, rtol=1e-3)
    np.testing.assert_allclose(there.sd, here.sd, rtol=1e-3)
