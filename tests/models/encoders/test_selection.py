"""Which observations the encoder sees, against the published fill patterns."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.encoders.inputs.selection import (
    DRAWN,
    NO_STEP,
    Selection,
    bin_size,
    draw,
    multiplicity_table,
    order_table,
    ordered_pattern,
    pad_pattern,
    pixel_keys,
    reference_draws,
    select,
    select_in_order,
)

MASKS = hnp.arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 60)))


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


def sequence(selection: Selection, pixel: int) -> list[int]:
    """Return the positions in time that stand at each step of a pixel's sequence."""
    assert selection.order is not None
    order = selection.order[pixel]
    kept: list[int] = selection.index[pixel][order[order != NO_STEP]].tolist()
    return kept


def test_every_v1_1_pattern_equals_the_published_one(shared: Path) -> None:
    golden = np.load(shared / "golden/tessera_v1_1/resample_patterns.npz")
    assert len(golden.files) == 28
    for key in golden.files:
        n, size = map(int, re.findall(r"\d+", key))
        found = ordered_pattern(n)
        assert len(found) == size, key
        np.testing.assert_array_equal(found, golden[key], err_msg=key)


def test_five_observations_in_order_have_their_extras_at_the_end() -> None:
    selection = select_in_order(np.ones((1, 5), bool))
    assert sequence(selection, 0) == [0, 1, 2, 3, 4, 1, 2, 3]
    assert selection.multiplicity.tolist() == [[1, 2, 2, 2, 1]]


def test_nothing_to_put_in_order_is_one_token_that_stands_at_eight_steps() -> None:
    selection = select_in_order(np.array([[False] * 9, [True] * 9]))
    assert selection.empty.tolist() == [True, False]
    assert selection.count.tolist() == [0, 9]
    assert selection.multiplicity[0].tolist() == [8] + [0] * 8
    assert selection.order is not None
    assert selection.order[0].tolist() == [0] * 8 + [NO_STEP] * 8


def test_no_frames_at_all_have_an_order_too() -> None:
    selection = select_in_order(np.zeros((2, 0), bool))
    assert selection.order is not None
    assert selection.order.tolist() == [[0] * 8] * 2


@pytest.mark.parametrize(("n", "kept", "steps"), [(1, 1, 8), (3, 3, 8), (256, 256, 256), (300, 256, 256)])
def test_the_order_is_as_long_as_its_bin(n: int, kept: int, steps: int) -> None:
    selection = select_in_order(np.ones((1, n), bool))
    assert selection.count.tolist() == [kept]
    assert len(sequence(selection, 0)) == steps == bin_size(n)
    np.testing.assert_array_equal(sequence(selection, 0), ordered_pattern(n))


def test_the_table_of_orders_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        order_table()[0, 0] = 1


@settings(max_examples=50, deadline=None)
@given(MASKS)
def test_an_ordered_selection_is_its_pixels_patterns_step_by_step(valid: np.ndarray) -> None:
    selection = select_in_order(valid)
    for pixel in range(len(valid)):
        times = np.flatnonzero(valid[pixel])
        expected = times[ordered_pattern(len(times))] if len(times) else np.zeros(8, int)
        assert sequence(selection, pixel) == expected.tolist()


@settings(max_examples=50, deadline=None)
@given(MASKS, st.booleans())
def test_an_order_shows_every_kept_observation_as_often_as_it_counts(valid: np.ndarray, drawn: bool) -> None:
    selection = draw(valid, np.arange(len(valid), dtype=np.uint64)) if drawn else select_in_order(valid)
    assert selection.order is not None
    for order, multiplicity in zip(selection.order, selection.multiplicity, strict=True):
        shown = np.bincount(order[order != NO_STEP], minlength=len(multiplicity))
        assert shown.tolist() == multiplicity.tolist()


@settings(max_examples=50, deadline=None)
@given(MASKS, st.integers(0, 2**32))
def test_forty_are_drawn_from_the_valid_ones_in_time_order(valid: np.ndarray, seed: int) -> None:
    keys = np.arange(len(valid), dtype=np.uint64)
    for selection in (draw(valid, keys, seed), reference_draws(valid, np.random.RandomState(seed % 2**32))):
        for pixel, mask in enumerate(valid):
            drawn = sequence(selection, pixel)
            eligible = np.flatnonzero(mask) if mask.any() else np.arange(len(mask))
            assert len(drawn) == DRAWN
            assert drawn == sorted(drawn)
            assert set(drawn) <= set(eligible.tolist())
            assert len(eligible) < DRAWN or len(set(drawn)) == DRAWN
        assert selection.empty.tolist() == (~valid.any(axis=1)).tolist()


def test_a_pixel_never_observed_is_drawn_from_all_frames_and_is_still_empty() -> None:
    selection = draw(np.zeros((1, 50), bool), np.zeros(1, np.uint64))
    assert selection.count.tolist() == [40]
    assert selection.empty.tolist() == [True]


def test_where_there_is_no_frame_nothing_is_drawn() -> None:
    selection = draw(np.zeros((2, 0), bool), np.zeros(2, np.uint64))
    assert selection.count.tolist() == [0, 0]
    assert selection.order is not None
    assert selection.order.tolist() == [[0] * DRAWN] * 2


def made_up(n: int, times: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return frames (n, times, 2), days (times,) and which are valid (n, times)."""
    random = np.random.default_rng(seed)
    frames = random.integers(-30_000, 30_000, (n, times, 2)).astype(np.int16)
    return frames, np.sort(random.integers(1, 366, times)), random.random((n, times)) < 0.7


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.sampled_from([3, 30, 90]), st.data())
def test_what_a_pixel_draws_depends_on_no_other_pixel(seed: int, times: int, choice: st.DataObject) -> None:
    frames, days, valid = made_up(7, times, seed)
    whole = draw(valid, pixel_keys(frames, days, valid))
    rows = choice.draw(st.lists(st.integers(0, 6), min_size=1, max_size=7))
    some = draw(valid[rows], pixel_keys(frames[rows], days, valid[rows]))
    assert [sequence(some, i) for i in range(len(rows))] == [sequence(whole, row) for row in rows]


def test_what_lies_under_cloud_decides_no_draw_and_what_is_seen_does() -> None:
    frames, days, valid = made_up(50, 60, 0)
    keys = pixel_keys(frames, days, valid)
    under, seen = frames.copy(), frames.copy()
    under[~valid] += 1
    seen[np.arange(50), valid.argmax(axis=1), 1] += 1
    np.testing.assert_array_equal(pixel_keys(under, days, valid), keys)
    assert (pixel_keys(seen, days, valid) != keys).all()
    assert (pixel_keys(frames, days + 1, valid) != keys).all()
    assert len(set(keys.tolist())) == 50


def test_another_seed_draws_others() -> None:
    valid, keys = np.ones((20, 90), bool), np.arange(20, dtype=np.uint64)
    first, second = draw(valid, keys, 1), draw(valid, keys, 2)
    assert (first.index != second.index).any(axis=1).all()


#: Quantiles 0.9999 of chi-square with 59 and 9 degrees of freedom.
CHI_SQUARE_59, CHI_SQUARE_9 = 107.2, 33.7


def test_every_observation_is_as_likely_among_forty_of_sixty_and_so_is_every_pair() -> None:
    n, times = 4000, 60
    selection = draw(np.ones((n, times), bool), np.arange(n, dtype=np.uint64), 7)
    chosen = np.zeros((n, times), bool)
    np.put_along_axis(chosen, selection.index, True, axis=1)
    p = DRAWN / times
    excess = chosen.sum(axis=0) - n * p
    assert (excess**2).sum() / (n * p * (1 - p)) * (times - 1) / times < CHI_SQUARE_59
    together = chosen.T.astype(float) @ chosen / n
    pair = p * (DRAWN - 1) / (times - 1)
    off_diagonal = together[~np.eye(times, dtype=bool)]
    assert np.abs(off_diagonal - pair).max() < 5 * np.sqrt(pair * (1 - pair) / n)


def test_every_observation_is_as_likely_at_every_draw_from_ten() -> None:
    n, times = 4000, 10
    selection = draw(np.ones((n, times), bool), np.arange(n, dtype=np.uint64), 7)
    drawn = np.bincount(selection.index.ravel(), weights=selection.multiplicity.ravel(), minlength=times)
    expected = n * DRAWN / times
    assert drawn.sum() == n * DRAWN
    assert ((drawn - expected) ** 2 / expected).sum() < CHI_SQUARE_9
    missed = (selection.count < times).mean()  # a fair draw misses one of ten with 10 * 0.9**40, about 0.14
    assert abs(missed - 0.14) < 0.02
