"""The card of a head: its id is its content, and it names the encoder it belongs to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from models.cards import card_text
from models.heads.card import (
    CARD,
    UNSTATED,
    DefectCount,
    HeadCard,
    StatedEncoder,
    card_id,
    named,
    read_head_card,
    refuse_other_encoder,
)
from monitoring.errors import CardMismatchError, WeightsError
from monitoring.targets import LabelError, SampleRules

from .planted_heads import QUICK, RICHNESS, fitted, world

DEFECTS = (DefectCount("a zero without a count", "zero_needs_count", "refused", 3),)


@pytest.fixture(scope="module")
def card() -> HeadCard:
    rules = SampleRules(zero_needs_count=True, max_extrapolation=4.0, alike_from=20.0)
    target = replace(RICHNESS, rules=rules, columns=("rarefied",), label_error=LabelError("constant", 2.0))
    return fitted(world(56), target, replace(QUICK, defects=DEFECTS, created_for="Wälder")).card


def test_a_card_comes_back_as_it_was_written(card: HeadCard, tmp_path: Path) -> None:
    (tmp_path / CARD).write_text(card_text(card), "utf-8")
    assert read_head_card(tmp_path) == card
    assert card.defects == DEFECTS


def test_the_id_is_the_target_and_the_content(card: HeadCard) -> None:
    assert card.id == card_id(card)
    assert named(card) == card
    other = named(replace(card, seed=card.seed + 1))
    assert other.id != card.id
    assert card.id.rpartition("-")[0] == other.id.rpartition("-")[0] == "richness"


def test_a_card_under_another_id_is_refused(card: HeadCard, tmp_path: Path) -> None:
    (tmp_path / CARD).write_text(card_text(replace(card, id="richness-000000000000")), "utf-8")
    with pytest.raises(WeightsError, match=r"card.json was altered, its id richness-0{12} does not fit"):
        read_head_card(tmp_path)


def test_where_one_side_does_not_know_the_weights_the_name_decides(card: HeadCard) -> None:
    refuse_other_encoder(card, StatedEncoder("student"))
    refuse_other_encoder(card, StatedEncoder("student", "ab" * 32))
    refuse_other_encoder(replace(card, encoder_weights_sha256=""), StatedEncoder("student", "cd" * 32))
    with pytest.raises(CardMismatchError, match=r"not to teacher$"):
        refuse_other_encoder(card, StatedEncoder("teacher"))


def test_a_head_of_an_unstated_encoder_takes_unstated_embeddings_only(card: HeadCard) -> None:
    unstated = replace(card, encoder_id=UNSTATED, encoder_weights_sha256="")
    refuse_other_encoder(unstated, StatedEncoder())
    with pytest.raises(CardMismatchError, match=r"belongs to encoder unstated, not to student \(abab"):
        refuse_other_encoder(unstated, StatedEncoder("student", "ab" * 32))
