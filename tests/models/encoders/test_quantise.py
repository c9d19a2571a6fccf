"""Codes and scales."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.encoders.card import encoder_cards
from models.encoders.quantise import QUANTISATIONS, dequantise, quantise
from monitoring.errors import ModelError

VECTORS = hnp.arrays(
    np.float32, st.tuples(st.integers(0, 5), st.integers(1, 8)), elements=st.floats(-100, 100, width=32)
)


def test_the_largest_magnitude_is_code_127_and_halves_round_to_even() -> None:
    codes, scales = quantise(np.array([[-127.0, 0.5, 1.5, 2.5]], np.float32))
    assert codes.tolist() == [[-127, 0, 2, 2]]
    assert scales.tolist() == [1.0]


def test_a_missing_row_has_scale_nan_and_comes_back_as_nan() -> None:
    codes, scales = quantise(np.array([[np.nan, np.nan], [1.0, -1.0]], np.float32))
    assert codes.tolist() == [[0, 0], [127, -127]]
    assert np.isnan(scales).tolist() == [True, False]
    assert np.isnan(dequantise(codes, scales)).tolist() == [[True, True], [False, False]]


def test_a_row_of_zeros_stays_zero() -> None:
    codes, scales = quantise(np.zeros((1, 3), np.float32))
    assert dequantise(codes, scales).tolist() == [[0.0, 0.0, 0.0]]


@settings(max_examples=50, deadline=None)
@given(VECTORS)
def test_no_value_is_off_by_more_than_half_a_step(values: np.ndarray) -> None:
    codes, scales = quantise(values)
    off = np.abs(dequantise(codes, scales) - values)
    assert (off <= scales[:, None] * 0.5 * (1 + 1e-4)).all()
    assert scales.dtype == np.float32
    assert codes.dtype == np.int8


def test_v1_1_codes_and_scales_equal_the_published_ones(shared: Path) -> None:
    golden = np.load(shared / "golden/tessera_v1_1/quantize.npz")
    codes, scales = quantise(golden["x"], "v1.1")
    np.testing.assert_array_equal(codes, golden["q"])
    np.testing.assert_allclose(scales, golden["scale"].ravel(), rtol=1e-7)


def test_generations_differ_in_how_small_a_scale_may_be() -> None:
    tiny = np.array([[2e-9, -1e-9]], np.float32)
    assert quantise(tiny, "v1.1")[1].tolist() == [np.float32(1e-8)]
    assert quantise(tiny, "v2")[0].tolist() == [[127, -64]]
    assert quantise(tiny, "v1.0")[0].tolist() == [[0, 0]]


def test_every_encoder_card_names_a_rule_that_quantises() -> None:
    assert {card.selection for card in encoder_cards()} <= set(QUANTISATIONS)


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ModelError, match=r"quantisation 'v3': must be one of none, v2, v1\.1, v1\.0"):
        quantise(np.zeros((1, 2), np.float32), "v3")
