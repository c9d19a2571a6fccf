"""Codes and scales."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.encoders.quantise import dequantise, quantise

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
