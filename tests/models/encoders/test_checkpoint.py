"""Weights: the card's hash first, then names and shapes to the letter; nothing is unpickled."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pickle
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.encoders.card import EncoderCard, encoder_card
from models.encoders.configs import StudentConfig
from models.encoders.networks.tessera_v2 import Student
from models.encoders.weights.checkpoint import load_weights
from models.encoders.weights.pins import MOST_BYTES
from monitoring.errors import WeightsError

CONFIG = StudentConfig(latent_dim=4, num_layers=1, nhead=2, dim_feedforward=8)


def load_student(card: EncoderCard, path: Path | None = None) -> Student:
    assert isinstance(card.config, StudentConfig)
    return load_weights(Student(card.config), card, path)


def card_for(path: Path) -> EncoderCard:
    """A card that pins exactly this file, so that what is inside gets looked at."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return dataclasses.replace(
        encoder_card("tessera-v2-nano"), id="tiny", config=CONFIG, weights_sha256=digest
    )


@pytest.fixture
def state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return dict(Student(CONFIG).state_dict())


def saved(path: Path, content: Any) -> Path:
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(content, path)
    else:
        torch.save(content, path)
    return path


def assert_loads(path: Path, state: dict[str, Tensor]) -> None:
    student = load_student(card_for(path), path)
    assert not student.training
    for key, value in student.state_dict().items():
        torch.testing.assert_close(value, state[key], atol=0, rtol=0)


def test_safetensors_load(tmp_path: Path, state: dict[str, Tensor]) -> None:
    assert_loads(saved(tmp_path / "w.safetensors", state), state)


def test_a_published_payload_loads(tmp_path: Path, state: dict[str, Tensor]) -> None:
    args = {"repr_dim": 128, "latent_dim": 4, "num_layers": 1, "nhead": 2, "dim_feedforward": 8,
            "max_seq_len": 256, "matryoshka_dims": "16,32,64,128", "enable_qk_norm": False}  # fmt: skip
    assert_loads(saved(tmp_path / "w.pt", {"model": state, "args": args}), state)


def test_prefixes_of_a_compiled_model_are_taken_off(tmp_path: Path, state: dict[str, Tensor]) -> None:
    compiled = {f"_orig_mod.{key}": value for key, value in state.items()}
    assert_loads(saved(tmp_path / "w.pt", {"model": compiled}), state)


def test_another_files_hash_is_named_with_the_expected_one(tmp_path: Path, state: dict[str, Tensor]) -> None:
    path = saved(tmp_path / "w.safetensors", state)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    card = dataclasses.replace(card_for(path), weights_sha256="0" * 64)
    with pytest.raises(WeightsError) as caught:
        load_student(card, path)
    assert all(text in str(caught.value) for text in (str(path), "0" * 64, found))


def test_a_card_without_a_hash_trusts_no_file(tmp_path: Path, state: dict[str, Tensor]) -> None:
    path = saved(tmp_path / "w.safetensors", state)
    with pytest.raises(WeightsError, match="pins no sha256"):
        load_student(dataclasses.replace(card_for(path), weights_sha256=""), path)


class Bomb:
    """Would create a file if anybody unpickled it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize(
    "writer", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))]
)
def test_a_payload_that_runs_code_is_refused_and_not_run(tmp_path: Path, writer: Any) -> None:
    path, trace = tmp_path / "w.pt", tmp_path / "it-ran"
    writer({"model": Bomb(trace)}, path)
    with pytest.raises(WeightsError, match=r"w\.pt: "):
        load_student(card_for(path), path)
    assert not trace.exists()


@pytest.mark.parametrize("name", ["w.bin", "w.pkl", "w.pth", "w", "w.npz"])
def test_any_other_extension_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"whatever")
    with pytest.raises(WeightsError, match=r"extension must be one of \.safetensors, \.pt"):
        load_student(card_for(path), path)


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
@pytest.mark.parametrize("kept", [0, 7, 1000])
def test_a_truncated_file_is_refused(tmp_path: Path, state: dict[str, Tensor], name: str, kept: int) -> None:
    path = saved(tmp_path / name, state)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(WeightsError, match=r"w\.\w+: ") as caught:
        load_student(card_for(path), path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [[1, 2], {"model": [1]}, {"model": {"a": 1}}, torch.zeros(2)])
def test_a_payload_of_another_kind_is_refused(tmp_path: Path, content: Any) -> None:
    path = saved(tmp_path / "w.pt", content)
    with pytest.raises(WeightsError, match="expected a dictionary"):
        load_student(card_for(path), path)


def test_another_number_of_heads_is_refused_though_all_shapes_fit(
    tmp_path: Path, state: dict[str, Tensor]
) -> None:
    path = saved(tmp_path / "w.pt", {"model": state, "args": {"nhead": 4}})
    with pytest.raises(WeightsError, match="nhead is 4, the card says 2"):
        load_student(card_for(path), path)


def test_missing_and_unknown_parameters_are_named(tmp_path: Path, state: dict[str, Tensor]) -> None:
    state["surplus"] = state.pop("dim_reducer.0.bias")
    path = saved(tmp_path / "w.safetensors", state)
    with pytest.raises(WeightsError, match=r"missing \['dim_reducer.0.bias'\], 1 unknown \['surplus'\]"):
        load_student(card_for(path), path)


def test_a_parameter_of_another_shape_is_named(tmp_path: Path, state: dict[str, Tensor]) -> None:
    state["dim_reducer.0.bias"] = torch.zeros(3)
    path = saved(tmp_path / "w.safetensors", state)
    with pytest.raises(WeightsError, match=r"dim_reducer\.0\.bias has shape \(3,\), expected \(64,\)"):
        load_student(card_for(path), path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(
    tmp_path: Path, state: dict[str, Tensor], value: float
) -> None:
    state["dim_reducer.0.bias"][0] = value
    path = saved(tmp_path / "w.safetensors", state)
    with pytest.raises(WeightsError, match=r"dim_reducer\.0\.bias must hold finite"):
        load_student(card_for(path), path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"absent\.pt: No such file"):
        load_student(encoder_card("tessera-v2-nano"), tmp_path / "absent.pt")


def test_an_official_student_without_a_file_says_how_to_get_it() -> None:
    with pytest.raises(WeightsError) as caught:
        load_student(encoder_card("tessera-v2-nano"))
    assert "`underwood models pull tessera-v2-nano`" in str(caught.value)
    assert "ckpt/student_nano.pt of geotessera/TESSERA-V-2.0-2B-N at revision 9645033f" in str(caught.value)


def test_a_wrong_pin_is_said_plainly_with_who_pinned_it(tmp_path: Path, state: dict[str, Tensor]) -> None:
    path = saved(tmp_path / "w.safetensors", state)
    card = dataclasses.replace(
        card_for(path), weights_sha256="0" * 64, pinned_by="a third party", bytes=10**6
    )
    with pytest.raises(
        WeightsError, match=r"pinned by a third party\).* of 1000000 bytes: the file is cut short or"
    ):
        load_student(card, path)


def test_a_file_larger_than_the_cards_is_not_even_read(tmp_path: Path, state: dict[str, Tensor]) -> None:
    path = saved(tmp_path / "w.safetensors", state)
    card = dataclasses.replace(card_for(path), bytes=path.stat().st_size - 1)
    with pytest.raises(WeightsError, match=rf"{card.bytes + 1} bytes, expected at most {card.bytes}"):
        load_student(card, path)
    os.truncate(path, MOST_BYTES + 1)  # sparse: reading it would take a gigabyte
    with pytest.raises(WeightsError, match="pins no size"):
        load_student(dataclasses.replace(card, bytes=0), path)


def test_a_link_to_the_weights_is_as_good_as_the_weights(tmp_path: Path, state: dict[str, Tensor]) -> None:
    path = saved(tmp_path / "blob.pt", {"model": state})
    (tmp_path / "w.pt").symlink_to(path)
    assert_loads(tmp_path / "w.pt", state)


def test_a_pipe_is_refused_without_waiting(tmp_path: Path, state: dict[str, Tensor]) -> None:
    card = card_for(saved(tmp_path / "other.pt", state))
    os.mkfifo(tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="not a regular file"):
        load_student(card, tmp_path / "w.pt")


@pytest.mark.parametrize("file", ["../card.py", "/etc/passwd", "a/../../b.pt"])
def test_a_card_cannot_name_a_packaged_file_elsewhere(file: str) -> None:
    card = dataclasses.replace(encoder_card("underwood-student-1"), file=file)
    with pytest.raises(WeightsError, match="not a path inside its repository"):
        load_student(card)


def test_an_architecture_without_a_layout_is_refused(tmp_path: Path, state: dict[str, Tensor]) -> None:
    path = saved(tmp_path / "w.pt", state)
    with pytest.raises(WeightsError, match="architecture 'other' has no known layout"):
        load_student(dataclasses.replace(card_for(path), architecture="other"), path)


def zipped(source: Path, path: Path, compression: int, **more: bytes) -> Path:
    """Write an archive's members once more, with others beside them."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", compression) as new:
        for member in old.namelist():
            new.writestr(member, old.read(member))
        for name, content in more.items():
            new.writestr(f"archive/data/{name}", content)
    return path


def test_an_archive_that_grows_when_read_is_refused(tmp_path: Path, state: dict[str, Tensor]) -> None:
    plain = saved(tmp_path / "plain.pt", {"model": state})
    assert_loads(zipped(plain, tmp_path / "stored.pt", zipfile.ZIP_STORED), state)
    bomb = zipped(plain, tmp_path / "bomb.pt", zipfile.ZIP_DEFLATED, bomb=bytes(10**7))
    assert bomb.stat().st_size < 10**6
    with pytest.raises(WeightsError, match="holds compressed members"):
        load_student(card_for(bomb), bomb)


def test_an_archive_that_states_more_than_it_holds_is_refused(
    tmp_path: Path, state: dict[str, Tensor]
) -> None:
    path = zipped(saved(tmp_path / "a.pt", {"model": state}), tmp_path / "w.pt", zipfile.ZIP_STORED, big=b"x")
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")  # of the central directory: the last member
    content[entry + 24 : entry + 28] = (2**31).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"its members state \d+ bytes, in a file of"):
        load_student(card_for(path), path)


def test_an_archive_with_a_member_twice_is_refused(tmp_path: Path, state: dict[str, Tensor]) -> None:
    path = saved(tmp_path / "w.pt", {"model": state})
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(archive.namelist()[0], archive.read(archive.namelist()[0]))
    with pytest.raises(WeightsError, match=r"member \S+ is there twice"):
        load_student(card_for(path), path)


def test_a_name_that_is_there_with_and_without_a_prefix_is_refused(
    tmp_path: Path, state: dict[str, Tensor]
) -> None:
    twice = {**state, "_orig_mod.dim_reducer.0.bias": torch.zeros_like(state["dim_reducer.0.bias"])}
    path = saved(tmp_path / "w.pt", {"model": twice})
    with pytest.raises(WeightsError, match=r"parameter dim_reducer\.0\.bias is there twice"):
        load_student(card_for(path), path)


def test_parameters_that_share_memory_become_each_their_own(tmp_path: Path, state: dict[str, Tensor]) -> None:
    shared = {**state, "s2_backbone.embedding.0.bias": state["s1_backbone.embedding.0.bias"]}
    path = saved(tmp_path / "w.pt", {"model": shared})
    student = load_student(card_for(path), path)
    first, second = student.s1_backbone.embedding[0].bias, student.s2_backbone.embedding[0].bias
    torch.testing.assert_close(first, second, atol=0, rtol=0)
    assert first.data_ptr() != second.data_ptr()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
def test_other_floating_formats_are_read_as_float32(
    tmp_path: Path, state: dict[str, Tensor], name: str, dtype: torch.dtype
) -> None:
    stored = {key: value.to(dtype) for key, value in state.items()}
    assert_loads(saved(tmp_path / name, stored), {key: value.float() for key, value in stored.items()})


@pytest.mark.parametrize(
    "change",
    [
        lambda bias: bias.to(torch.int64),
        lambda bias: bias.to(torch.bool),
        lambda bias: bias.to(torch.complex64),
        lambda bias: bias.to(torch.float8_e4m3fn),
        lambda bias: bias.double() + 1e300,  # finite there, infinite as float32
    ],
)
def test_numbers_that_are_no_finite_float32_are_refused(
    tmp_path: Path, state: dict[str, Tensor], change: Callable[[Tensor], Tensor]
) -> None:
    state["dim_reducer.0.bias"] = change(state["dim_reducer.0.bias"])
    path = saved(tmp_path / "w.pt", {"model": state})
    with pytest.raises(WeightsError, match=r"dim_reducer\.0\.bias must hold finite"):
        load_student(card_for(path), path)


@pytest.mark.parametrize(
    "odd",
    [
        {"dim_reducer.0.bias": torch.zeros(64).to_sparse()},
        {"dim_reducer.0.bias": torch.zeros(64, device="meta")},
        {"dim_reducer.0.bias": "text"},
        {7: torch.zeros(1)},
    ],
)
def test_what_is_no_plain_tensor_under_a_name_is_refused(
    tmp_path: Path, state: dict[str, Tensor], odd: dict[Any, Any]
) -> None:
    path = saved(tmp_path / "w.pt", {"model": {**state, **odd}})
    with pytest.raises(WeightsError, match="expected a dictionary of tensors"):
        load_student(card_for(path), path)


def test_a_tensor_that_claims_more_numbers_than_it_stores_is_refused(
    tmp_path: Path, state: dict[str, Tensor]
) -> None:
    state["dim_reducer.0.bias"] = torch.zeros(1).expand(10**12)
    path = saved(tmp_path / "w.pt", {"model": state})
    with pytest.raises(WeightsError, match=r"has shape \(1000000000000,\), expected \(64,\)"):
        load_student(card_for(path), path)


@settings(deadline=None)
@given(data=st.data())
def test_no_damage_to_the_pickle_is_more_than_one_line(
    damaged: tuple[str, dict[str, bytes]], data: st.DataObject
) -> None:
    """Whatever stands in the part that describes the tensors, the answer is a network or a WeightsError."""
    name, members = damaged
    changes = st.tuples(st.integers(0, len(members[name]) - 1), st.integers(0, 255))
    content = bytearray(members[name])
    for at, value in data.draw(st.lists(changes, min_size=1, max_size=4)):
        content[at] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.pt"
        with zipfile.ZipFile(path, "w") as archive:
            for member, kept in members.items():
                archive.writestr(member, bytes(content) if member == name else kept)
        try:
            load_student(card_for(path), path)
        except WeightsError as error:
            assert "\n" not in str(error)  # noqa: PT017 not raising is fine too


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, bytes]]:
    """The members of a published payload, and which of them describes the tensors."""
    path = saved(tmp_path_factory.mktemp("sound") / "w.pt", {"model": Student(CONFIG).state_dict()})
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return next(name for name in members if name.endswith("data.pkl")), members


def test_the_packaged_student_loads_and_is_small() -> None:
    card = encoder_card("underwood-student-1")
    assert load_student(card).config == card.config
    assert card.bytes <= 2 * 2**20
