"""The student against the golden vectors of the reference, and the exactness of our shortcuts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from models.encoders.card import encoder_cards
from models.encoders.configs import StudentConfig
from models.encoders.networks.tessera_v2 import Student
from models.encoders.networks.transformer import (
    CACHED_SCORES_BYTES,
    Tokens,
    attend,
    attend_fused,
    day_encoding,
)

SETS = ("nano_random_full", "small_random_reduced", "qknorm_random_reduced")
#: Largest difference the golden vectors' README calls equal in float32.
GATE = 2e-5


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    return shared / "golden/tessera_v2"


def golden_student(golden: Path, name: str) -> Student:
    config = json.loads((golden / "configs.json").read_text())[name]["config"]
    student = Student(StudentConfig(**config)).eval().requires_grad_(False)
    student.load_state_dict(load_file(golden / f"{name}.safetensors"), strict=True)
    return student


def as_published(x: np.ndarray) -> Tokens:
    """Published sequences carry the day of year in the last channel and repeat what fills a bin."""
    return Tokens(torch.from_numpy(x[..., :-1].copy()), torch.from_numpy(x[..., -1].astype(np.int64)), None)


@pytest.mark.parametrize("name", SETS)
def test_pooled_vectors_and_embeddings_equal_the_reference(golden: Path, name: str) -> None:
    student, expected = golden_student(golden, name), np.load(golden / f"{name}_model_level.npz")
    tags = sorted({key.split("/")[0] for key in expected})
    assert len(tags) == 5
    for tag in tags:
        s2 = student.s2_backbone(as_published(expected[f"{tag}/s2_x"]))
        s1 = student.s1_backbone(as_published(expected[f"{tag}/s1_x"]))
        for found, key in ((s2, "s2_pooled"), (s1, "s1_pooled"), (student.fuse(s2, s1), "embedding")):
            difference = np.abs(found.numpy() - expected[f"{tag}/{key}"]).max()
            assert difference <= GATE, f"{tag} {key}: {difference}"


@pytest.mark.parametrize("size", ["nano", "small", "medium", "large"])
def test_parameter_names_and_shapes_are_those_of_the_published_students(golden: Path, size: str) -> None:
    published = json.loads((golden / f"{size}_full_keys.json").read_text())
    card = next(card for card in encoder_cards() if card.id == f"tessera-v2-{size}")
    state = Student(card.config).state_dict()
    assert {key: list(tensor.shape) for key, tensor in state.items()} == published["keys"]
    assert sum(tensor.numel() for tensor in state.values()) == published["parameters"]


@pytest.fixture
def tiny() -> Student:
    torch.manual_seed(3)
    return Student(StudentConfig(latent_dim=4, num_layers=2, nhead=2, dim_feedforward=24)).eval()


@torch.inference_mode()
def test_a_repeated_observation_is_one_token_with_a_multiplicity(tiny: Student) -> None:
    values, days = torch.randn(3, 5, 10), torch.randint(1, 366, (3, 5))
    repeats = torch.tensor([1, 2, 1, 3, 1])
    written_out = Tokens(
        values.repeat_interleave(repeats, dim=1), days.repeat_interleave(repeats, dim=1), None
    )
    counted = Tokens(values, days, repeats.float().log().expand(3, 5))
    torch.testing.assert_close(tiny.s2_backbone(counted), tiny.s2_backbone(written_out), atol=2e-6, rtol=1e-5)


@torch.inference_mode()
def test_padding_changes_nothing_whatever_it_holds(tiny: Student) -> None:
    values, days = torch.randn(2, 4, 2), torch.randint(1, 366, (2, 4))
    bias = torch.tensor([[0.0, 0.0, 0.0, -torch.inf]]).expand(2, 4)
    values[:, 3] = 1e6
    short = tiny.s1_backbone(Tokens(values[:, :3], days[:, :3], None))
    torch.testing.assert_close(tiny.s1_backbone(Tokens(values, days, bias)), short, atol=2e-6, rtol=1e-5)


@torch.inference_mode()
def test_the_plain_and_the_fused_attention_agree() -> None:
    """Long sequences take the fused kernel, short ones the plain products; the limit lies between these."""
    q, k, v = (torch.randn(64, 160, 8) for _ in range(3))
    bias = torch.rand(64, 160)
    assert 64 * 2 * 160**2 * 4 > CACHED_SCORES_BYTES > 2 * 160**2 * 4
    one_by_one = [attend(q[[i]], k[[i]], v[[i]], 2, bias[[i]]) for i in range(64)]
    torch.testing.assert_close(attend(q, k, v, 2, bias), torch.cat(one_by_one), atol=1e-6, rtol=1e-5)


def test_day_zero_is_sine_0_cosine_1_and_every_day_differs() -> None:
    table = day_encoding(16)
    assert table.shape == (367, 16)
    assert table[0].tolist() == [0.0, 1.0] * 8
    assert len({tuple(row) for row in table.tolist()}) == 367


@torch.inference_mode()
def test_embeddings_have_mean_0_and_variance_1_over_their_dims(tiny: Student) -> None:
    embedding = tiny.fuse(torch.randn(5, 16), torch.randn(5, 16))
    torch.testing.assert_close(embedding.mean(dim=1), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(embedding.var(dim=1, correction=0), torch.ones(5), atol=1e-2, rtol=0)


@pytest.mark.parametrize("width", [7, 8, 36])
def test_a_bias_as_one_more_dimension_is_the_bias(width: int) -> None:
    q, k, v = torch.randn(3, 5, 2, 9, width).unbind()
    bias = torch.randint(1, 9, (5, 9)).float().log()[:, None, None]
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, bias)
    torch.testing.assert_close(attend_fused(q, k, v, bias), expected, atol=1e-5, rtol=1e-5)
    plain = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    torch.testing.assert_close(attend_fused(q, k, v, None), plain)
