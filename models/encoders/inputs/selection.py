"""Selection: which observations of a pixel the encoder sees, and how often each counts.

The reference fills every pixel's sequence up to a bin of 8, 16, ..., 256 steps by repeating observations.
A repeated observation is an identical token, and in softmax attention and pooling m identical tokens are one
token whose logit is raised by log(m). So each kept observation is encoded once and carries its multiplicity:
the same result, less work.

TESSERA v2 fills by one rule and v1.1 by another (`select`, `select_in_order`); v1.0 draws 40 at random
(`draw`). The pooling of v1.1 and v1.0 reads the sequence in order, so theirs also say what stands where.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Sequence lengths are multiples of this (TESSERA v2 and v1.1).
BIN_STEP = 8
#: Longest sequence; more observations than this are thinned evenly (both).
MAX_OBSERVATIONS = 256
#: Observations of each sensor that v1.0 draws at a pixel.
DRAWN = 40
#: Marks the steps past a pixel's last one in `Selection.order`.
NO_STEP = -1
#: Step of the splitmix64 generator: 2**64 over the golden ratio (Steele, Lea and Flood 2014).
SPLITMIX_STEP = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Selection:
    """The observations kept at N pixels, left-aligned in time order."""

    index: NDArray[np.int32]
    """(N, L) position on the time axis, L >= 1; 0 where padded."""
    multiplicity: NDArray[np.uint8]
    """(N, L) how often the observation counts; 0 = padding."""
    count: NDArray[np.int64]
    """(N,) observations kept."""
    order: NDArray[np.int16] | None = None
    """(N, S) which of the kept stands at each step of the reference's sequence, NO_STEP past its end; where
    nothing is kept, the steps of the one all-zero token. None where the pooling sees no order."""
    observed: NDArray[np.int64] | None = None
    """(N,) observations there were; None where `count` is 0 exactly where there were none."""

    @property
    def empty(self) -> NDArray[np.bool_]:
        """(N,) True where nothing was observed, whatever stands in for it."""
        nothing: NDArray[np.bool_] = (self.count if self.observed is None else self.observed) == 0
        return nothing


def bin_size(n: int) -> int:
    """Return the sequence length that n observations fill; 0 for none."""
    return min(-(-n // BIN_STEP) * BIN_STEP, MAX_OBSERVATIONS)


def pad_pattern(n: int) -> NDArray[np.int64]:
    """Return which of n observations stand at each step of their bin, repeats included: (bin_size(n),)."""
    size = bin_size(n)
    if n >= size:
        return np.linspace(0, max(n - 1, 0), size).astype(np.int64)
    extra = size - n
    if extra <= n:
        middles = [part[len(part) // 2] for part in np.array_split(np.arange(n), extra)]
        return np.concatenate([np.arange(n), middles])
    return np.concatenate([np.arange(n), np.arange(extra) % n])


def ordered_pattern(n: int) -> NDArray[np.int64]:
    """Return which of n observations stand at each step of their bin as v1.1 fills it: (bin_size(n),).

    All in order, then the extras, spread evenly between the first and the last; above the cap, the middles
    of 256 even parts.
    """
    size = bin_size(n)
    if n > size:
        return np.array([part[len(part) // 2] for part in np.array_split(np.arange(n), size)])
    extras = np.rint(np.linspace(0, max(n - 1, 0), size - n + 2)[1:-1]).astype(np.int64)
    return np.concatenate([np.arange(n), extras])


@lru_cache(maxsize=8)
def multiplicity_table(
    longest: int, pattern: Callable[[int], NDArray[np.int64]] = pad_pattern
) -> NDArray[np.uint8]:
    """Return (longest + 1, longest): row n, column k says how often the k-th of n observations counts."""
    table = np.zeros((longest + 1, longest), np.uint8)
    for n in range(1, longest + 1):
        table[n, :n] = np.bincount(pattern(n), minlength=n)
    table.setflags(write=False)
    return table


@lru_cache(maxsize=1)
def order_table() -> NDArray[np.int16]:
    """Return (257, 256): row k holds which of k kept observations stands at each step (v1.1), then NO_STEP.

    None kept is one all-zero token at eight steps.
    """
    table = np.full((MAX_OBSERVATIONS + 1, MAX_OBSERVATIONS), NO_STEP, np.int16)
    table[0, :BIN_STEP] = 0
    for kept in range(1, MAX_OBSERVATIONS + 1):
        table[kept, : bin_size(kept)] = ordered_pattern(kept)
    table.setflags(write=False)
    return table


def select(valid: NDArray[np.bool_]) -> Selection:
    """Return the observations kept at each pixel; valid (N, T) in time order. No loop over pixels."""
    return _left_align(_repeats(valid, pad_pattern))


def select_in_order(valid: NDArray[np.bool_]) -> Selection:
    """Return the observations v1.1 keeps at each pixel and their order; valid (N, T), radar in its own order.

    Nothing kept is one all-zero token at day 0 that counts eight times.
    """
    kept = _left_align(_repeats(valid, ordered_pattern))
    steps = np.maximum(-(-kept.count // BIN_STEP), 1) * BIN_STEP  # (N,)
    kept.multiplicity[kept.count == 0, 0] = BIN_STEP
    order = order_table()[kept.count, : steps.max(initial=BIN_STEP)]
    return Selection(kept.index, kept.multiplicity, kept.count, order)


def draw(valid: NDArray[np.bool_], keys: NDArray[np.uint64], seed: int = 0) -> Selection:
    """Return 40 observations drawn at each pixel, as v1.0 does: with replacement only where there are fewer.

    valid (N, T); where nothing is valid, all T frames are drawn from. keys (N,) from `pixel_keys` and the
    seed decide, so neither the order nor the number of pixels does. Without any frame: one all-zero token.
    """
    observed = valid.sum(axis=1, dtype=np.int64)
    if not valid.shape[1]:
        return _drawn(np.zeros(valid.shape, np.uint8), observed)
    eligible = _eligible(valid)
    chance = _mix(keys ^ _mix(np.full(1, seed, np.uint64)))  # (N,)
    enough = eligible.sum(axis=1) >= DRAWN
    repeats = np.empty(valid.shape, np.uint8)
    repeats[enough] = _without_replacement(eligible[enough], chance[enough])
    repeats[~enough] = _with_replacement(eligible[~enough], chance[~enough])
    return _drawn(repeats, observed)


def reference_draws(valid: NDArray[np.bool_], random_state: np.random.RandomState) -> Selection:
    """Return 40 observations drawn at each pixel with v1.0's own stream of numpy's legacy generator.

    One `choice` a pixel in the order of pixels, first for all pixels' optical frames, then for their radar:
    what a pixel gets depends on all before it. `draw` is for everything else.
    """
    repeats = np.zeros(valid.shape, np.uint8)
    for pixel, eligible in enumerate(_eligible(valid)):
        times = np.flatnonzero(eligible)
        drawn = random_state.choice(times, size=DRAWN, replace=len(times) < DRAWN)
        repeats[pixel] = np.bincount(drawn, minlength=valid.shape[1])
    return _drawn(repeats, valid.sum(axis=1, dtype=np.int64))


def pixel_keys(
    frames: NDArray[np.uint16] | NDArray[np.int16], days: NDArray[np.int64], valid: NDArray[np.bool_]
) -> NDArray[np.uint64]:
    """Return a number for each pixel (N,) that its own observations decide; frames (N, T, C), valid (N, T).

    Of a pixel without a valid observation, all its frames do.
    """
    digest = np.broadcast_to(days.astype(np.uint64), valid.shape)  # (N, T)
    for band in range(frames.shape[2]):
        digest = _mix(digest ^ frames[:, :, band].astype(np.uint64))
    keys: NDArray[np.uint64] = np.where(_eligible(valid), digest, np.uint64(0)).sum(axis=1, dtype=np.uint64)
    return keys


def _left_align(repeats: NDArray[np.uint8]) -> Selection:
    """Return the non-zero entries of each row of (N, T), moved to the left and cut to the longest row."""
    pixel, time = np.nonzero(repeats)
    count = np.bincount(pixel, minlength=len(repeats))
    place = np.arange(len(pixel)) - np.repeat(np.cumsum(count) - count, count)
    shape = (len(repeats), int(count.max(initial=1)))
    index, multiplicity = np.zeros(shape, np.int32), np.zeros(shape, np.uint8)
    index[pixel, place] = time
    multiplicity[pixel, place] = repeats[pixel, time]
    return Selection(index, multiplicity, count)


def _repeats(valid: NDArray[np.bool_], pattern: Callable[[int], NDArray[np.int64]]) -> NDArray[np.uint8]:
    """Return (N, T) how often each observation counts once a pattern has filled the bins."""
    n_times = valid.shape[1]
    if not n_times:
        return np.zeros(valid.shape, np.uint8)
    rank = _rank(valid)
    table = multiplicity_table(n_times, pattern)
    repeats: NDArray[np.uint8] = table[rank[:, -1:] + 1, np.maximum(rank, 0)] * valid
    return repeats


def _rank(valid: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return (N, T) how many valid ones came before; meaningless where not valid."""
    return np.cumsum(valid, axis=1, dtype=np.int32) - 1


def _eligible(valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return (N, T) what v1.0 draws from: the valid frames, or all where none is."""
    return valid | ~valid.any(axis=1, keepdims=True)


def _without_replacement(eligible: NDArray[np.bool_], chance: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return (N, T) 1 for the 40 eligible frames with the smallest numbers; every row has as many."""
    numbers = _mix(chance[:, None] + _counter(_rank(eligible))) >> np.uint64(1)
    numbers[~eligible] = np.iinfo(np.uint64).max
    repeats = np.zeros(eligible.shape, np.uint8)
    smallest = np.argpartition(numbers, min(DRAWN, numbers.shape[1]) - 1, axis=1)[:, :DRAWN]
    np.put_along_axis(repeats, smallest, 1, axis=1)
    return repeats


def _with_replacement(eligible: NDArray[np.bool_], chance: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return (N, T) how often each eligible frame is among 40 draws; every row has one at least."""
    n_pixels, n_times = eligible.shape
    numbers = _mix(chance[:, None] + _counter(np.arange(DRAWN))) >> np.uint64(32)  # below 2**32
    count = eligible.sum(axis=1, dtype=np.uint64)[:, None]
    drawn = ((numbers * count) >> np.uint64(32)).astype(np.int64)  # (N, 40) rank among the eligible
    cell = (np.arange(n_pixels)[:, None] * n_times + drawn).ravel()
    times_drawn = np.bincount(cell, minlength=n_pixels * n_times).reshape(n_pixels, n_times)
    by_rank = np.take_along_axis(times_drawn, np.maximum(_rank(eligible), 0), axis=1)
    return (by_rank * eligible).astype(np.uint8)


def _drawn(repeats: NDArray[np.uint8], observed: NDArray[np.int64]) -> Selection:
    """Return the selection of draws counted in (N, T), read in time order."""
    kept = _left_align(repeats)
    kept.multiplicity[kept.count == 0, 0] = DRAWN
    place = np.broadcast_to(np.arange(kept.index.shape[1], dtype=np.int16), kept.index.shape)
    order = np.repeat(place.ravel(), kept.multiplicity.ravel()).reshape(len(repeats), DRAWN)
    return Selection(kept.index, kept.multiplicity, kept.count, order, observed)


def _counter(steps: NDArray[np.integer[Any]]) -> NDArray[np.uint64]:
    """Return the states of a splitmix64 generator after so many steps, started at 0."""
    return steps.astype(np.uint64) * SPLITMIX_STEP


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the output of splitmix64 for each state (Steele, Lea and Flood 2014)."""
    mixed = state + SPLITMIX_STEP
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
