"""Encoder cards: packaged, exact, and refused when a field is not what it should be."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from models.cards import card_text, read_card
from models.encoders.card import WEIGHTS, EncoderCard, encoder_card, encoder_cards
from monitoring.errors import CardMismatchError, ModelError

OFFICIAL = ("tessera-v2-nano", "tessera-v2-small", "tessera-v2-medium", "tessera-v2-large")


def test_the_four_official_students_are_pinned_to_a_revision_and_a_hash() -> None:
    cards = {card.id: card for card in encoder_cards()}
    assert set(OFFICIAL) <= set(cards)
    for name in OFFICIAL:
        card = cards[name]
        assert card.repository.startswith("geotessera/TESSERA-V-2.0-2B-")
        assert (len(card.revision), len(card.weights_sha256)) == (40, 64)
        assert card.licence == "CC0-1.0"
        assert card.training is None


def test_an_unknown_encoder_names_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"'tessera-v9' is not known; known are .*tessera-v2-nano"):
        encoder_card("tessera-v9")


def test_every_packaged_card_is_written_as_it_is_read() -> None:
    paths = sorted(WEIGHTS.glob("*.json"))
    assert paths
    for path in paths:
        assert card_text(read_card(EncoderCard, path)) == path.read_text("utf-8")


def test_the_digest_follows_the_content() -> None:
    digests = {card.digest for card in encoder_cards()}
    assert len(digests) == len(encoder_cards())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": 3}, "id: expected str, got 3"),
        ({"bytes": True}, "bytes: expected int, got True"),
        ({"surprise": 1}, r"unknown fields \['surprise'\]"),
        (
            {"config": {"latent_dim": 9, "num_layers": 2, "nhead": 5, "dim_feedforward": 8}},
            "multiple of 5 heads",
        ),
        ({"allowed_sources": "any"}, "allowed_sources: expected a list"),
        ({"allowed_sources": [1]}, r"allowed_sources\[0\]: expected str"),
        ({"normalisation": None}, "normalisation: must be stated"),
        ({"licence": " "}, "states no licence"),
    ],
)
def test_a_card_with_a_wrong_field_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    content = json.loads(card_text(encoder_card("tessera-v2-nano"))) | change
    path = tmp_path / "card.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError, match=message):
        read_card(EncoderCard, path)


def test_a_card_with_nine_optical_means_is_refused(tmp_path: Path) -> None:
    content = json.loads(card_text(encoder_card("tessera-v2-nano")))
    content["normalisation"]["s2_mean"].pop()
    (tmp_path / "card.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match="s2_mean: expected 10 numbers, found 9"):
        read_card(EncoderCard, tmp_path / "card.json")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": "x"}'])
def test_rubbish_is_not_a_card(tmp_path: Path, text: str) -> None:
    (tmp_path / "card.json").write_text(text)
    with pytest.raises(ModelError, match=r"card .*card\.json"):
        read_card(EncoderCard, tmp_path / "card.json")


def test_a_card_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        read_card(EncoderCard, tmp_path / "absent.json")


def test_scenes_from_a_source_the_encoder_does_not_know_are_refused() -> None:
    with pytest.raises(CardMismatchError, match="scenes from 'earth-search', allowed are simulated"):
        encoder_card("underwood-student-1").refuse_source("earth-search")
    encoder_card("underwood-student-1").refuse_source("simulated")
    encoder_card("tessera-v2-nano").refuse_source("earth-search")


def test_a_card_of_ones_own_is_read_from_its_file(tmp_path: Path) -> None:
    own = dataclasses.replace(encoder_card("tessera-v1.0-qat"), id="my-qat", weights_sha256="ab" * 32)
    path = tmp_path / "my-qat.json"
    path.write_text(card_text(own), "utf-8")
    assert encoder_card(str(path)) == own
    with pytest.raises(ModelError, match=r"absent\.json"):
        encoder_card(str(tmp_path / "absent.json"))
