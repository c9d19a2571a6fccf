"""Recorded cards: a new version of the code may word a card anew, and never make it another model."""

from __future__ import annotations

import dataclasses
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.load import model_row
from models.encoders.card import EncoderCard, encoder_card, encoder_cards
from models.heads.card import HeadCard
from monitoring.errors import WarehouseError
from warehouse.reader import read
from warehouse.recording.cards import IDENTITY
from warehouse.records import ModelRow
from warehouse.writer import open_writer

sys.path.append(str(Path(__file__).parents[1] / "warehouse"))  # the small world of the warehouse's own tests
import warehouse_world as world

NOW = datetime(2026, 1, 15, 3, tzinfo=UTC)
CARD = encoder_card("underwood-student-1")
#: What cards of 0.1.0 did not state.
ADDED_SINCE = ("input", "numerics", "prefixes", "selection")


def row(card: EncoderCard) -> ModelRow:
    return model_row("encoder", card, card.weights_sha256)


@pytest.mark.parametrize(("kind", "card"), [("encoder", EncoderCard), ("head", HeadCard)])
def test_what_is_compared_are_fields_of_the_cards(kind: str, card: type) -> None:
    assert set(IDENTITY[kind]) <= {field.name for field in dataclasses.fields(card)}
    assert list(IDENTITY) == ["encoder", "head"]


def test_a_service_of_0_1_0_takes_the_card_of_this_version(tmp_path: Path) -> None:
    stated = json.loads(row(CARD).card)
    older = {name: value for name, value in stated.items() if name not in ADDED_SINCE}
    path = world.empty(tmp_path / "warehouse.duckdb")
    with open_writer(path, now=NOW) as writer:
        assert writer.load_models(
            [ModelRow("encoder", CARD.id, json.dumps(older), CARD.weights_sha256)], now=NOW
        )
        assert writer.load_models([row(CARD)], now=NOW) == 1
        assert writer.load_models([row(CARD)], now=NOW) == 0
    with read(path) as reader:
        assert [json.loads(each["card"]) for each in reader.models()] == [stated]


def test_every_packaged_card_is_recorded_once(tmp_path: Path) -> None:
    rows = [row(card) for card in encoder_cards()]
    with open_writer(world.empty(tmp_path / "warehouse.duckdb"), now=NOW) as writer:
        assert writer.load_models(rows, now=NOW) == len(rows)
        assert writer.load_models(rows, now=NOW) == 0


@pytest.mark.parametrize(
    "words",
    [{"pinned_by": "somebody"}, {"numerics": "exact"}, {"training_domain": "woods"}, {"licence": "MIT"}],
)
def test_new_words_are_recorded(tmp_path: Path, words: dict[str, str]) -> None:
    path = world.empty(tmp_path / "warehouse.duckdb")
    worded = dataclasses.replace(CARD, **words)  # type: ignore[arg-type]
    with open_writer(path, now=NOW) as writer:
        writer.load_models([row(CARD)], now=NOW)
        assert writer.load_models([row(worded)], now=NOW) == 1
    with read(path) as reader:
        assert [each["card"] for each in reader.models()] == [row(worded).card]


@pytest.mark.parametrize(
    ("named", "changed"),
    [
        ("weights_sha256", {"weights_sha256": "ab" * 32}),
        ("dims", {"dims": 64}),
        ("selection", {"selection": "v1.1"}),
        ("radar_rule", {"radar_rule": "decibels"}),
        ("config.nhead", {"config": dataclasses.replace(CARD.config, nhead=8)}),
        (
            "normalisation.s2_mean",
            {"normalisation": dataclasses.replace(CARD.statistics, s2_mean=(1.0,) * 10)},
        ),
    ],
)
def test_another_encoder_under_the_same_id_is_refused_and_named(
    tmp_path: Path, named: str, changed: dict[str, object]
) -> None:
    other = dataclasses.replace(CARD, **changed)  # type: ignore[arg-type]
    with open_writer(world.empty(tmp_path / "warehouse.duckdb"), now=NOW) as writer:
        writer.load_models([row(CARD)], now=NOW)
        with pytest.raises(WarehouseError) as refusal:
            writer.load_models([row(other)], now=NOW)
    said = str(refusal.value)
    assert said.startswith(f"model card {CARD.id}: differs from the recorded one of that id in {named}: ")
    assert len(said) < 250
