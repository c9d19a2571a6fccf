"""A head on disk: all three files or none, and nothing but what was saved."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from models.cards import card_text
from models.heads.card import CARD, EVALUATION, TENSORS, StatedEncoder, named
from models.heads.head import Head, load_head, save_head
from monitoring.errors import CardMismatchError, ModelError, WeightsError

from .planted_heads import DIMS, ENCODER, QUICK, fitted, world

FILES = sorted((CARD, EVALUATION, TENSORS))


def make_head(seed: int) -> Head:
    return fitted(world(64, seed=seed))


@pytest.fixture(scope="module")
def head() -> Head:
    return make_head(1)


@pytest.fixture
def saved(head: Head, tmp_path: Path) -> Path:
    return save_head(head, tmp_path / "head")


def test_a_loaded_head_predicts_what_the_saved_one_did(head: Head, saved: Path) -> None:
    loaded = load_head(saved, ENCODER)
    pixels = np.random.default_rng(5).normal(size=(50, DIMS)).astype(np.float32)
    assert loaded.card == head.card
    for name, values in vars(head.predict(pixels)).items():
        np.testing.assert_array_equal(getattr(loaded.predict(pixels), name), values)


@pytest.mark.parametrize("candidate", ["mean", "ridge", "fourier"])
def test_a_loaded_head_saves_the_same_bytes_again(candidate: str, tmp_path: Path) -> None:
    head = fitted(world(56), how=replace(QUICK, candidates=(candidate,)))
    first = save_head(head, tmp_path / "first")
    second = save_head(load_head(first), tmp_path / "second")
    for name in FILES:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_a_head_directory_holds_three_files_and_no_leftovers(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == FILES
    assert [path.name for path in saved.parent.iterdir()] == ["head"]


def test_the_same_samples_and_seed_give_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    again = save_head(make_head(1), tmp_path / "again")
    for name in FILES:
        assert (saved / name).read_bytes() == (again / name).read_bytes()


def test_a_newer_head_replaces_the_earlier(saved: Path) -> None:
    newer = make_head(2)
    save_head(newer, saved)
    assert load_head(saved, ENCODER).card == newer.card
    assert [path.name for path in saved.parent.iterdir()] == ["head"]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (StatedEncoder("another", "ab" * 32), r"belongs to encoder student \(abababababab\), not to another"),
        (StatedEncoder("student", "cd" * 32), r"not to student \(cdcdcdcdcdcd\)"),
        (StatedEncoder(), "not to unstated$"),
    ],
)
def test_another_encoder_is_refused(saved: Path, other: StatedEncoder, message: str) -> None:
    with pytest.raises(CardMismatchError, match=message) as caught:
        load_head(saved, other)
    assert "\n" not in str(caught.value)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def edit(*where: str, value: object) -> Callable[[Path], None]:
    """Put another value into a card."""

    def apply(path: Path) -> None:
        whole = json.loads(path.read_text("utf-8"))
        part = whole
        for name in where[:-1]:
            part = part[name]
        part[where[-1]] = value
        path.write_text(json.dumps(whole), "utf-8")

    return apply


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        (CARD, Path.unlink, "No such file"),
        (CARD, cut, "card"),
        (CARD, edit("seed", value=9), "card.json was altered"),
        (CARD, edit("conformal", "upper", value=0.1), "card.json was altered"),
        (CARD, edit("seed", value="one"), "expected int"),
        (CARD, edit("surprise", value=1), "unknown fields"),
        (CARD, edit("target", "transform", value="cube"), "transform 'cube': known are"),
        (CARD, edit("parts", "year", value=float("inf")), "Out of range float"),
        (TENSORS, Path.unlink, "No such file"),
        (TENSORS, cut, "its card says"),
        (TENSORS, flip, "its card says"),
        (EVALUATION, Path.unlink, "No such file"),
        (EVALUATION, cut, "its card says"),
        (EVALUATION, flip, "its card says"),
    ],
)
def test_a_damaged_head_is_refused_in_one_line(
    saved: Path, file: str, damage: Callable[[Path], None], message: str
) -> None:
    damage(saved / file)
    with pytest.raises(WeightsError, match=message) as caught:
        load_head(saved, ENCODER)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("head ")


def test_tensors_swapped_for_others_are_refused(saved: Path) -> None:
    (saved / TENSORS).unlink()
    save_file({"coefficients": np.zeros(3)}, saved / TENSORS)
    with pytest.raises(WeightsError, match="its card says"):
        load_head(saved, ENCODER)


@pytest.mark.parametrize("candidate", ["oracle", "forest"])
def test_a_card_that_names_another_candidate_than_its_tensors_is_refused(
    saved: Path, head: Head, candidate: str
) -> None:
    forged = named(replace(head.card, candidate=candidate))
    (saved / CARD).write_text(card_text(forged), "utf-8")
    with pytest.raises(WeightsError, match=f"head .*{TENSORS}: ") as caught:
        load_head(saved)
    assert "\n" not in str(caught.value)


def test_a_directory_that_is_not_there_is_a_weights_error(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="nowhere"):
        load_head(tmp_path / "nowhere", ENCODER)


def test_a_full_disk_leaves_the_earlier_head(
    saved: Path, head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelError, match=r"cannot be written .* No space left"):
        save_head(replace(head, card=replace(head.card, seed=5)), saved)
    assert load_head(saved, ENCODER).card == head.card
    assert [path.name for path in saved.parent.iterdir()] == ["head"]


def test_a_rename_that_fails_puts_the_earlier_head_back(
    saved: Path, head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def refuse_the_new(source: Path, target: Path) -> Path:
        if target == saved and source.name != "earlier":
            raise OSError(5, "Input/output error")
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", refuse_the_new)
    with pytest.raises(ModelError, match="Input/output error"):
        save_head(make_head(2), saved)
    assert load_head(saved, ENCODER).card == head.card


def test_a_place_that_cannot_be_written_is_one_clear_line(head: Head, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelError, match="cannot be written"):
        save_head(head, tmp_path / "file" / "head")
