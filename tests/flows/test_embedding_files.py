"""Files of embeddings by sample: read without trusting them, refused in one line."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from head_files import DIMS, IDS, N, embeddings_of, write_embeddings
from hypothesis import given
from hypothesis import strategies as st

from flows.modelling import embedding_files
from flows.modelling.embedding_files import read_named_embeddings, stated_encoder
from models.encoders.card import encoder_card
from monitoring.errors import SampleError


def test_embeddings_come_back_under_their_ids(tmp_path: Path) -> None:
    named = read_named_embeddings(write_embeddings(tmp_path / "e.npz"))
    assert named.ids == IDS
    assert named.values.dtype == np.float32
    np.testing.assert_array_equal(named.values, embeddings_of())


def test_embeddings_are_given_in_the_order_asked_and_nan_for_unknown_ids(tmp_path: Path) -> None:
    named = read_named_embeddings(write_embeddings(tmp_path / "e.npz", ["a", "b"], np.eye(2)))
    np.testing.assert_array_equal(named.of(("b", "x", "a")), [[0, 1], [np.nan, np.nan], [1, 0]])
    assert named.among(("b", "x")) == 1


@pytest.mark.parametrize(
    "ids", [np.arange(3), np.arange(3, dtype=np.uint8), np.arange(3.0), ["0", "1", "2"], [b"0", b"1", b"2"]]
)
def test_an_id_is_the_same_text_whether_stored_as_number_or_as_text(tmp_path: Path, ids: Any) -> None:
    assert read_named_embeddings(write_embeddings(tmp_path / "e.npz", ids, np.eye(3))).ids == ("0", "1", "2")


@given(st.lists(st.integers(-(2**53), 2**53), min_size=1, unique=True))
def test_whole_numbers_are_named_as_a_table_writes_them(numbers: list[int]) -> None:
    for stored in (np.array(numbers, np.int64), np.array(numbers, np.float64)):
        assert embedding_files._ids(Path("e.npz"), stored) == tuple(map(str, numbers))


def test_a_pixel_that_was_not_observed_stays_missing(tmp_path: Path) -> None:
    values = np.array([[1.0, 2.0], [np.nan, np.nan]])
    named = read_named_embeddings(write_embeddings(tmp_path / "e.npz", ["a", "b"], values))
    assert np.isnan(named.values).tolist() == [[False, False], [True, True]]


def test_an_encoder_is_known_by_the_file_or_by_the_users_word(tmp_path: Path) -> None:
    card = encoder_card("underwood-student-1")
    said = write_embeddings(tmp_path / "said.npz", encoder=card.id)
    unsaid = write_embeddings(tmp_path / "unsaid.npz")
    for named in (read_named_embeddings(said), read_named_embeddings(unsaid, card.id)):
        assert (named.encoder.id, named.encoder.weights_sha256) == (card.id, card.weights_sha256)
    assert read_named_embeddings(unsaid).encoder == stated_encoder(None)
    with pytest.raises(SampleError, match="made by encoder 'underwood-student-1', not by 'presto'"):
        read_named_embeddings(said, "presto")


class Bomb:
    """Would create a file if anybody unpickled it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("name", ["sample_id", "embedding"])
def test_python_objects_are_refused_and_never_unpickled(tmp_path: Path, name: str) -> None:
    arrays: dict[str, Any] = {"sample_id": np.array(["a"]), "embedding": np.ones((1, 2))}
    arrays[name] = np.array([Bomb(tmp_path / "unpickled")], dtype=object)
    np.savez(tmp_path / "e.npz", **arrays)
    with pytest.raises(SampleError, match=f"{name} holds Python objects, which are not read"):
        read_named_embeddings(tmp_path / "e.npz")
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize(
    ("ids", "values", "said"),
    [
        (["a", "b", "a"], np.ones((3, 2)), "sample id 'a' occurs 2 times; once is allowed"),
        (["a", "", "c"], np.ones((3, 2)), "1 of 3 sample ids are empty"),
        ([0.0, 0.5], np.ones((2, 2)), "sample_id holds numbers that are not whole"),
        ([0.0, np.nan], np.ones((2, 2)), "sample_id holds numbers that are not whole"),
        ([True, False], np.ones((2, 2)), "sample_id holds bool, not text or whole numbers"),
        (["a", "b"], np.ones((3, 2)), "expected numbers (n, D) for 2 ids, got (3, 2) float64"),
        (["a", "b"], np.ones(2), "expected numbers (n, D) for 2 ids, got (2,) float64"),
        (["a", "b"], np.ones((2, 0)), "expected numbers (n, D) for 2 ids, got (2, 0) float64"),
        (["a", "b"], np.full((2, 1), "x"), "expected numbers (n, D) for 2 ids, got (2, 1) <U1"),
        (["a", "b"], np.array([[1.0], [np.inf]]), "1 values are infinite or beyond 3.4e+38"),
        (["a", "b"], np.array([[1.0], [1e60]]), "1 values are infinite or beyond 3.4e+38"),
    ],
)
def test_what_is_no_embedding_by_sample_is_refused(tmp_path: Path, ids: Any, values: Any, said: str) -> None:
    path = write_embeddings(tmp_path / "e.npz", ids, values)
    with pytest.raises(SampleError) as refusal:
        read_named_embeddings(path)
    assert str(refusal.value) == f"embeddings {path}: {said}"


def test_a_file_without_an_array_says_what_it_holds(tmp_path: Path) -> None:
    np.savez(tmp_path / "e.npz", sample_id=np.array(["a"]))
    with pytest.raises(SampleError, match="no array 'embedding'; it holds sample_id"):
        read_named_embeddings(tmp_path / "e.npz")


def test_two_encoders_in_one_file_are_refused(tmp_path: Path) -> None:
    path = write_embeddings(tmp_path / "e.npz", encoder=["a", "b"])
    with pytest.raises(SampleError, match="encoder must be one text"):
        read_named_embeddings(path)


def test_a_file_cut_short_or_damaged_anywhere_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "e.npz"
    np.savez_compressed(path, sample_id=np.array(IDS), embedding=embeddings_of())
    content, random = path.read_bytes(), np.random.default_rng(1)
    for cut in random.integers(0, len(content), 40):
        path.write_bytes(content[:cut])
        with pytest.raises(SampleError) as refusal:
            read_named_embeddings(path)
        assert "\n" not in str(refusal.value)
    shapes, refusals = set(), []
    for at in random.integers(0, len(content), 200):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        try:
            shapes.add(read_named_embeddings(path).values.shape)
        except SampleError as error:
            refusals.append(str(error))
    # What is read in spite of it is whole: a byte that means nothing, such as the time of day.
    assert shapes <= {(N, DIMS)}
    assert len(refusals) > 100
    assert not any("\n" in each for each in refusals)


def test_a_file_that_unpacks_to_more_than_is_read_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding_files, "MAX_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "e.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("embedding.npy", bytes(10**6))
    with pytest.raises(SampleError, match="1000000 bytes unpacked, at most 1000 are read"):
        read_named_embeddings(tmp_path / "e.npz")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match=r"nowhere\.npz: No such file"):
        read_named_embeddings(tmp_path / "nowhere.npz")
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(SampleError, match=r"pipe\.npz: not a file"):
        read_named_embeddings(tmp_path / "pipe.npz")
