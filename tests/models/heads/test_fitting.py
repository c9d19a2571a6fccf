"""Fitting: what of an error is the label's, and where a head was seen to apply."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.heads.crew import Crew, one_thread
from models.heads.fitting import (
    Fitting,
    fit_head,
    inside_when_held_out,
    label_variance,
    occasions,
    parts_of,
)
from models.heads.head import tensors
from models.heads.samples import usable_samples
from monitoring.errors import ModelError
from monitoring.targets import LabelError, Target

from .planted_heads import ENCODER, QUICK, RICHNESS, World, fitted, with_labels, world

PERCENT = Target("percent", "%", "none", low=-100.0, label_error=LabelError("proportional", 0.1))


def test_the_error_of_a_label_on_its_own_scale_is_the_models() -> None:
    np.testing.assert_allclose(label_variance(PERCENT, np.array([50.0, -50, 20])), [25, 25, 4])


@pytest.mark.parametrize(
    ("transform", "spread"), [("sqrt", 0.1 / 2), ("log1p", 0.1 * 40 / 41)], ids=["sqrt", "log1p"]
)
def test_the_error_of_a_label_is_brought_to_the_scale_of_the_head(transform: str, spread: float) -> None:
    # Ten percent of 40: by the delta method 4 / (2 sqrt(40)) and 4 / 41; by Monte Carlo the same.
    target = replace(PERCENT, low=0.0, transform=transform)
    labels = np.random.default_rng(1).normal(40, 4, 200_000)
    drawn = np.sqrt(labels) if transform == "sqrt" else np.log1p(labels)
    found = label_variance(target, np.full(3, 40.0))
    np.testing.assert_allclose(found, spread**2 * (40 if transform == "sqrt" else 1))
    assert found[0] == pytest.approx(drawn.var(), rel=0.04)


@pytest.mark.parametrize("transform", ["none", "sqrt", "log1p"])
def test_in_another_unit_a_label_errs_by_the_same_share(transform: str) -> None:
    # Shares of 1 are percent over 100; log1p is no multiple of anything, but it is the identity near 0.
    target = replace(PERCENT, low=0.0, transform=transform)
    share = np.array([0.0001, 0.0002, 0.0004])
    power = {"none": 2, "sqrt": 1, "log1p": 2}[transform]
    expected = (0.1 * share) ** 2 if power == 2 else 0.1**2 * share / 4
    np.testing.assert_allclose(label_variance(target, share), expected, rtol=1e-3)


def test_a_predicted_zero_has_a_finite_label_error() -> None:
    assert np.isfinite(label_variance(RICHNESS, np.array([0.0, 30.0, 60.0]))).all()
    assert np.isfinite(label_variance(RICHNESS, np.zeros(3))).all()


def two_visits(embedding: list[float], year: list[int], place: list[float]) -> World:
    """Sixty samples: the given ones, and others each at a place and with an embedding of its own."""
    n, k = 60, len(year)
    field = world(n, located=True)
    embeddings = field.embeddings.copy()
    embeddings[:k] = np.array(embedding, np.float32)[:, None]
    years = field.labels.year.copy()
    years[:k] = year
    coordinates = np.column_stack([np.arange(n) / 10, np.full(n, 50.0)])
    coordinates[:k, 0] = place
    return with_labels(replace(field, embeddings=embeddings), year=years, coordinates=coordinates)


def occasions_of(field: World) -> list[int]:
    found = occasions(usable_samples(field.embeddings, field.labels, RICHNESS))
    return [int(each) for each in found]


def test_samples_of_one_place_year_and_embedding_are_of_one_occasion() -> None:
    first, second, *others = occasions_of(two_visits([5, 5], [2020, 2020], [9, 9]))
    assert first == second
    assert len(set(others)) == 3, "elsewhere, the occasion is the year"


def test_two_dates_of_one_year_at_one_place_are_two_occasions() -> None:
    first, second, *_ = occasions_of(two_visits([5, 6], [2020, 2020], [9, 9]))
    assert first != second


def test_two_years_at_one_place_are_two_occasions_whatever_the_embedding() -> None:
    first, second, *_ = occasions_of(two_visits([5, 5], [2020, 2021], [9, 9]))
    assert first != second


def test_two_places_seen_in_one_year_are_of_one_occasion() -> None:
    first, second, *_ = occasions_of(two_visits([5, 6], [2020, 2020], [9, 9.5]))
    assert first == second


def test_a_sample_without_a_year_is_of_no_occasion() -> None:
    first, second, third, *_ = occasions_of(two_visits([5, 5, 5], [-1, -1, 2020], [9, 9, 9]))
    assert (first, second) == (-1, -1)
    assert third > 0


def test_samples_without_places_are_of_the_occasion_of_their_year() -> None:
    field = with_labels(world(60), year=np.repeat([2019, 2020, -1], 20))
    found = occasions_of(field)
    assert len(set(found)) == 3
    assert set(found[40:]) == {-1}


def test_replicates_tell_how_much_of_the_error_is_the_labels() -> None:
    # 40 places with two samples each in one year: labels err by 0.3, predictions for a place by 0.4.
    random = np.random.default_rng(2)
    place = np.arange(80) // 2
    field = world(80, located=True)
    labels = {"coordinates": np.column_stack([place / 10, np.full(80, 50.0)]), "year": np.full(80, 2020)}
    field = with_labels(replace(field, embeddings=field.embeddings[place * 2]), **labels)
    residual = 0.4 * random.normal(size=40)[place] + 0.3 * random.normal(size=80)
    parts = parts_of(usable_samples(field.embeddings, field.labels, RICHNESS), residual, np.full(80, 1e-9))
    assert parts.label == pytest.approx(0.09 / 0.25, abs=0.12)
    assert parts.evidence.startswith("label: 40 pairs of samples at 40 places in one year")
    assert parts.label + parts.place + parts.year == pytest.approx(1)


def test_held_out_regions_far_from_the_others_are_outside_their_area() -> None:
    random = np.random.default_rng(3)
    fold = np.repeat(np.arange(4), 25)
    embeddings = random.normal(size=(100, 3))
    embeddings[fold == 2] += 30
    inside = inside_when_held_out(embeddings, np.ones(3), fold, fold)
    assert not inside[fold == 2].any()
    assert inside[fold != 2].mean() > 0.9


@pytest.mark.parametrize("group", [np.arange(100) // 10, np.arange(100) // 50], ids=["ten", "two"])
def test_of_two_folds_the_one_that_is_left_still_has_an_area(group: np.ndarray) -> None:
    fold = np.arange(100) // 50
    embeddings = np.random.default_rng(3).normal(size=(100, 3))
    embeddings[7] += 30
    inside = inside_when_held_out(embeddings, np.ones(3), fold, group)
    assert not inside[7]
    assert inside.mean() > 0.8


def test_two_groups_are_enough_for_a_head() -> None:
    field = with_labels(world(64), group=np.arange(64) // 32)
    assert fitted(field).card.applicability.scheme == "group"


def test_the_card_says_what_the_area_of_applicability_was_worth() -> None:
    field = world()
    embeddings = field.embeddings.copy()
    embeddings[:8] += 60
    embeddings[8:16] -= 60
    card = fitted(replace(field, embeddings=embeddings)).card
    found = card.applicability
    assert found.scheme == card.primary == "group"
    assert found.share_outside is not None
    assert 16 / 160 <= found.share_outside < 0.2
    assert found.rmse_inside is not None
    assert found.rmse_outside is not None
    assert found.threshold > 0
    assert found.n_reference == 160


def test_regions_that_are_given_are_left_out_whole() -> None:
    field = world(64, located=True)
    group = np.arange(64) // 8
    how = replace(QUICK, region=group % 2)
    card = fitted(with_labels(field, group=group, coordinates=np.full((64, 2), np.nan)), how=how).card
    regions = next(row for row in card.schemes if row.scheme == "region")
    assert (regions.n_folds, regions.n_blocks) == (2, 2)
    assert card.applicability.scheme == "region"


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (Fitting(region=np.zeros(63, np.int64)), "region: 63 rows for 64 samples"),
        (Fitting(beside={"climate": np.zeros((65, 2))}), "climate: 65 rows for 64 samples"),
        (Fitting(beside={"climate": np.full((64, 2), np.nan)}), "climate: column 1 of 2 has no value"),
        (Fitting(candidates=("oracle",)), "candidate 'oracle': known are"),
    ],
)
def test_what_does_not_belong_to_the_samples_is_refused_in_one_line(how: Fitting, message: str) -> None:
    field = world(64)
    with pytest.raises(ModelError, match=message) as caught:
        fit_head(field.embeddings, field.labels, RICHNESS, ENCODER, how)
    assert "\n" not in str(caught.value)


def test_covariates_stand_beside_the_embeddings_in_the_card() -> None:
    field = world(64)
    spoilt = field.embeddings.copy()
    spoilt[:3] = np.nan
    climate = np.random.default_rng(5).normal(size=(64, 2))
    climate[4, 1] = np.nan
    card = fitted(replace(field, embeddings=spoilt), how=replace(QUICK, beside={"climate": climate})).card
    assert [(row.features, row.candidate) for row in card.comparison] == [
        ("embedding", "mean"),
        ("embedding", "ridge"),
        ("climate", "ridge"),
        ("embedding + climate", "ridge"),
    ]
    assert card.candidate == "ridge"


def test_progress_counts_every_fit() -> None:
    told: list[tuple[str, int, int]] = []
    crew = Crew(1, lambda label: lambda done, total: told.append((label, done, total)))
    fitted(world(64), crew=crew)
    compared = [row for row in told if row[0] == "compare candidates"]
    assert [row[1] for row in compared] == list(range(1, 11))
    assert {row[2] for row in compared} == {10}


def squared(value: int) -> int:
    return value * value


def test_a_crew_gives_results_in_the_order_of_the_jobs() -> None:
    assert Crew(1).do(squared, [3, 1, 2], "x") == [9, 1, 4]
    assert Crew(4).do(squared, [], "x") == []


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


@pytest.mark.slow
def test_a_crew_of_two_gives_the_bytes_of_one() -> None:
    alone, both = fitted(world(64)), fitted(world(64), crew=Crew(2))
    assert both.card == alone.card
    assert both.evaluation.content == alone.evaluation.content
    assert tensors(both.module, both.applicability) == tensors(alone.module, alone.applicability)
