"""TESSERA v2 from a tile to embeddings: the golden tile through the engine."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from models.encoders.card import encoder_card
from models.encoders.configs import StudentConfig
from models.encoders.embeddings import Reason
from models.encoders.encoder import Encoder
from models.encoders.inputs.dpixels import DPixels
from models.encoders.networks.tessera_v2 import Student
from models.encoders.quantise import quantise

SETS = ("nano_random_full", "small_random_reduced", "qknorm_random_reduced")
GATE = 2e-5
SIZES = {
    "nano_random_full": StudentConfig(36, 2, 4, 384),
    "small_random_reduced": StudentConfig(16, 4, 4, 96),
    "qknorm_random_reduced": StudentConfig(16, 2, 4, 96, enable_qk_norm=True),
}


def encoder_of(student: Student) -> Encoder:
    card = dataclasses.replace(encoder_card("tessera-v2-nano"), config=student.config)
    return Encoder(card, student.eval().requires_grad_(False), "cpu", "fp32")


def golden_encoder(golden: Path, name: str) -> Encoder:
    student = Student(SIZES[name])
    student.load_state_dict(load_file(golden / f"{name}.safetensors"), strict=True)
    return encoder_of(student)


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    return shared / "golden/tessera_v2"


@pytest.fixture(scope="module")
def tile(golden: Path) -> DPixels:
    """The golden tile, 4 x 5 pixels, each with an awkward role."""
    arrays = np.load(golden / "tile_input.npz")
    flat = {
        key: value.reshape(len(value), 20, *value.shape[3:])
        for key, value in arrays.items()
        if value.ndim > 1
    }
    days = {key: arrays[key].astype(np.int64) for key in arrays if arrays[key].ndim == 1}
    return DPixels(
        flat["bands"], flat["masks"].astype(bool), days["doys"],
        flat["sar_ascending"], days["sar_ascending_doy"], flat["sar_descending"], days["sar_descending_doy"],
    )  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_the_golden_tile_embeds_to_the_reference(golden: Path, tile: DPixels, name: str) -> None:
    expected = np.load(golden / f"{name}_tile_level.npz")
    found = golden_encoder(golden, name).embed(tile)
    undefined = expected["undefined"].ravel()
    assert undefined.any()
    assert np.isnan(found.values[undefined]).all(), "a pixel without any observation has no embedding"
    assert (found.reason == np.where(undefined, Reason.NO_OBSERVATION, Reason.EMBEDDED)).all()
    np.testing.assert_allclose(
        found.values[~undefined], expected["embedding"].reshape(20, -1)[~undefined], atol=GATE, rtol=0
    )


@pytest.mark.parametrize("name", SETS)
def test_the_golden_tile_quantises_to_the_reference(golden: Path, tile: DPixels, name: str) -> None:
    expected = np.load(golden / f"{name}_tile_level.npz")
    defined = ~expected["undefined"].ravel()
    codes, scales = quantise(golden_encoder(golden, name).embed(tile).values)
    off = np.abs(codes[defined].astype(int) - expected["int8"].reshape(20, -1)[defined])
    assert off.max() <= 1
    assert (off > 0).mean() <= 0.001
    np.testing.assert_allclose(scales[defined], expected["scales"].ravel()[defined], rtol=1e-5)


@pytest.mark.parametrize("name", SETS)
def test_without_radar_and_mask_the_golden_tile_embeds_to_the_reference(
    golden: Path, tile: DPixels, name: str
) -> None:
    expected = np.load(golden / f"{name}_tile_level.npz")["embedding_no_s1_no_mask_first60"].reshape(20, -1)
    optical_only = DPixels(
        tile.bands[:60], np.ones((60, 20), bool), tile.doys[:60],
        tile.sar_ascending[:0], tile.sar_ascending_doys[:0],
        tile.sar_descending[:0], tile.sar_descending_doys[:0],
    )  # fmt: skip
    found = golden_encoder(golden, name).embed(optical_only).values
    np.testing.assert_allclose(found, expected, atol=GATE, rtol=0)
