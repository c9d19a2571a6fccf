"""Heads fitted to planted worlds and to a real regression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.heads.card import StatedEncoder
from models.heads.fitting import Fitting, fit_head
from models.heads.head import Head
from models.heads.samples import Labels
from models.heads.transforms import moments
from monitoring.errors import ModelError
from monitoring.targets import Effort, Target

from .planted_heads import DIMS, QUICK, RICHNESS, World, changed, fitted, with_labels, world


@pytest.fixture(scope="module")
def field() -> World:
    return world(400)


@pytest.fixture(scope="module")
def head(field: World) -> Head:
    return fitted(field)


def reads_standard(standard: float | None) -> Target:
    return replace(RICHNESS, effort=(Effort("reads", standard=standard),))


def test_a_head_recovers_a_planted_relation(head: Head) -> None:
    unseen = world(3000, seed=8)
    got = head.predict(unseen.embeddings)
    assert np.corrcoef(got.mean, unseen.expected**2)[0, 1] > 0.99
    assert head.card.candidate == "ridge"


def test_transforming_back_does_not_bias_the_mean() -> None:
    # Noise of variance 4 on the root scale puts the expectation of a sample 4 taxa above the root squared.
    unseen = world(1000, seed=8)
    got = fitted(world(1500, seed=5, noise=2.0)).predict(unseen.embeddings)
    assert np.mean(got.mean - np.maximum(unseen.expected, 0) ** 2) == pytest.approx(4, abs=1.5)


@pytest.mark.parametrize("transform", ["none", "sqrt", "log1p"])
def test_mean_and_sd_are_those_of_a_million_draws(transform: str) -> None:
    # One pixel whose sample is N(2, 0.5) on the scale of the head, nothing counted below zero.
    drawn = np.random.default_rng(1).normal(2, 0.5, 1_000_000)
    back = {"none": drawn, "sqrt": np.maximum(drawn, 0) ** 2, "log1p": np.expm1(np.maximum(drawn, 0))}
    mean, sd = moments(transform, torch.tensor([2.0]).double(), torch.tensor([0.25]).double())
    assert float(mean[0]) == pytest.approx(back[transform].mean(), rel=3e-3)
    if transform != "none":
        assert float(sd[0]) == pytest.approx(back[transform].std(), rel=5e-3)


@pytest.mark.parametrize("transform", ["none", "sqrt", "log1p"])
def test_nine_of_ten_unseen_samples_lie_in_their_interval_on_every_scale(transform: str) -> None:
    target = replace(RICHNESS, transform=transform)
    unseen = world(4000, seed=9)
    at_standard = np.abs(np.log(unseen.labels.effort[:, 0] / 8000)) < 0.1
    got = fitted(world(400), target).predict(unseen.embeddings[at_standard])
    observed = unseen.labels.value[at_standard]
    assert at_standard.sum() > 500
    assert 0.86 < np.mean((got.lo90 <= observed) & (observed <= got.hi90)) < 0.96
    assert (got.lo90 <= got.mean).all()
    assert (got.mean < got.hi90).all()


def test_the_card_says_how_well_it_predicts_unseen_groups(head: Head) -> None:
    scores = head.card.scores
    assert head.card.primary == "group"
    assert scores.n_blocks == 50
    assert scores.r2.estimate is not None
    assert scores.r2.estimate > 0.8
    assert scores.coverage_90.estimate == pytest.approx(0.9, abs=0.05)
    assert scores.rmse.low is not None
    assert scores.rmse.high is not None
    assert scores.rmse.estimate is not None
    assert scores.rmse.low < scores.rmse.estimate < scores.rmse.high


def test_scores_to_quote_are_those_of_the_choice(head: Head) -> None:
    chosen = next(row for row in head.card.comparison if row.candidate == head.card.candidate)
    assert chosen.scores == head.card.scores


def test_the_card_says_what_it_was_made_of(head: Head, field: World) -> None:
    card = head.card
    assert (card.encoder_id, card.encoder_weights_sha256) == ("student", "ab" * 32)
    assert (card.target, card.dims, card.seed, card.n_samples) == (RICHNESS, DIMS, 1, 400)
    assert (card.effort[0].name, card.effort[0].standard) == ("reads", 8000)
    assert card.domain.years == (2019, 2020, 2021)
    assert card.domain.west is None
    assert card.domain.target_high == field.labels.value.max()
    assert [name.split()[0] for name in card.libraries] == ["numpy", "scikit-learn", "scipy", "torch"]


def test_without_a_stated_standard_the_median_effort_is_the_standard(field: World) -> None:
    found = fitted(field, reads_standard(None)).card.effort[0]
    assert found.standard == np.median(field.labels.effort)


def test_more_reads_mean_more_taxa(field: World) -> None:
    low, high = (fitted(field, reads_standard(reads)) for reads in (2000.0, 32_000.0))
    gain = np.sqrt(high.predict(field.embeddings).mean) - np.sqrt(low.predict(field.embeddings).mean)
    assert np.median(gain) == pytest.approx(0.3 * np.log(16), rel=0.25)


def test_a_head_that_only_knows_the_mean_predicts_it_everywhere() -> None:
    field = with_labels(world(), effort=np.empty((160, 0)))
    got = fitted(field, replace(RICHNESS, effort=()), replace(QUICK, candidates=("mean",)))
    estimates = got.predict(field.embeddings)
    assert got.card.candidate == "mean"
    assert np.ptp(estimates.mean) == 0
    assert estimates.mean[0] == pytest.approx(field.labels.value.mean(), rel=0.02)


def test_the_same_samples_and_seed_give_the_same_head_and_another_seed_another() -> None:
    first, second = fitted(world(64)), fitted(world(64))
    assert first.card == second.card
    assert first.card.id.startswith("richness-")
    assert fitted(world(64), how=replace(QUICK, seed=2)).card.id != first.card.id


def test_missing_embeddings_have_no_estimate_and_are_never_zero(head: Head, field: World) -> None:
    embeddings = field.embeddings[:4].copy()
    embeddings[1, 3] = np.nan
    embeddings[2] = np.inf
    got = head.predict(embeddings)
    for values in (got.mean, got.sd, got.sd_place, got.sd_year, got.lo90, got.hi90, got.dissimilarity):
        assert np.isnan(values).tolist() == [False, True, True, False]
    assert got.applicable[1:3].tolist() == [False, False]


def test_what_a_pixel_is_told_does_not_depend_on_its_company(head: Head) -> None:
    pixels = world(5000, seed=6).embeddings
    whole, alone, few = (head.predict(part) for part in (pixels, pixels[4321:4322], pixels[4300:4330]))
    for name, values in vars(whole).items():
        assert values[4321] == getattr(alone, name)[0] == getattr(few, name)[21], name


def test_no_pixels_give_no_estimates(head: Head) -> None:
    got = head.predict(np.empty((0, DIMS), np.float32))
    assert {values.shape for values in vars(got).values()} == {(0,)}


@given(arrays(np.float32, (5, DIMS), elements=st.floats(-1e6, 1e6, width=32)))
@settings(max_examples=25, deadline=None)
def test_however_wild_the_embedding_richness_stays_within_bounds(head: Head, embeddings: np.ndarray) -> None:
    got = head.predict(embeddings)
    known = np.isfinite(got.mean)
    for values in (got.mean, got.lo90, got.hi90):
        assert ((values[known] >= 0) & (values[known] <= 600)).all()
    assert (got.sd[known] >= 0).all()
    assert not got.applicable[~known].any()


def test_parts_of_the_error_never_exceed_it(head: Head, field: World) -> None:
    got, parts = head.predict(field.embeddings), head.card.parts
    np.testing.assert_allclose(got.sd_place**2 + got.sd_year**2, (1 - parts.label) * got.sd**2, rtol=1e-6)
    assert parts.label > 0
    assert head.correlation == parts.correlation


def test_far_from_the_training_samples_the_head_says_so(head: Head, field: World) -> None:
    near, far = head.predict(field.embeddings), head.predict(field.embeddings * 10)
    assert near.applicable.mean() > 0.95
    assert far.applicable.mean() < 0.2
    assert far.dissimilarity.mean() > 3 * near.dissimilarity.mean()


def test_samples_without_an_embedding_or_effort_are_dropped_and_counted(field: World) -> None:
    embeddings, effort = field.embeddings.copy(), field.labels.effort.copy()
    embeddings[:7] = np.nan
    effort[10:12] = np.nan
    card = fitted(with_labels(replace(field, embeddings=embeddings), effort=effort)).card
    assert (card.n_samples, card.n_dropped) == (391, 9)


def test_samples_that_state_no_effort_still_make_a_head(field: World) -> None:
    got = fitted(with_labels(field, effort=np.full((400, 1), np.nan)))
    assert got.card.effort == ()
    assert np.isfinite(got.predict(field.embeddings).mean).all()


def test_a_dimension_that_never_varies_does_no_harm(field: World) -> None:
    embeddings = field.embeddings.copy()
    embeddings[:, 5] = 3.0
    got = fitted(replace(field, embeddings=embeddings)).predict(embeddings)
    assert np.isfinite(got.mean).all()


def test_places_hold_out_by_distance_and_stand_beside_the_embeddings() -> None:
    card = fitted(world(120, located=True), how=replace(QUICK, created_for="a test")).card
    assert card.created_for == "a test"
    assert card.primary.endswith(" km")
    assert {row.scheme for row in card.schemes} >= {"random", "coordinate", "10 km", "region", "nndm"}
    assert [row.features for row in card.comparison] == ["embedding", "embedding", "place"]
    assert card.applicability.scheme == "region"
    assert card.domain.west is not None


Spoil = Callable[[World], World]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: with_labels(f, value=changed(f.labels.value, 2, -3)), "value -3 is outside 0 to 600"),
        (lambda f: with_labels(f, value=np.full(400, 4.0)), "all samples have the value 4"),
        (lambda f: replace(f, embeddings=np.full_like(f.embeddings, np.nan)), "none of 400 samples has"),
        (lambda f: with_labels(f, effort=f.labels.effort * 0), "sampling effort reads 0: must be positive"),
        (lambda f: with_labels(f, group=None), "coordinates: expected finite"),
        (lambda f: with_labels(f, group=None, coordinates=np.zeros((400, 2))), "nothing keeps samples apart"),
        (lambda f: with_labels(f, group=None, coordinates=np.full((400, 2), 5e5)), "beyond 180, 90"),
        (lambda f: with_labels(f, group=np.zeros(400, np.int64)), "nothing keeps samples apart"),
    ],
)
def test_samples_that_cannot_carry_a_head_are_refused_in_one_line(
    field: World, spoil: Spoil, message: str
) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        fitted(spoil(field))
    assert "\n" not in str(caught.value)


def test_embeddings_of_another_length_are_refused(head: Head) -> None:
    with pytest.raises(ModelError, match=rf"head {head.card.id}: takes \(N, 16\), got \(3, 8\)"):
        head.predict(np.zeros((3, 8), np.float32))


def test_a_head_on_the_device_it_is_on_is_itself(head: Head) -> None:
    assert head.on("cpu") is head


@pytest.mark.slow
def test_a_real_ground_label_is_predicted_at_unseen_sites(shared: Path) -> None:
    with np.load(shared / "data/pixel_s1s2_labels_presto/fuel_moisture.npz", allow_pickle=False) as table:
        channels, month, place = table["s1_s2_era5_srtm"], table["month"], table["latlon"][:, ::-1]
        moisture = table["target"].astype(np.float64)
    turn = 2 * np.pi * month / 12
    features = np.concatenate([channels.reshape(len(channels), -1), np.cos(turn), np.sin(turn)], axis=1)
    n = len(moisture)
    labels = Labels(
        ids=tuple(str(number) for number in range(n)),
        value=moisture,
        coordinates=place.astype(np.float64),
        effort=np.empty((n, 0)),
        year=np.full(n, -1),
        group=None,
    )
    target = Target("moisture", "%", "log1p", high=1000.0)
    how = Fitting(seed=1, candidates=("ridge",))
    card = fit_head(features.astype(np.float32), labels, target, StatedEncoder(), how).card
    r2 = {row.scheme: row.scores.r2.estimate or 0.0 for row in card.schemes if row.scores}
    assert (card.n_samples, card.primary) == (1578, "100 km")
    assert 0.1 < r2["100 km"] < r2["50 km"] < r2["random"] - 0.05, "the random split flatters"
    assert card.scores.coverage_90.estimate == pytest.approx(0.9, abs=0.03)
