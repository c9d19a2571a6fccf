"""The comparison: no label of a fold reaches its own predictions, and held-out blocks alone choose."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pytest

from models.heads.bootstrap import ScoreInterval, ScoreIntervals
from models.heads.candidates.contract import Spread, Training
from models.heads.candidates.registry import CANDIDATES
from models.heads.card import Compared
from models.heads.comparison import (
    EMBEDDING,
    SeenBy,
    Tried,
    baselines,
    choose,
    compare,
    filled,
    natural_mean,
    under_schemes,
)
from models.heads.crew import Crew
from models.heads.fitting import schemes_of
from models.heads.holding import Correction, HeldOut, LatentArrays, Trial, correction, hold_out
from models.heads.samples import HeadSamples, usable_samples
from models.heads.schemes import Scheme, primary_scheme
from monitoring.errors import ModelError

from .planted_heads import QUICK, RICHNESS, World, with_labels, world

ALONE = Crew()


def usable(field: World) -> HeadSamples:
    return usable_samples(field.embeddings, field.labels, RICHNESS)


def primary_of(field: World) -> tuple[HeadSamples, Scheme]:
    samples = usable(field)
    return samples, primary_scheme(schemes_of(samples, field.labels, QUICK))


def ridge_held_out(field: World) -> HeldOut:
    samples, scheme = primary_of(field)
    assert scheme.folds is not None
    return hold_out([Trial("ridge", samples.training(scheme.blocks), scheme.folds, 1)], ALONE, "x")[0]


def crowded(n_each: int = 2) -> World:
    """A world in which each place has replicates: samples of one embedding."""
    field = world()
    embeddings = field.embeddings[np.arange(len(field.embeddings)) // n_each * n_each]
    return World(embeddings, field.labels, field.expected)


@pytest.mark.parametrize("field", [world(), crowded()], ids=["one by one", "replicates"])
def test_no_label_of_a_fold_reaches_what_is_predicted_for_it(field: World) -> None:
    before = ridge_held_out(field)
    own = before.fold == 2
    other = with_labels(field, value=np.where(own, field.labels.value[::-1] / 2, field.labels.value))
    after = ridge_held_out(other)
    np.testing.assert_array_equal(after.fold, before.fold)
    np.testing.assert_array_equal(after.latent.mean[own], before.latent.mean[own])
    assert (after.latent.mean[~own] != before.latent.mean[~own]).all()


def test_candidates_stand_beside_the_reference_on_place_and_covariates() -> None:
    field = world(64, located=True)
    samples, scheme = primary_of(field)
    sets = baselines(samples, samples.training(scheme.blocks), {"climate": np.ones((64, 2))})
    assert [name for name, _ in sets] == ["place", "climate", "embedding + climate"]
    assert [each.embeddings.shape[1] for _, each in sets] == [2, 2, 18]
    assert all((each.latent == np.sqrt(samples.value)).all() for _, each in sets)


def test_without_places_there_is_no_baseline_of_place() -> None:
    samples, scheme = primary_of(world(64))
    assert baselines(samples, samples.training(scheme.blocks), {}) == []


def test_a_missing_covariate_is_the_middle_one() -> None:
    values = np.array([[1.0, 5], [np.nan, np.inf], [3, 9], [8, 7]])
    np.testing.assert_array_equal(filled("climate", values), [[1, 5], [3, 7], [3, 9], [8, 7]])


def test_a_covariate_without_any_value_is_refused() -> None:
    with pytest.raises(ModelError, match="climate: column 2 of 2 has no value at any sample"):
        filled("climate", np.array([[1.0, np.nan], [2, np.nan]]))


def test_an_unknown_candidate_is_refused() -> None:
    samples, scheme = primary_of(world(64))
    with pytest.raises(ModelError, match="candidate 'oracle': known are mean, ridge"):
        compare(samples, ("ridge", "oracle"), scheme, {}, 1, ALONE)


def test_without_folds_nothing_is_compared() -> None:
    impossible = Scheme("region", None, np.zeros(64, np.int64), "one place")
    with pytest.raises(ModelError, match="head richness: no folds to compare by: one place"):
        compare(usable(world(64)), ("ridge",), impossible, {}, 1, ALONE)


def test_the_primary_scheme_scores_what_the_comparison_did() -> None:
    samples, scheme = primary_of(world(64))
    row = compare(samples, ("ridge",), scheme, {}, 1, ALONE)[0].row
    schemes = schemes_of(samples, world(64).labels, QUICK)
    seen: Mapping[str, SeenBy] = {
        each.scheme.name: each for each in under_schemes(samples, "ridge", schemes, scheme.blocks, 1, ALONE)
    }
    assert seen["group"].row.scores == row.scores
    impossible = seen["10 km"].row
    assert (impossible.n_folds, impossible.scores) == (0, None)
    assert impossible.note == "64 of 64 samples have no coordinates"


def test_held_out_means_stay_within_the_targets_bounds() -> None:
    samples = usable(world(64))
    latent = LatentArrays(*np.tile([40.0, -40.0, 1e200, 3.0], (4, 16)))
    latent.variance[:] = 1e-6
    held = HeldOut(latent, Correction(1, 0), np.zeros(64, np.int64))
    np.testing.assert_allclose(natural_mean(samples, held)[:4], [600, 0, 600, 9], atol=1e-5)


def seen_labels(latent: np.ndarray) -> Training:
    n = len(latent)
    return Training(np.zeros((n, 1)), np.zeros((n, 0)), latent, np.ones(n), np.arange(n))


def test_a_posterior_gets_the_residual_variance_and_a_predictive_one_a_scale() -> None:
    # Errors of 3 and 1: mean square 5, of which 2 are stated.
    seen, zero = seen_labels(np.array([3.0, -1.0])), np.zeros(2)
    latent = LatentArrays(zero, np.full(2, 2.0), zero - 1, zero + 1)
    assert correction(Spread.POSTERIOR, latent, seen) == Correction(1.0, 3.0)
    assert correction(Spread.PREDICTIVE, latent, seen) == Correction(2.5, 0.0)


def test_errors_below_all_belief_leave_a_residual_all_the_same() -> None:
    seen, zero = seen_labels(np.array([3.0, -1.0])), np.zeros(2)
    perfect = LatentArrays(seen.latent, np.full(2, 2.0), zero, zero)
    assert correction(Spread.POSTERIOR, perfect, seen) == Correction(1.0, pytest.approx(4e-4))
    assert correction(Spread.PREDICTIVE, perfect, seen).scale == pytest.approx(2e-4)


def tried(candidate: str, rmse: float | None, features: str = EMBEDDING) -> Tried:
    """A trial of which nothing but its error is known."""
    unknown = ScoreInterval(None, None, None)
    error = ScoreInterval(rmse, None, None)
    scores = ScoreIntervals(unknown, error, unknown, unknown, unknown, unknown, unknown, 5, 10)
    nothing = LatentArrays(*np.empty((4, 0)))
    held = HeldOut(nothing, Correction(1, 0), np.empty(0, np.int64))
    return Tried(features, candidate, held, Compared(features, candidate, scores))


def chosen(**rmse: float | None) -> str:
    return choose([tried(name, error) for name, error in rmse.items()])[0].candidate


def test_the_candidates_that_the_rules_are_tested_with_are_fast_and_slow() -> None:
    assert CANDIDATES["ridge"].is_fast
    assert not CANDIDATES["stack"].is_fast
    assert not CANDIDATES["forest"].is_fast


def test_the_lowest_error_on_held_out_blocks_is_chosen() -> None:
    assert chosen(mean=20.0, ridge=10.0, fourier=11.0) == "ridge"
    assert chosen(mean=9.0, ridge=10.0) == "mean"


def test_a_stack_has_to_be_worth_its_members() -> None:
    assert chosen(ridge=10.0, stack=9.95) == "ridge"
    assert chosen(ridge=10.0, stack=9.8) == "stack"
    assert chosen(stack=9.8) == "stack"


def test_a_slow_candidate_has_to_be_worth_the_wait() -> None:
    assert chosen(ridge=10.0, forest=9.95) == "ridge"
    assert chosen(ridge=10.0, forest=9.0) == "forest"


def test_a_stack_is_measured_against_the_best_single_candidate_even_a_slow_one() -> None:
    assert chosen(ridge=10.0, forest=9.0, stack=8.95) == "forest"
    assert chosen(ridge=10.0, forest=9.0, stack=8.0) == "stack"


def test_candidates_on_other_features_are_never_chosen() -> None:
    best, _ = choose([tried("ridge", 10.0), tried("boosted", 2.0, "place")])
    assert best.candidate == "ridge"


def test_a_candidate_without_a_finite_error_is_never_chosen() -> None:
    assert chosen(ridge=None, mean=20.0) == "mean"
    with pytest.raises(ModelError, match="no candidate predicts finite values"):
        chosen(ridge=None, mean=np.inf)


@pytest.mark.parametrize(
    ("rmse", "words"),
    [
        ({"mean": 20.0, "ridge": 10.0}, "ridge: RMSE 10 on held-out blocks, among 2 candidates; the lowest"),
        ({"ridge": 10.0, "forest": 9.95}, r"ridge: .*; forest \(9.95\) is less than 1% better and slow"),
        ({"ridge": 10.0, "forest": 8.0}, r"forest: .*; slow, .*: the fast ridge \(10\) would lose 25.0%"),
    ],
)
def test_the_choice_is_explained(rmse: dict[str, float], words: str) -> None:
    _, reason = choose([tried(name, error) for name, error in rmse.items()])
    assert re.match(words, reason)
