"""The shelf of heads: every one is kept, one speaks for its target, and a bad one hides no other."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from head_files import embeddings_of, rows_of

from flows.modelling.registry import Shelf, refuse_foreign, shelves
from flows.targets import read_target
from models.heads.card import StatedEncoder
from models.heads.fitting import Fitting, fit_head
from models.heads.head import Head, load_head
from models.heads.samples import Labels
from monitoring.errors import ModelError, WeightsError

NOW = datetime(2026, 1, 15, tzinfo=UTC)


def labels() -> Labels:
    rows = rows_of()
    return Labels(
        ids=tuple(row[0] for row in rows),
        value=np.array([row[4] for row in rows]),
        coordinates=np.array([row[1:3] for row in rows]),
        effort=np.array([[row[5]] for row in rows], np.float64),
        year=np.array([row[3] for row in rows], np.int64),
    )


@pytest.fixture(scope="module")
def heads() -> tuple[Head, Head]:
    """Two heads of different candidates."""
    return fitted("ridge"), fitted("mean")


def fitted(candidate: str) -> Head:
    target, how = read_target("richness"), Fitting(candidates=(candidate,))
    return fit_head(embeddings_of(), labels(), target, StatedEncoder("somebody's"), how)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """An empty shelf."""
    return Shelf(tmp_path / "heads" / "richness")


def test_every_head_is_kept_under_its_id(shelf: Shelf, heads: tuple[Head, Head]) -> None:
    for head in heads:
        assert shelf.keep(head).name == head.card.id
    assert shelf.ids() == sorted(head.card.id for head in heads)
    assert [each.card for each in shelf.kept()] == sorted((h.card for h in heads), key=lambda card: card.id)
    assert not any(each.is_promoted for each in shelf.kept())


def test_none_speaks_before_one_is_promoted(shelf: Shelf, heads: tuple[Head, Head]) -> None:
    shelf.keep(heads[0])
    assert shelf.promoted == ""
    with pytest.raises(WeightsError, match="none is promoted"):
        _ = shelf.in_use


def test_the_last_promoted_speaks(shelf: Shelf, heads: tuple[Head, Head]) -> None:
    for head in heads:
        shelf.keep(head)
        shelf.promote(head.card.id, NOW)
        assert shelf.in_use == shelf.path(head.card.id)
    assert [each.id for each in shelf.kept() if each.is_promoted] == [heads[1].card.id]


def test_a_head_that_is_not_kept_cannot_be_promoted(shelf: Shelf, heads: tuple[Head, Head]) -> None:
    shelf.keep(heads[0])
    shelf.promote(heads[0].card.id, NOW)
    with pytest.raises(ModelError, match=f"kept are {heads[0].card.id}"):
        shelf.promote(heads[1].card.id, NOW)
    shelf.keep(heads[1])
    (shelf.path(heads[1].card.id) / "card.json").write_text("{}")
    with pytest.raises(WeightsError, match="missing fields"):
        shelf.promote(heads[1].card.id, NOW)
    assert shelf.promoted == heads[0].card.id


@pytest.mark.parametrize("name", ["..", "../other", "/etc", "", ".hidden", "a/b"])
def test_a_name_that_leads_elsewhere_is_no_id(shelf: Shelf, name: str) -> None:
    with pytest.raises(ModelError, match="not an id"):
        shelf.path(name)


def test_keeping_a_head_again_leaves_what_lies_beside_it_and_repairs_a_damaged_one(
    shelf: Shelf, heads: tuple[Head, Head]
) -> None:
    path = shelf.keep(heads[0])
    (path / "promotion.json").write_text("{}")
    shelf.keep(heads[0])
    assert (path / "promotion.json").exists()
    (path / "head.safetensors").write_bytes(b"damaged")
    shelf.keep(heads[0])
    assert load_head(path).card == heads[0].card


def test_a_damaged_head_is_told_and_hides_no_other(shelf: Shelf, heads: tuple[Head, Head]) -> None:
    for head in heads:
        shelf.keep(head)
    (shelf.path(heads[0].card.id) / "card.json").write_text("{")
    failures = {each.id: each.failure for each in shelf.kept()}
    assert "card.json" in failures[heads[0].card.id]
    assert failures[heads[1].card.id] == ""


def test_a_head_of_the_first_version_is_told_to_be_trained_anew(
    shelf: Shelf, heads: tuple[Head, Head]
) -> None:
    shelf.folder.mkdir(parents=True)
    (shelf.folder / "card.json").write_text('{"id": "richness-1"}')
    (shelf.folder / "head.safetensors").write_bytes(b"")
    with pytest.raises(WeightsError) as refusal:
        _ = shelf.in_use
    assert str(refusal.value) == (
        f"heads {shelf.folder}: holds a head of an earlier version, which this one cannot read; "
        "`underwood train` fits it anew"
    )
    assert [each.failure for each in shelf.kept()] == [str(refusal.value)]
    shelf.keep(heads[0])
    shelf.promote(heads[0].card.id, NOW)
    assert shelf.in_use.name == heads[0].card.id
    assert [each.failure for each in shelf.kept()] == [""]


@pytest.mark.parametrize("content", ["", "[]", "{}", '"x"', "\0"])
def test_a_damaged_record_of_the_promotion_is_told(shelf: Shelf, content: str) -> None:
    shelf.folder.mkdir(parents=True)
    (shelf.folder / "promoted.json").write_text(content)
    with pytest.raises(WeightsError, match=r"promoted\.json: damaged"):
        _ = shelf.promoted


def test_every_target_has_a_shelf_of_its_own(tmp_path: Path, heads: tuple[Head, Head]) -> None:
    assert shelves(tmp_path / "nowhere") == []
    for target in ("richness", "fuel_moisture"):
        Shelf(tmp_path / target).keep(heads[0])
    assert [each.folder.name for each in shelves(tmp_path)] == ["fuel_moisture", "richness"]


def test_a_head_is_put_in_place_of_another_and_of_nothing_else(
    tmp_path: Path, shelf: Shelf, heads: tuple[Head, Head]
) -> None:
    refuse_foreign(tmp_path / "new" / "folder")
    refuse_foreign(shelf.keep(heads[0]))
    (tmp_path / "empty").mkdir()
    refuse_foreign(tmp_path / "empty")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ModelError, match=r"holds 'thesis\.txt', which is no part of a head"):
        refuse_foreign(tmp_path / "mine")
    with pytest.raises(ModelError, match="is a file"):
        refuse_foreign(tmp_path / "mine" / "thesis.txt")
    with pytest.raises(ModelError, match="nothing can be written"):
        refuse_foreign(tmp_path / "mine" / "thesis.txt" / "below")
