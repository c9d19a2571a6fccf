"""Which observations the encoder sees, against the published fill patterns."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.encoders.selection import bin_size, multiplicity_table, pad_pattern, select


def test_bins_equal_the_published_ones(shared: Path) -> None:
    golden = np.load(shared / "golden/tessera_v2/pad_patterns.npz")
    assert [bin_size(int(n)) for n in golden["bins_n"]] == golden["bins_B"].tolist()


def test_every_fill_pattern_equals_the_published_one(shared: Path) -> None:
    golden = np.load(shared / "golden/tessera_v2/pad_patterns.npz")
    patterns = {key: value for key, value in golden.items() if key.startswith("n")}
    assert len(patterns) == 28
    for key, expected in patterns.items():
        n, size = map(int, re.findall(r"\d+", key))
        found = pad_pattern(n)
        assert len(found) == size, key
        np.testing.assert_array_equal(found, expected, err_msg=key)


def test_five_observations_fill_a_bin_of_eight_with_three_middles_twice() -> None:
    selection = select(np.ones((1, 5), bool))
    assert selection.index.tolist() == [[0, 1, 2, 3, 4]]
    assert selection.multiplicity.tolist() == [[1, 2, 1, 2, 2]]


def test_a_pixel_without_observations_keeps_none() -> None:
    selection = select(np.zeros((2, 3), bool))
    assert selection.count.tolist() == [0, 0]
    assert selection.multiplicity.tolist() == [[0], [0]]


def test_no_frames_at_all_is_a_pixel_without_observations() -> None:
    assert select(np.zeros((4, 0), bool)).count.tolist() == [0, 0, 0, 0]


def test_more_than_256_observations_are_thinned_to_256_distinct_ones() -> None:
    selection = select(np.ones((1, 300), bool))
    assert selection.count.tolist() == [256]
    assert selection.multiplicity.max() == 1
    assert len(set(selection.index[0].tolist())) == 256


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 40))))
def test_a_selection_is_its_pixels_fill_patterns_counted(valid: np.ndarray) -> None:
    selection = select(valid)
    for pixel in range(len(valid)):
        times = np.flatnonzero(valid[pixel])
        filled = times[pad_pattern(len(times))]
        kept = selection.multiplicity[pixel] > 0
        repeated = np.repeat(selection.index[pixel][kept], selection.multiplicity[pixel][kept])
        assert sorted(repeated.tolist()) == sorted(filled.tolist())
        assert (np.diff(selection.index[pixel][kept]) > 0).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 300))
def test_multiplicities_fill_the_bin(n: int) -> None:
    assert int(multiplicity_table(300)[n].sum()) == bin_size(n)
