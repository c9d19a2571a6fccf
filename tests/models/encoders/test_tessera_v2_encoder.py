"""From a tile to embeddings: the golden tile, missing observations, batching."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from models.encoders.card import EncoderCard, encoder_card
from models.encoders.configs import StudentConfig
from models.encoders.dpixels import DPixels
from models.encoders.encoder import Encoder, Reason, length_batches, load_encoder
from models.encoders.quantise import quantise
from models.encoders.tessera_v2 import Student
from monitoring.errors import ModelError

SETS = ("nano_random_full", "small_random_reduced", "qknorm_random_reduced")
GATE = 2e-5
SIZES = {
    "nano_random_full": StudentConfig(36, 2, 4, 384),
    "small_random_reduced": StudentConfig(16, 4, 4, 96),
    "qknorm_random_reduced": StudentConfig(16, 2, 4, 96, enable_qk_norm=True),
}


def encoder_of(student: Student) -> Encoder:
    card = dataclasses.replace(encoder_card("tessera-v2-nano"), config=student.config)
    return Encoder(card, student.eval().requires_grad_(False), "cpu", torch.float32)


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


@pytest.fixture(scope="module")
def tiny() -> Encoder:
    torch.manual_seed(5)
    return encoder_of(Student(StudentConfig(latent_dim=4, num_layers=2, nhead=2, dim_feedforward=16)))


def random_pixels(n: int, seed: int = 0, times: int = 12, radar: int = 5) -> DPixels:
    random = np.random.default_rng(seed)
    sar = random.integers(0, 7000, (2, radar, n, 2)).astype(np.int16)
    sar[random.random((2, radar, n)) < 0.4] = 0
    days = np.arange(1, 366, 30)[:times]
    bands = random.integers(1, 6000, (times, n, 10)).astype(np.uint16)
    return DPixels(bands, random.random((times, n)) < 0.4, days, sar[0], days[:radar], sar[1], days[:radar])


def test_batch_size_and_pixel_order_change_no_more_than_rounding(tiny: Encoder) -> None:
    pixels = random_pixels(60)
    whole = tiny.embed(pixels).values
    one_by_one = tiny.embed(pixels, batch_bytes=1).values
    order = np.random.default_rng(1).permutation(60)
    shuffled = tiny.embed(pixels.pixels(order)).values
    np.testing.assert_allclose(one_by_one, whole, atol=1e-5)
    np.testing.assert_allclose(shuffled, whole[order], atol=1e-5)


def test_the_same_pixels_give_the_same_bytes(tiny: Encoder) -> None:
    first, again = (tiny.embed(random_pixels(40)).values.tobytes() for _ in range(2))
    assert first == again


def test_what_lies_under_cloud_never_reaches_the_embedding(tiny: Encoder) -> None:
    pixels = random_pixels(30)
    clouded = pixels.bands.copy()
    clouded[~pixels.clear] = 65535
    spoilt = dataclasses.replace(pixels, bands=clouded)
    np.testing.assert_array_equal(tiny.embed(spoilt).values, tiny.embed(pixels).values)


def test_a_pixel_never_observed_is_missing_and_its_neighbour_is_not(tiny: Encoder) -> None:
    pixels = random_pixels(2)
    sar = pixels.sar_ascending.copy(), pixels.sar_descending.copy()
    clear = pixels.clear.copy()
    clear[:, 0], clear[0, 1] = False, True
    for orbit in sar:
        orbit[:, 0] = 0
    found = tiny.embed(dataclasses.replace(pixels, clear=clear, sar_ascending=sar[0], sar_descending=sar[1]))
    assert np.isnan(found.values[0]).all()
    assert np.isfinite(found.values[1]).all()
    assert found.reason.tolist() == [Reason.NO_OBSERVATION, Reason.EMBEDDED]


def test_a_season_without_any_scene_is_all_missing(tiny: Encoder) -> None:
    assert np.isnan(tiny.embed(random_pixels(3, times=0, radar=0)).values).all()


def test_no_pixels_give_no_embeddings(tiny: Encoder) -> None:
    assert tiny.embed(random_pixels(0)).values.shape == (0, 128)


def test_progress_ends_at_the_number_of_pixels(tiny: Encoder) -> None:
    seen: list[tuple[int, int]] = []
    tiny.embed(random_pixels(7), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (7, 7)


def test_bf16_points_the_same_way_as_fp32(tiny: Encoder) -> None:
    pixels = random_pixels(20)
    half = Student(tiny.student.config)
    half.load_state_dict(tiny.student.state_dict())
    exact = tiny.embed(pixels).values
    fast = Encoder(tiny.card, half.eval().bfloat16(), "cpu", torch.bfloat16).embed(pixels).values
    seen = ~np.isnan(exact[:, 0])
    cosine = (
        (exact * fast)[seen].sum(axis=1)
        / np.linalg.norm(exact[seen], axis=1)
        / np.linalg.norm(fast[seen], axis=1)
    )
    assert cosine.min() >= 0.9995


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 40), max_size=60), st.integers(1, 200))
def test_batches_hold_every_row_once_and_stay_within_the_bound(lengths: list[int], bound: int) -> None:
    count = np.array(lengths, np.int64)
    batches = list(length_batches(count, bound))
    rows = [int(row) for batch in batches for row in batch]
    assert sorted(rows) == list(range(len(count)))
    assert all(len(batch) == 1 or len(batch) * count[batch].max() <= bound for batch in batches)


def tiny_card() -> EncoderCard:
    return encoder_card("tessera-v2-nano")


@pytest.mark.parametrize(
    ("options", "message"),
    [({"device": "tpu"}, "device 'tpu'"), ({"precision": "fp8"}, "precision 'fp8'")],
)
def test_an_unknown_device_or_precision_is_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_encoder(tiny_card(), **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_is_refused_where_there_is_none() -> None:
    with pytest.raises(ModelError, match="device 'cuda'"):
        load_encoder(tiny_card(), device="cuda")


def test_an_architecture_we_do_not_build_is_refused() -> None:
    with pytest.raises(ModelError, match="architecture 'other'"):
        load_encoder(dataclasses.replace(tiny_card(), architecture="other"))
