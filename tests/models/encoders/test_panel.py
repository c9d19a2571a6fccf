"""Panels: which pixels, what counts as the same, and that a damaged record is told from a drifted encoder."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.encoders.embeddings import Embeddings
from models.encoders.inputs.dpixels import DPixels
from models.encoders.panel import (
    AWKWARD_PIXELS,
    MAX_DIFFERENCE,
    PANEL_PIXELS,
    Bound,
    Environment,
    Panel,
    PanelRecord,
    bound_between,
    choose_pixels,
    compare,
    inputs_digest,
    panel_bytes,
    panel_from_bytes,
)
from monitoring.errors import DriftError, PanelError
from monitoring.scenes import Sensor

HERE = Environment("cpu", "a processor", "AVX2", "fp32", 2, "2.13.0", "2.2.0", "0.1.0+aaaa", "card")
FP32 = Bound(MAX_DIFFERENCE)


def counts_of(n: int, seed: int = 0) -> dict[Sensor, np.ndarray]:
    random = np.random.default_rng(seed)
    return {sensor: random.integers(0, 30, n) for sensor in Sensor}


def embeddings_of(n: int = 6, dims: int = 8, seed: int = 0) -> Embeddings:
    values = np.random.default_rng(seed).normal(size=(n, dims)).astype(np.float32)
    values[0] = np.nan
    reason = np.zeros(n, np.uint8)
    reason[0] = 1
    return Embeddings(values, reason)


def moved(embeddings: Embeddings, by: float, dims: slice = slice(None)) -> Embeddings:
    values = embeddings.values.copy()
    values[:, dims] += np.float32(by)
    return Embeddings(values, embeddings.reason)


def inputs_of(n: int = 6) -> DPixels:
    random = np.random.default_rng(1)
    return DPixels(
        random.integers(0, 9000, (4, n, 10)).astype(np.uint16), random.random((4, n)) < 0.5, np.arange(1, 5),
        random.integers(0, 9000, (3, n, 2)).astype(np.int16), np.arange(1, 4),
        np.zeros((0, n, 2), np.int16), np.zeros(0, np.int64),
    )  # fmt: skip


def panel_of(n: int = 6) -> Panel:
    record = PanelRecord(
        "32630-e1-n2", "student", "ab" * 32, "2019-Q4", ("s2-a", "s1-b"), 32630,
        "2026-01-15T03:00:00+00:00", HERE,
    )  # fmt: skip
    cells = np.arange(n, dtype=np.int32)
    return Panel(record, cells, cells + 7, inputs_of(n), embeddings_of(n))


@given(n=st.integers(1, 300), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_panel_holds_each_pixel_once_and_sixty_four_where_there_are_as_many(n: int, seed: int) -> None:
    chosen = choose_pixels("5bd1f0c3a9e2", counts_of(n, seed))
    assert len(chosen) == min(n, PANEL_PIXELS)
    assert (np.diff(chosen) > 0).all()
    assert chosen[0] >= 0
    assert chosen[-1] < n


def test_the_same_pixel_set_gives_the_same_panel_and_another_set_another() -> None:
    counts = counts_of(1000)
    assert (choose_pixels("one", counts) == choose_pixels("one", counts)).all()
    assert (choose_pixels("one", counts) != choose_pixels("two", counts)).any()


@pytest.mark.parametrize("sensor", Sensor)
def test_pixels_without_one_sensor_are_in_the_panel(sensor: Sensor) -> None:
    counts = {each: np.full(1000, 20) for each in Sensor}
    lacking = np.array([17, 480, 999])
    counts[sensor][lacking] = 0
    assert np.isin(lacking, choose_pixels("one", counts)).all()


def test_the_pixel_with_most_observations_is_in_the_panel() -> None:
    counts = {each: np.full(1000, 20) for each in Sensor}
    counts[Sensor.S2][321] = 300
    assert 321 in choose_pixels("one", counts)


def test_the_panel_reaches_over_the_whole_block() -> None:
    chosen = choose_pixels("one", counts_of(10_000))
    widest_gap = np.diff(chosen).max()
    assert widest_gap < 3 * 10_000 / (PANEL_PIXELS - 5 * AWKWARD_PIXELS)


def test_equal_embeddings_are_equal_to_the_last_bit() -> None:
    found = compare(embeddings_of(), embeddings_of(), FP32)
    assert (found.agrees, found.bitwise, found.difference, found.deviates_at) == (True, True, 0.0, "")
    assert str(found) == "6 panel pixels are equal to the last bit"


def test_rounding_passes_and_the_first_number_that_differs_is_named() -> None:
    accepted = embeddings_of()
    values = accepted.values.copy()
    values[2, 5] = np.nextafter(values[2, 5], np.float32(9))
    found = compare(accepted, Embeddings(values, accepted.reason), FP32)
    assert found.agrees
    assert not found.bitwise
    assert found.deviates_at.startswith("pixel 2 dim 5 by ")


def test_a_difference_beyond_rounding_is_drift_and_says_how_much() -> None:
    found = compare(embeddings_of(), moved(embeddings_of(), 1e-3), FP32)
    assert not found.agrees
    assert str(found) == "6 panel pixels differ by up to 0.001, bound 2e-05"


@given(by=st.floats(1e-7, 1e-2))
@settings(max_examples=60, deadline=None)
def test_only_what_lies_beyond_the_bound_is_drift(by: float) -> None:
    accepted = Embeddings(np.zeros((3, 4), np.float32), np.zeros(3, np.uint8))
    assert compare(accepted, moved(accepted, by), FP32).agrees == (np.float32(by) <= MAX_DIFFERENCE)


def test_a_pixel_that_lost_its_embedding_is_drift() -> None:
    accepted = embeddings_of()
    lost = Embeddings(accepted.values.copy(), accepted.reason)
    lost.values[3] = np.nan
    for pair in ((accepted, lost), (lost, accepted)):
        found = compare(*pair, FP32)
        assert not found.agrees
        assert "1 embedded on one side only" in str(found)


def test_another_reason_for_a_missing_embedding_is_not_bitwise() -> None:
    accepted = embeddings_of()
    assert not compare(accepted, Embeddings(accepted.values, np.zeros(6, np.uint8)), FP32).bitwise


def test_embeddings_of_another_length_are_drift() -> None:
    with pytest.raises(DriftError, match=r"\(6, 4\).*\(6, 8\)"):
        compare(embeddings_of(dims=8), embeddings_of(dims=4), FP32)


def test_a_panel_nobody_observed_compares_as_equal() -> None:
    nothing = Embeddings(np.full((3, 4), np.nan, np.float32), np.ones(3, np.uint8))
    found = compare(nothing, nothing, FP32)
    assert (found.agrees, found.bitwise, found.cosine, found.within_one_level) == (True, True, 1.0, 1.0)


@pytest.mark.parametrize(
    ("change", "bound"),
    [
        ({}, Bound(2e-5)),
        ({"capability": "AVX512", "threads": 1, "torch": "3.0"}, Bound(2e-5)),
        ({"device": "cuda"}, Bound(None, 0.9999, 0.97)),
        ({"precision": "bf16"}, Bound(None, 0.9995, 0.97)),
        ({"precision": "bf16", "device": "cuda"}, Bound(None, 0.9995, 0.97)),
    ],
)
def test_what_counts_as_numerics_depends_on_device_and_precision(
    change: dict[str, object], bound: Bound
) -> None:
    other = dataclasses.replace(HERE, **change)  # type: ignore[arg-type]
    assert bound_between(HERE, other) == bound_between(other, HERE) == bound


def test_across_devices_a_cosine_below_its_bound_is_drift() -> None:
    accepted, loose = embeddings_of(200, 128), Bound(None, 0.9995, 0.0)
    noise = np.random.default_rng(2).normal(size=(200, 128)).astype(np.float32)
    for size, agrees in ((1e-3, True), (0.1, False)):
        found = compare(accepted, Embeddings(accepted.values + size * noise, accepted.reason), loose)
        assert found.agrees is agrees
    assert "reach a cosine of only" in str(found)


def test_codes_more_than_a_level_apart_are_drift_although_the_cosine_is_fine() -> None:
    values = np.ones((1, 100), np.float32)
    off = values.copy()
    off[0, :4] -= 0.03  # four of a hundred codes, four levels each
    found = compare(
        Embeddings(values, np.zeros(1, np.uint8)),
        Embeddings(off, np.zeros(1, np.uint8)),
        Bound(None, 0.9995, 0.97),
    )
    assert found.cosine > 0.9995
    assert not found.agrees
    assert "96.0% of int8 codes within one level, bound 97%" in str(found)


def test_what_changed_between_environments_is_named() -> None:
    other = dataclasses.replace(HERE, torch="2.14.0", device="cuda")
    assert HERE.changes_to(other) == ("device cpu -> cuda", "torch 2.13.0 -> 2.14.0")
    assert HERE.changes_to(HERE) == ()


def test_a_panel_comes_back_from_its_bytes() -> None:
    panel = panel_of()
    back = panel_from_bytes(panel_bytes(panel), "here")
    assert back.record == panel.record
    assert inputs_digest(back.inputs) == inputs_digest(panel.inputs)
    np.testing.assert_array_equal(back.embeddings.values, panel.embeddings.values)
    np.testing.assert_array_equal(back.column, panel.column)
    np.testing.assert_array_equal(back.row, panel.row)
    assert panel_bytes(back) == panel_bytes(panel)


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_a_flipped_bit_anywhere_is_damage_never_another_panel(place: float, bit: int) -> None:
    content = bytearray(panel_bytes(panel_of()))
    content[int(place * len(content))] ^= 1 << bit
    with pytest.raises(PanelError, match="panel here: damaged"):
        panel_from_bytes(bytes(content), "here")


@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.999])
def test_a_truncated_panel_is_damaged(kept: float) -> None:
    content = panel_bytes(panel_of())
    with pytest.raises(PanelError, match="damaged"):
        panel_from_bytes(content[: int(kept * len(content))], "here")


def test_a_whole_file_of_another_layout_is_not_called_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.encoders.panel._arrays_of", lambda _inputs: {})
    content = panel_bytes(panel_of())
    with pytest.raises(
        PanelError, match=r"whole, but of a layout this version does not read: .*inputs_bands"
    ):
        panel_from_bytes(content, "here")


def test_one_changed_observation_is_another_input() -> None:
    inputs = inputs_of()
    bands = inputs.bands.copy()
    bands[1, 2, 3] += 1
    assert inputs_digest(dataclasses.replace(inputs, bands=bands)) != inputs_digest(inputs)
    assert inputs_digest(dataclasses.replace(inputs, doys=inputs.doys + 1)) != inputs_digest(inputs)
