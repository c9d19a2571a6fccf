"""A head on disk: both files or none, and nothing but what was saved."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from models.heads.head import Head, fit_head, load_head, save_head
from monitoring.errors import CardMismatchError, ModelError, WeightsError


@dataclass(frozen=True)
class Encoder:
    id: str = "student"
    weights_sha256: str = "ab" * 32


def make_head(seed: int) -> Head:
    random = np.random.default_rng(seed)
    embeddings = random.normal(size=(80, 6)).astype(np.float32)
    richness = 20 + 3 * embeddings[:, 0].astype(np.float64) + random.normal(size=80)
    place = random.uniform((-3, 50), (1, 54), (80, 2))
    reads = np.full(80, 5000.0)
    return fit_head(embeddings, richness, reads, place, encoder=Encoder(), target="richness", seed=seed)


@pytest.fixture(scope="module")
def head() -> Head:
    return make_head(1)


@pytest.fixture
def saved(head: Head, tmp_path: Path) -> Path:
    return save_head(head, tmp_path / "head")


def test_a_loaded_head_predicts_what_the_saved_one_did(head: Head, saved: Path) -> None:
    loaded = load_head(saved, Encoder())
    pixels = np.random.default_rng(5).normal(size=(50, 6)).astype(np.float32)
    assert loaded.card == head.card
    np.testing.assert_array_equal(loaded.predict(pixels).mean, head.predict(pixels).mean)
    np.testing.assert_array_equal(loaded.predict(pixels).sd, head.predict(pixels).sd)


def test_a_head_directory_holds_two_files_and_no_leftovers(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == ["card.json", "head.safetensors"]
    assert [path.name for path in saved.parent.iterdir()] == ["head"]


def test_the_same_head_is_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    again = save_head(make_head(1), tmp_path / "again")
    for name in ("card.json", "head.safetensors"):
        assert (saved / name).read_bytes() == (again / name).read_bytes()


def test_a_newer_head_replaces_the_earlier(saved: Path) -> None:
    newer = make_head(2)
    save_head(newer, saved)
    assert load_head(saved, Encoder()).card == newer.card
    assert [path.name for path in saved.parent.iterdir()] == ["head"]


@pytest.mark.parametrize(
    "other", [Encoder(id="another"), Encoder(weights_sha256="cd" * 32)], ids=["other id", "other weights"]
)
def test_another_encoder_is_refused(saved: Path, other: Encoder) -> None:
    with pytest.raises(CardMismatchError, match="belongs to encoder student"):
        load_head(saved, other)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def edit(**changes: object) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return apply


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("card.json", Path.unlink, "No such file"),
        ("card.json", cut, "card"),
        ("card.json", edit(seed=9), "card.json was altered"),
        ("card.json", edit(seed="one"), "expected int"),
        ("card.json", edit(surprise=1), "unknown fields"),
        ("head.safetensors", Path.unlink, "No such file"),
        ("head.safetensors", cut, "its card says"),
        ("head.safetensors", flip, "its card says"),
    ],
)
def test_a_damaged_head_is_refused_in_one_line(
    saved: Path, file: str, damage: Callable[[Path], None], message: str
) -> None:
    damage(saved / file)
    with pytest.raises(WeightsError, match=message) as caught:
        load_head(saved, Encoder())
    assert "\n" not in str(caught.value)


def test_tensors_swapped_for_others_are_refused(saved: Path) -> None:
    (saved / "head.safetensors").unlink()
    save_file({"coefficients": np.zeros(3)}, saved / "head.safetensors")
    with pytest.raises(WeightsError, match="its card says"):
        load_head(saved, Encoder())


def test_a_directory_that_is_not_there_is_a_weights_error(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="nowhere"):
        load_head(tmp_path / "nowhere", Encoder())


def test_a_full_disk_leaves_the_earlier_head(
    saved: Path, head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelError, match=r"cannot be written .* No space left"):
        save_head(replace(head, card=replace(head.card, seed=5)), saved)
    assert load_head(saved, Encoder()).card == head.card
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
    assert load_head(saved, Encoder()).card == head.card


def test_a_place_that_cannot_be_written_is_one_clear_line(head: Head, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelError, match="cannot be written"):
        save_head(head, tmp_path / "file" / "head")
