"""The stored evaluation: what a head was fitted to and held out by, and the same scores again."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from models.heads.crew import Crew
from models.heads.evaluation import evaluate, primary_blocks, read_evaluation
from models.heads.head import Head, load_head, save_head
from monitoring.errors import WeightsError

from .planted_heads import QUICK, RICHNESS, World, fitted, with_labels, world


def two_regions() -> World:
    """A world without places whose samples lie in two regions, one of them without an embedding."""
    field = world(72)
    embeddings = field.embeddings.copy()
    embeddings[3] = np.nan
    return replace(field, embeddings=embeddings)


@pytest.fixture(scope="module")
def head() -> Head:
    return fitted(two_regions(), how=replace(QUICK, region=np.arange(72) // 36))


@pytest.fixture
def loaded(head: Head, tmp_path: Path) -> Head:
    return load_head(save_head(head, tmp_path / "head"))


def test_holding_out_again_gives_exactly_the_scores_of_the_card(loaded: Head) -> None:
    again = {each.scheme.name: each.row for each in evaluate(loaded.evaluation, loaded.card, Crew())}
    stated = {row.scheme: row for row in loaded.card.schemes if row.scores is not None}
    assert again == stated
    assert set(again) == {"random", "region", "group"}


def test_the_stored_means_are_those_of_the_folds_of_the_choice(loaded: Head) -> None:
    value, held_out = loaded.evaluation.samples.value, loaded.evaluation.held_out_mean
    rmse = float(np.sqrt(np.mean((held_out - value) ** 2)))
    assert loaded.card.scores.rmse.estimate == pytest.approx(rmse, rel=1e-12)


def test_everything_comes_back_as_it_was_stored(head: Head, loaded: Head) -> None:
    for name in ("embeddings", "latent_effort", "weight", "value"):
        np.testing.assert_array_equal(
            getattr(loaded.evaluation.samples, name), getattr(head.evaluation.samples, name)
        )
    assert loaded.evaluation.samples.labels.ids == head.evaluation.samples.labels.ids
    assert "s3" not in loaded.evaluation.samples.labels.ids
    assert [scheme.name for scheme in loaded.evaluation.schemes] == [
        scheme.name for scheme in head.evaluation.schemes
    ]
    assert loaded.evaluation.content == head.evaluation.content


def test_the_blocks_of_the_choice_are_the_groups(loaded: Head) -> None:
    blocks = primary_blocks(loaded.evaluation, loaded.card)
    expected = np.delete(np.arange(72) // 8, 3)
    assert len({*zip(blocks.tolist(), expected.tolist(), strict=True)}) == 9


def test_samples_without_effort_and_with_any_name_come_back(tmp_path: Path) -> None:
    field = with_labels(world(56), effort=np.empty((56, 0)))
    ids = ("", "Wald, Lübeck #1", *field.labels.ids[2:])
    head = fitted(with_labels(field, ids=ids), replace(RICHNESS, effort=()))
    again = load_head(save_head(head, tmp_path / "head")).evaluation
    assert again.samples.labels.ids == ids
    assert again.samples.latent_effort.shape == (56, 0)


def test_effort_that_no_sample_stated_stays_unstated(tmp_path: Path) -> None:
    head = fitted(with_labels(world(56), effort=np.full((56, 1), np.nan)))
    again = load_head(save_head(head, tmp_path / "head"))
    assert again.evaluation.samples.effort == again.card.effort == ()


@pytest.mark.parametrize(
    ("part", "message"), [("fold.group", "fold.group"), ("embedding", "embedding"), ("year", "year")]
)
def test_an_evaluation_that_lacks_a_part_is_refused_in_one_line(head: Head, part: str, message: str) -> None:
    tensors = {name: each for name, each in load(head.evaluation.content).items() if name != part}
    content = save(tensors)
    card = replace(head.card, evaluation_sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(WeightsError, match=message) as caught:
        read_evaluation(content, card, "here")
    assert "\n" not in str(caught.value)


def test_an_evaluation_that_was_altered_is_refused(head: Head) -> None:
    with pytest.raises(WeightsError, match=r"head here: sha256 is .*, its card says"):
        read_evaluation(head.evaluation.content + b" ", head.card, "here")
