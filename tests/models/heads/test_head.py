"""Heads fitted to planted worlds and to a real regression."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from models.heads.head import Head, fit_head
from models.heads.samples import MIN_SAMPLES
from monitoring.errors import ModelError

DIMS = 16
Z_90 = 1.645


@dataclass(frozen=True)
class Encoder:
    id: str = "student"
    weights_sha256: str = "ab" * 32


@dataclass(frozen=True)
class World:
    """Field samples of a planted relation: sqrt(richness) = 6 + a + 0.7 b + 0.3 log(reads / 8000) + noise."""

    embeddings: NDArray[np.float32]
    richness: NDArray[np.float64]
    reads: NDArray[np.float64]
    coordinates: NDArray[np.float64]
    expected: NDArray[np.float64]
    """Richness in a sample of 8000 reads, without noise."""


def world(n: int, seed: int, *, curved: bool = False, noise: float = 0.5) -> World:
    random = np.random.default_rng(seed)
    factors = random.normal(size=(n, 4))
    mixing = np.random.default_rng(99).normal(size=(4, DIMS))
    embeddings = factors @ mixing + 0.05 * random.normal(size=(n, DIMS))
    reads = np.exp(random.normal(np.log(8000), 0.5, n))
    root = 6 + (factors[:, 0] ** 2 if curved else factors[:, 0] + 0.7 * factors[:, 1])
    seen = root + 0.3 * np.log(reads / 8000) + noise * random.normal(size=n)
    places = random.uniform((-3, 50), (1, 54), (n // 8 + 1, 2))[random.integers(0, n // 8 + 1, n)]
    clip = np.maximum
    return World(embeddings.astype(np.float32), clip(seen, 0) ** 2, reads, places, clip(root, 0) ** 2)


def fitted(field: World, *, seed: int = 1, **changes: object) -> Head:
    inputs = dict(vars(field)) | changes
    names = ("embeddings", "richness", "reads", "coordinates")
    return fit_head(
        *(inputs[name] for name in names),
        encoder=Encoder(),
        target="richness",
        seed=seed,
        standard_reads=inputs.get("standard_reads"),
    )


@pytest.fixture(scope="module")
def field() -> World:
    return world(400, seed=7)


@pytest.fixture(scope="module")
def head(field: World) -> Head:
    return fit_head(
        field.embeddings,
        field.richness,
        field.reads,
        field.coordinates,
        encoder=Encoder(),
        target="richness",
        seed=1,
        years=[2019, 2023] * 200,
        standard_reads=8000,
        created_for="a test",
    )


def test_a_head_recovers_a_planted_relation(head: Head) -> None:
    unseen = world(3000, seed=8)
    got = head.predict(unseen.embeddings)
    assert np.corrcoef(got.mean, unseen.expected)[0, 1] > 0.99


def test_transforming_back_does_not_bias_the_mean() -> None:
    # Noise of variance 4 on the root scale puts the expectation of a sample 4 taxa above the root squared.
    unseen = world(1000, seed=8)
    got = fitted(world(1500, seed=5, noise=2.0), standard_reads=8000).predict(unseen.embeddings)
    assert np.mean(got.mean - unseen.expected) == pytest.approx(4, abs=1.5)


def test_nine_of_ten_unseen_samples_lie_in_their_interval(head: Head) -> None:
    unseen = world(4000, seed=9)
    at_standard = np.abs(np.log(unseen.reads / 8000)) < 0.1
    got = head.predict(unseen.embeddings[at_standard])
    inside = np.abs(got.mean - unseen.richness[at_standard]) <= Z_90 * got.sd
    assert at_standard.sum() > 500
    assert 0.86 < inside.mean() < 0.94


def test_the_card_says_how_well_it_predicts_unseen_places(head: Head) -> None:
    card = head.card
    assert card.spatial.n == card.random.n == card.n_samples == 400
    assert card.spatial.r2 is not None
    assert card.spatial.r2 > 0.8
    assert card.spatial.coverage_90 == pytest.approx(0.9, abs=0.05)
    assert card.folds.startswith("linked within")
    assert (card.n_folds, card.caution) == (5, "")


def test_the_card_says_what_it_was_made_of(head: Head, field: World) -> None:
    card = head.card
    assert (card.encoder_id, card.encoder_weights_sha256) == ("student", "ab" * 32)
    assert (card.target, card.dims, card.seed, card.created_for) == ("richness", DIMS, 1, "a test")
    assert card.standard_reads == 8000
    assert card.domain.years == (2019, 2023)
    assert card.domain.west == field.coordinates[:, 0].min()
    assert card.domain.target_high == field.richness.max()


def test_without_a_stated_standard_the_median_effort_is_the_standard(field: World) -> None:
    assert fitted(field).card.standard_reads == np.median(field.reads)


def test_more_reads_mean_more_taxa(field: World) -> None:
    low, high = (fitted(field, standard_reads=reads) for reads in (2000, 32_000))
    gain = np.sqrt(high.predict(field.embeddings).mean) - np.sqrt(low.predict(field.embeddings).mean)
    assert np.median(gain) == pytest.approx(0.3 * np.log(16), rel=0.25)


def test_a_curved_relation_gets_fourier_features_and_a_straight_one_does_not(head: Head) -> None:
    assert head.card.n_fourier == 0
    curved = fitted(world(400, seed=3, curved=True, noise=0.2))
    assert curved.card.n_fourier > 0
    assert curved.card.spatial.r2 is not None
    assert curved.card.spatial.r2 > 0.3


def test_the_same_samples_and_seed_give_the_same_head(head: Head, field: World) -> None:
    again, other = fitted(field), fitted(field)
    assert again.card == other.card
    assert again.card.id.startswith("richness-")
    assert fitted(field, seed=2).card.id != again.card.id
    assert head.card.id != again.card.id


def test_missing_embeddings_have_no_estimate_and_are_never_zero(head: Head, field: World) -> None:
    embeddings = field.embeddings[:4].copy()
    embeddings[1, 3] = np.nan
    embeddings[2] = np.inf
    got = head.predict(embeddings)
    assert np.isnan(got.mean).tolist() == np.isnan(got.sd).tolist() == [False, True, True, False]
    alone = head.predict(field.embeddings[:1])
    assert alone.mean[0] == pytest.approx(got.mean[0], rel=1e-12)


@given(arrays(np.float32, (5, DIMS), elements=st.floats(-1e6, 1e6, width=32)))
@settings(max_examples=50, deadline=None)
def test_however_wild_the_embedding_richness_is_not_negative(head: Head, embeddings: np.ndarray) -> None:
    got = head.predict(embeddings)
    known = np.isfinite(got.mean)
    assert (got.mean[known] >= 0).all()
    assert (got.sd[known] >= 0).all()


def test_far_from_the_training_samples_the_sd_grows(head: Head, field: World) -> None:
    usual = np.full(400, np.log(8000))
    near, far = (head.regression.latent(field.embeddings * k, usual)[1].mean() for k in (1, 10))
    assert far > 5 * near


def test_no_pixels_give_no_estimates(head: Head) -> None:
    assert head.predict(np.empty((0, DIMS), np.float32)).mean.shape == (0,)


def test_samples_without_an_embedding_are_dropped_and_counted(field: World) -> None:
    embeddings = field.embeddings.copy()
    embeddings[:7] = np.nan
    reads = field.reads.copy()
    reads[10:12] = np.nan
    card = fitted(field, embeddings=embeddings, reads=reads).card
    assert (card.n_samples, card.n_dropped) == (391, 9)


def test_samples_that_state_no_effort_still_make_a_head(field: World) -> None:
    got = fitted(field, reads=np.full(400, np.nan))
    assert got.card.standard_reads is None
    assert got.card.domain.reads_low is None
    assert np.isfinite(got.predict(field.embeddings).mean).all()


def test_a_dimension_that_never_varies_does_no_harm(field: World) -> None:
    embeddings = field.embeddings.copy()
    embeddings[:, 5] = 3.0
    assert np.isfinite(fitted(field, embeddings=embeddings).predict(embeddings).mean).all()


def with_value(values: np.ndarray, value: float) -> np.ndarray:
    changed = values.copy()
    changed[2] = value
    return changed


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: {"richness": with_value(f.richness, np.nan)}, "1 of 400 target values are missing"),
        (lambda f: {"richness": with_value(f.richness, -3)}, "target value -3 is below 0"),
        (lambda f: {"richness": np.full(400, 4.0)}, "all samples have the value 4"),
        (lambda f: {"richness": f.richness[:-1]}, r"differ: \[400, 399, 400, 400, 399\]"),
        (lambda f: {"reads": with_value(f.reads, 0)}, "sampling effort 0 reads"),
        (lambda f: {"reads": with_value(f.reads, np.inf)}, "sampling effort inf reads"),
        (lambda f: {"embeddings": np.full_like(f.embeddings, np.nan)}, f"0 usable .* needs {MIN_SAMPLES}"),
        (lambda f: {"embeddings": f.embeddings[:, 0]}, r"embeddings must be \(n, D\)"),
        (lambda f: {"coordinates": np.zeros((400, 2))}, "1 distinct places"),
        (lambda f: {"coordinates": f.coordinates * 1e5}, "beyond 180, 90"),
    ],
)
def test_samples_that_cannot_carry_a_head_are_refused_in_one_line(
    field: World, spoil: object, message: str
) -> None:
    assert callable(spoil)
    with pytest.raises(ModelError, match=message) as caught:
        fitted(field, **spoil(field))
    assert "\n" not in str(caught.value)


def test_a_standard_effort_that_is_none_is_refused(field: World) -> None:
    with pytest.raises(ModelError, match="standard effort -1 reads"):
        fitted(field, standard_reads=-1)


def test_embeddings_of_another_length_are_refused(head: Head) -> None:
    with pytest.raises(ModelError, match=r"takes \(N, 16\), got \(3, 8\)"):
        head.predict(np.zeros((3, 8), np.float32))


def test_a_real_ground_label_is_predicted_at_unseen_sites(shared: Path) -> None:
    with np.load(shared / "data/pixel_s1s2_labels_presto/fuel_moisture.npz", allow_pickle=False) as table:
        channels, month, place = table["s1_s2_era5_srtm"], table["month"], table["latlon"][:, ::-1]
        moisture = table["target"].astype(np.float64)
    turn = 2 * np.pi * month / 12
    features = np.concatenate([channels.reshape(len(channels), -1), np.cos(turn), np.sin(turn)], axis=1)
    got = fit_head(
        features.astype(np.float32),
        moisture,
        np.full(len(moisture), np.nan),
        place.astype(np.float64),
        encoder=Encoder(id="plain features"),
        target="moisture",
        seed=1,
    ).card
    assert (got.n_samples, got.folds, got.n_groups) == (1578, "linked within 50000 m", 72)
    assert got.spatial.r2 is not None
    assert got.random.r2 is not None
    assert 0.25 < got.spatial.r2 < got.random.r2 - 0.05, "the random split flatters"
    assert got.spatial.coverage_90 == pytest.approx(0.9, abs=0.02)
