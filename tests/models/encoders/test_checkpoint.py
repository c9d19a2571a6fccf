"""Weights: the card's hash first, then names and shapes to the letter; nothing is unpickled."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from models.encoders.card import EncoderCard, encoder_card
from models.encoders.checkpoint import load_weights
from models.encoders.configs import StudentConfig
from models.encoders.tessera_v2 import Student
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


def test_an_official_student_without_a_file_says_where_to_get_it() -> None:
    with pytest.raises(
        WeightsError, match=r"student_nano\.pt of geotessera/TESSERA-V-2\.0-2B-N at revision 9645033f"
    ):
        load_student(encoder_card("tessera-v2-nano"))


def test_the_packaged_student_loads_and_is_small() -> None:
    card = encoder_card("underwood-student-1")
    assert load_student(card).config == card.config
    assert card.bytes <= 2 * 2**20
