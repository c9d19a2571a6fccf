"""The recipe of our own student, on a world small enough to learn in seconds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from models.cards import read_card
from models.encoders.card import EncoderCard, encoder_card
from models.encoders.configs import StudentConfig
from models.encoders.encoder import load_encoder
from models.encoders.inputs.dpixels import DPixels
from models.pretraining.barlow import barlow_twins_loss, effective_rank, mean_cosine
from models.pretraining.pretrain import PretrainConfig, PretrainResult, pretrain
from models.pretraining.views import gather, training_statistics
from monitoring.errors import ModelError

TINY = PretrainConfig(
    id="tiny",
    student=StudentConfig(latent_dim=4, num_layers=1, nhead=2, dim_feedforward=16, repr_dim=16),
    steps=60,
    batch=64,
    projector_width=32,
    held_out=64,
    noted_every=20,
)
DAYS = np.arange(10, 360, 35)


def place_years(n: int = 150, seed: int = 0) -> list[DPixels]:
    """Two places in two years: each pixel has a greenness of its own, and clouds and radar come and go."""
    return [place_year(n, np.random.default_rng([seed, tile])) for tile in range(4)]


def place_year(n: int, random: np.random.Generator) -> DPixels:
    green = random.uniform(0, 1, n)
    summer = np.sin(np.pi * DAYS / 365)[:, None]
    level = 1000 + 2000 * summer * green + random.normal(0, 20, (len(DAYS), n))
    bands = np.clip(level[..., None] * np.linspace(0.3, 1.2, 10), 1, None).astype(np.uint16)
    radar = (5000 + 800 * green + random.normal(0, 200, (3, n)))[..., None].repeat(2, axis=2).astype(np.int16)
    clear = random.random((len(DAYS), n)) < 0.7
    return DPixels(bands, clear, DAYS, radar, DAYS[:3], radar[:0], DAYS[:0])


@pytest.fixture(scope="module")
def told() -> list[tuple[int, int]]:
    """What the training of `result` told on its way: steps done, steps in all."""
    return []


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, told: list[tuple[int, int]]) -> PretrainResult:
    out = tmp_path_factory.mktemp("student")
    return pretrain(
        place_years(),
        TINY,
        out,
        source="invented",
        domain="Knows nothing.",
        progress=lambda *at: told.append(at),
    )


def hurried(out: Path, seed: int = 1) -> PretrainResult:
    """A student of ten steps."""
    config = dataclasses.replace(TINY, seed=seed, steps=10, noted_every=5)
    return pretrain(place_years(), config, out, source="invented", domain="Knows nothing.")


def test_the_card_pins_the_weights_and_the_encoder_loads(result: PretrainResult) -> None:
    card = read_card(EncoderCard, result.card_path)
    assert card == result.card
    embedded = load_encoder(card, result.weights).embed(place_years()[0])
    assert embedded.values.shape == (150, 16)
    assert np.isfinite(embedded.values).all()


def test_the_loss_falls(result: PretrainResult) -> None:
    training = result.card.training
    assert training is not None
    assert training.steps == (20, 40, 60)
    assert training.loss[-1] < 0.7 * training.loss[0]


def test_the_card_says_what_came_out_and_what_it_may_be_given(result: PretrainResult) -> None:
    training = result.card.training
    assert training is not None
    assert 1 <= training.effective_rank <= 16
    assert -1 <= training.subset_cosine <= 1
    assert training.recipe_sha256 != ""
    assert result.card.allowed_sources == ("invented",)
    assert result.card.training_domain == "Knows nothing."


def test_the_loss_curve_is_a_picture(result: PretrainResult) -> None:
    svg = result.card_path.with_suffix(".svg").read_text()
    assert svg.startswith("<svg")
    assert "step 60" in svg


def test_the_same_recipe_gives_the_same_bytes_and_another_seed_another_student(tmp_path: Path) -> None:
    once, again, other = (hurried(tmp_path / out, seed) for out, seed in (("1", 1), ("2", 1), ("3", 2)))
    assert again.weights.read_bytes() == once.weights.read_bytes()
    assert again.card_path.read_bytes() == once.card_path.read_bytes()
    assert other.card.weights_sha256 != once.card.weights_sha256


def test_the_student_orders_pixels_by_what_sets_them_apart(result: PretrainResult) -> None:
    """Greenness never seen in training is a nearly linear function of the embedding."""
    random = np.random.default_rng(9)
    green = np.random.default_rng(9).uniform(0, 1, 150)
    values = load_encoder(result.card, result.weights).embed(place_year(150, random)).values
    design = np.column_stack([values, np.ones(150)])
    fitted = design @ np.linalg.lstsq(design[:100], green[:100], rcond=None)[0]
    assert np.corrcoef(fitted[100:], green[100:])[0, 1] > 0.9


def test_too_few_pixel_years_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="needs 128 pixel-years with observations, found 40"):
        pretrain(place_years(10), TINY, tmp_path, source="invented", domain="")
    assert not list(tmp_path.iterdir())


def test_no_pixels_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="found 0"):
        pretrain([], TINY, tmp_path, source="invented", domain="")


def test_progress_reaches_the_last_step(result: PretrainResult, told: list[tuple[int, int]]) -> None:
    assert told == [(20, 60), (40, 60), (60, 60)]


def test_statistics_come_from_clear_observations_only() -> None:
    tiles = place_years()
    for tile in tiles:
        tile.bands[~tile.clear] = 65535
    mean = np.array(training_statistics(tiles).s2_mean)
    assert (mean < 5000).all()


def test_a_view_is_a_subset_of_what_was_observed() -> None:
    tiles = place_years()
    years = gather(tiles, training_statistics(tiles), np.arange(600))
    random, rows = np.random.default_rng(0), np.arange(600)
    size = years.s2.random_size(rows, 0.4, random)
    view = years.s2.view(rows, size, random)
    assert (size <= years.s2.count).all()
    assert (size >= np.ceil(0.4 * years.s2.count)).all()
    for row in (0, 311, 599):
        kept = slice(0, int(size[row]))
        seen = set(years.s2.days[row, : years.s2.count[row]].tolist())
        assert set(view.days[row, kept].tolist()) <= seen
        assert len(set(view.days[row, kept].tolist())) == size[row]


def test_the_loss_is_zero_for_views_that_agree_in_dims_that_differ() -> None:
    signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert barlow_twins_loss(signs, signs, 0.01).item() < 1e-6
    assert barlow_twins_loss(signs, -signs, 0.01).item() == pytest.approx(4.0, rel=1e-3)


def test_effective_rank_counts_directions() -> None:
    assert effective_rank(np.eye(6, dtype=np.float32)) == pytest.approx(6.0)
    assert effective_rank(np.ones((6, 6), np.float32)) == pytest.approx(1.0, abs=1e-6)


def test_mean_cosine_of_opposites_is_minus_1() -> None:
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    assert mean_cosine(x, -2 * x) == pytest.approx(-1.0)


def test_the_packaged_student_was_made_by_the_recipe_as_it_stands() -> None:
    training = encoder_card("underwood-student-1").training
    assert training is not None
    assert training.recipe == PretrainConfig(seed=training.seed).text


def test_the_packaged_student_did_not_collapse_and_forgets_which_days_were_clear() -> None:
    training = encoder_card("underwood-student-1").training
    assert training is not None
    assert training.effective_rank > 20
    assert training.subset_cosine > 0.95
    assert training.loss[-1] < 0.2 * training.loss[0]
