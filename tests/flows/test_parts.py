"""Parts: a killed run goes on where it stopped, with the same bytes, and trusts nothing that is harmed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.estimating.parts import embed_in_parts, kept_parts
from models.encoders import encoder as engine
from models.encoders.card import encoder_card
from models.encoders.encoder import Encoder, load_encoder
from models.encoders.inputs.dpixels import DPixels

KEY = "what the embeddings depend on"


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "LEAST_CHUNK", 10)
    monkeypatch.setattr(engine, "CHUNK_OPERATIONS", 1.0)


@pytest.fixture(scope="module")
def student() -> Encoder:
    return load_encoder(encoder_card("underwood-student-1"))


def pixels(n: int = 35) -> DPixels:
    random = np.random.default_rng(3)
    days = np.arange(1, 366, 40)
    sar = random.integers(1, 7000, (2, 10, n, 2)).astype(np.int16)
    bands = random.integers(1, 6000, (10, n, 10)).astype(np.uint16)
    return DPixels(bands, random.random((10, n)) < 0.5, days, sar[0], days, sar[1], days)


class Counting:
    """An encoder that counts what it is asked for, and dies after some chunks."""

    def __init__(self, encoder: Encoder, dies_after: int | None = None) -> None:
        self.encoder, self.card, self.dies_after, self.embedded = encoder, encoder.card, dies_after, 0

    def stream(self, of: DPixels, **options: Any) -> Iterator[Any]:
        for number, (rows, part) in enumerate(self.encoder.stream(of, **options)):
            if number == self.dies_after:
                raise Killed
            self.embedded += rows.stop - rows.start
            yield rows, part


def run(student: Encoder, folder: Path, key: str = KEY, dies_after: int | None = None) -> tuple[bytes, int]:
    counting = Counting(student, dies_after)
    found = embed_in_parts(counting, pixels(), folder, key)  # type: ignore[arg-type]
    return found.values.tobytes() + found.reason.tobytes(), counting.embedded


@pytest.mark.parametrize("dies_after", [0, 1, 2, 3])
def test_a_killed_run_loses_one_chunk_at_most_and_ends_with_the_same_bytes(
    student: Encoder, tmp_path: Path, dies_after: int
) -> None:
    whole, all_of_them = run(student, tmp_path / "undisturbed")
    assert all_of_them == 35
    with pytest.raises(Killed):
        run(student, tmp_path / "parts", dies_after=dies_after)
    again, embedded = run(student, tmp_path / "parts")
    assert again == whole
    assert embedded == 35 - 10 * dies_after
    assert not (tmp_path / "parts").exists()


def test_parts_of_other_weights_or_inputs_are_not_used(student: Encoder, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(student, tmp_path, dies_after=2)
    _, embedded = run(student, tmp_path, key="something else")
    assert embedded == 35


@pytest.mark.parametrize("harm", ["cut", "emptied", "gone"])
def test_a_harmed_part_is_made_again_and_those_after_it(student: Encoder, tmp_path: Path, harm: str) -> None:
    whole, _ = run(student, tmp_path / "undisturbed")
    folder = tmp_path / "parts"
    with pytest.raises(Killed):
        run(student, folder, dies_after=3)
    second = sorted(folder.iterdir())[1]
    if harm == "gone":
        second.unlink()
    else:
        second.write_bytes(second.read_bytes()[:100] if harm == "cut" else b"")
    again, embedded = run(student, folder)
    assert again == whole
    assert embedded == 25


def test_one_chunk_leaves_nothing_on_disk(student: Encoder, tmp_path: Path) -> None:
    few = dataclasses.replace(pixels().pixels(slice(0, 5)))
    embed_in_parts(student, few, tmp_path / "parts", KEY)
    assert not (tmp_path / "parts").exists()


def test_no_pixels_are_no_parts(student: Encoder, tmp_path: Path) -> None:
    found = embed_in_parts(student, pixels(0), tmp_path / "parts", KEY)
    assert found.values.shape == (0, 128)
    assert list(kept_parts(tmp_path / "parts", KEY)) == []
