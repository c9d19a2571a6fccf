"""Galileo nano with its real weights against the golden vectors, and what keeps its squares apart."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.encoders.card import encoder_card
from models.encoders.configs import GalileoConfig
from models.encoders.embeddings import Reason
from models.encoders.inputs.galileo_series import STATISTICS, GalileoSeries, Part, normalise, visible_tokens
from models.encoders.networks.galileo import (
    Galileo,
    batch_of,
    embed_galileo,
    embed_galileo_patches,
    kernel_resize,
    place_encoding,
)
from models.encoders.weights.checkpoint import load_weights
from monitoring.errors import ModelError

CASES = (
    "all_present_p1_h1", "s1_s2_only_p1_h1", "s2_only_no_s1_p1_h1", "s1_s2_srtm_era5_loc_p1_h1",
    "ragged_missing_p1_h1", "second_sample_fully_masked_gives_nan", "max_length_24_repeat_months",
    "patch2_h4", "patch8_h8_native_kernel", "patch1_h3_res20m",
)  # fmt: skip
#: What the golden vectors' README calls equal in float32.
GATE, COSINE = 2e-5, 0.999999
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def real(shared: Path) -> Galileo:
    card = encoder_card("galileo-nano")
    assert isinstance(card.config, GalileoConfig)
    return load_weights(Galileo(card.config), card, shared / "weights/galileo_nano/encoder.pt")


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, np.ndarray]:
    with np.load(shared / "golden/galileo_nano/cases.npz") as file:
        return dict(file)


def case_of(golden: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    return {key.split("/")[1]: value for key, value in golden.items() if key.startswith(f"{name}/")}


def series_of(case: dict[str, np.ndarray]) -> GalileoSeries:
    parts = [Part(case[f"{name}_x"], case[f"{name}_m"] == 1) for name in ("s_t", "sp", "t", "st")]
    return GalileoSeries(
        *parts,
        months=case["months"],
        patch_size=int(case["patch_size"]),
        resolution_m=float(case["input_resolution_m"]),
    )


def assert_equal(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    there = ~np.isnan(expected).any(axis=-1)
    found, expected = found[there], expected[there]
    assert np.abs(found - expected).max() <= GATE
    norms = np.linalg.norm(found, axis=-1) * np.linalg.norm(expected, axis=-1)
    assert ((found * expected).sum(axis=-1) / norms).min() >= COSINE


def test_every_golden_case_is_tested(golden: dict[str, np.ndarray]) -> None:
    assert {key.split("/")[0] for key in golden} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_embeddings_of_squares_and_patches_equal_the_reference(
    real: Galileo, golden: dict[str, np.ndarray], name: str
) -> None:
    case = case_of(golden, name)
    series = series_of(case)
    assert_equal(embed_galileo(real, series).values, case["embedding_mean"])
    per_patch = case["embedding_per_patch"]
    assert_equal(embed_galileo_patches(real, series).values, per_patch.reshape(-1, per_patch.shape[-1]))


@pytest.mark.parametrize("name", [name for name in CASES if name not in CASES[4:6]])
@torch.inference_mode()
def test_tokens_equal_the_reference(real: Galileo, golden: dict[str, np.ndarray], name: str) -> None:
    case = case_of(golden, name)
    series = series_of(case)
    expected = case["out_s_t_x"].reshape(series.n_samples, -1, 128)
    found = real.encode_in_place(batch_of(series, CPU)).numpy()[:, : expected.shape[1]]
    visible = visible_tokens(series)[:, : expected.shape[1]]
    assert_equal(found[visible], expected[visible])


def test_a_square_without_any_token_is_nan_in_the_network_too(
    real: Galileo, golden: dict[str, np.ndarray]
) -> None:
    series = series_of(case_of(golden, CASES[5])).rows(np.array([1]))
    assert np.isnan(real(batch_of(series, CPU)).numpy()).all()


def test_the_real_checkpoint_has_the_published_size(real: Galileo) -> None:
    assert sum(parameter.numel() for parameter in real.parameters()) == 1_037_856


@pytest.fixture(scope="module")
def tiny() -> Galileo:
    torch.manual_seed(2)
    network = Galileo(GalileoConfig(32, 2, 2, 4, 24, 8)).eval().requires_grad_(False)
    for name, parameter in network.named_parameters():
        if name.endswith("_embed"):
            torch.nn.init.normal_(parameter)
    return network


def random_series(
    n: int, size: int, t: int, seed: int, patch_size: int = 1, hidden_share: float = 0.3
) -> GalileoSeries:
    random = np.random.default_rng(seed)
    patches, p = size // patch_size, patch_size

    def part(channels: int, groups: int, *shape: int, square: bool = False) -> Part:
        values = random.normal(0, 0.5, (n, *((size, size) if square else ()), *shape, channels))
        hidden = random.random((n, *((patches, patches) if square else ()), *shape, groups)) < hidden_share
        if square:
            hidden = hidden.repeat(p, axis=1).repeat(p, axis=2)
        return Part(values.astype(np.float32), hidden)

    return GalileoSeries(
        part(13, 7, t, square=True),
        part(16, 3, square=True),
        part(6, 3, t),
        part(18, 4),
        random.integers(0, 12, (n, t)),
        patch_size,
    )


@settings(max_examples=12, deadline=None)
@given(
    n=st.integers(1, 20),
    shape=st.sampled_from([(1, 1, 1), (2, 1, 3), (4, 2, 2), (3, 3, 1)]),
    batch_size=st.sampled_from([1, 3, 64]),
    seed=st.integers(0, 99),
)
def test_a_square_has_the_same_bytes_in_any_company(
    tiny: Galileo, n: int, shape: tuple[int, int, int], batch_size: int, seed: int
) -> None:
    size, p, t = shape
    series = random_series(n, size, t, seed, p)
    order = np.random.default_rng(seed).permutation(n)
    for embed in (embed_galileo, embed_galileo_patches):
        found = embed(tiny, series.rows(order), batch_size=batch_size).values.reshape(n, -1)
        assert found.tobytes() == embed(tiny, series).values.reshape(n, -1)[order].tobytes()


@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_changes_no_byte(tiny: Galileo, threads: int) -> None:
    series = random_series(60, 2, 6, 1)
    expected = embed_galileo(tiny, series).values.tobytes()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert embed_galileo(tiny, series).values.tobytes() == expected
    finally:
        torch.set_num_threads(before)


def test_what_is_hidden_may_hold_anything(tiny: Galileo) -> None:
    series = random_series(5, 2, 2, 3)
    hidden = np.repeat(series.space_time.hidden, [2, 3, 3, 1, 1, 2, 1], axis=-1)
    values = np.where(hidden, np.float32(np.nan), series.space_time.values)
    spoiled = dataclasses.replace(series, space_time=Part(values, series.space_time.hidden))
    assert embed_galileo(tiny, spoiled).values.tobytes() == embed_galileo(tiny, series).values.tobytes()


def test_a_patch_without_radar_and_optics_is_nan_with_its_reason_and_its_neighbours_are_not(
    tiny: Galileo,
) -> None:
    series = random_series(2, 4, 3, 5, patch_size=2, hidden_share=0)
    hidden = series.space_time.hidden.copy()
    hidden[0, :2, 2:] = True  # the patch in the first row, second column
    hidden[1] = True  # a square that nothing saw
    series = dataclasses.replace(series, space_time=Part(series.space_time.values, hidden))
    squares, patches = embed_galileo(tiny, series), embed_galileo_patches(tiny, series)
    assert squares.reason.tolist() == [Reason.EMBEDDED, Reason.NO_OBSERVATION]
    assert patches.reason.tolist() == [0, 1, 0, 0, 1, 1, 1, 1]
    for found in (squares, patches):
        np.testing.assert_array_equal(np.isnan(found.values).any(axis=1), found.reason != Reason.EMBEDDED)


@pytest.mark.parametrize("wanted", [1, 3, 5, 8])
def test_a_resized_kernel_gives_a_resized_patch_what_the_stored_one_gives_the_patch(wanted: int) -> None:
    """On patches that a resizing can represent at all: those made by its transpose."""
    resize = kernel_resize(8, wanted).double()  # (wanted^2, 64)
    cells = torch.eye(64, dtype=torch.float64).view(64, 1, 8, 8)
    smaller = torch.nn.functional.interpolate(cells, (wanted, wanted), mode="bicubic", antialias=True)
    forward = smaller.flatten(1)  # (64, wanted^2), a row per stored cell
    torch.testing.assert_close(resize @ forward, torch.eye(wanted**2, dtype=torch.float64), atol=1e-5, rtol=0)


def test_place_is_told_by_column_first_then_by_row() -> None:
    place = place_encoding(3, 2.0, 32)
    assert place[0, 0].tolist() == [*[0.0] * 8, *[1.0] * 8] * 2
    torch.testing.assert_close(place[:, 1, :16], place[:1, 1, :16].expand(3, 16))
    torch.testing.assert_close(place[1, :, 16:], place[1, :1, 16:].expand(3, 16))
    assert place[0, 2, 0].item() == pytest.approx(np.sin(4.0))


def test_more_steps_or_larger_patches_than_the_networks_are_refused(tiny: Galileo) -> None:
    with pytest.raises(ModelError, match="25 steps, expected at most 24"):
        embed_galileo(tiny, random_series(1, 1, 25, 0))
    with pytest.raises(ModelError, match="patch size: 9, expected at most 8"):
        embed_galileo_patches(tiny, random_series(1, 9, 1, 0, patch_size=9))


def torn(series: GalileoSeries) -> dict[str, Any]:
    hidden = series.space.hidden.copy()
    hidden[0, 0, 1, 0] = True
    return {"space": Part(series.space.values, hidden), "patch_size": 2}


def with_value(part: Part, value: float) -> Part:
    values = part.values.copy()
    values.flat[0] = value
    return Part(values, part.hidden)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (torn, "galileo space hidden: differs inside a patch of 2 pixels"),
        (lambda s: {"patch_size": 3}, "4 x 4 pixels and 2 steps, expected a square of patches of 3 pixels"),
        (lambda s: {"patch_size": 0}, "galileo patch size: 0, expected 1 to 4"),
        (lambda s: {"resolution_m": 0.0}, "galileo resolution: 0.0, expected 1.0 to 10000.0"),
        (lambda s: {"resolution_m": float("nan")}, "galileo resolution: nan"),
        (lambda s: {"months": s.months + 12}, "galileo months: .* expected 0 to 11"),
        (lambda s: {"months": s.months[:, :1]}, r"galileo months: expected integer \(2, 2\)"),
        (lambda s: {"time": with_value(s.time, np.nan)}, "galileo time: holds a value that is not finite"),
        (
            lambda s: {"space_time": with_value(s.space_time, -1e3)},
            "galileo space_time: size 1000, normalised",
        ),
        (lambda s: {"static": Part(s.static.values[:, 1:], s.static.hidden)}, r"static: expected float32"),
        (lambda s: {"time": Part(s.time.values, s.time.hidden * 1)}, "galileo time hidden: expected bool"),
        (lambda s: {"space_time": s.static}, r"galileo space_time: expected \(N, H, H, T, 13\)"),
    ],
)
def test_what_cannot_be_given_is_refused_in_one_line(change: Any, message: str) -> None:
    series = random_series(2, 4, 2, 0, hidden_share=0)
    with pytest.raises(ModelError, match=message) as caught:
        dataclasses.replace(series, **change(series))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", list(STATISTICS))
def test_two_sds_below_the_training_mean_is_0_and_two_above_is_1(part: str) -> None:
    mean, sd = (np.array(numbers) for numbers in STATISTICS[part])
    channels = {"space_time": 13, "space": 16, "time": 6, "static": 18}[part]
    raw = np.zeros((2, channels))
    raw[:, : len(mean)] = mean - 2 * sd, mean + 2 * sd
    raw[:, len(mean) :] = 50
    x = normalise(part, raw)
    np.testing.assert_allclose(x[:, : len(mean)], [[0.0] * len(mean), [1.0] * len(mean)], atol=1e-5)
    if part in ("space", "static"):
        np.testing.assert_allclose(x[:, -5:], 0.5)  # per cent of crops
        np.testing.assert_allclose(x[:, len(mean) : -5], 50)


def test_a_part_with_other_channels_is_refused() -> None:
    with pytest.raises(ModelError, match="galileo time: expected 6 channels, found 5"):
        normalise("time", np.zeros((1, 5)))
