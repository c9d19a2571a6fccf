"""Selection: which observations of a pixel the encoder sees, and how often each counts.

The reference fills every pixel's sequence up to a bin of 8, 16, ..., 256 steps by repeating observations.
A repeated observation is an identical token, and in softmax attention and pooling m identical tokens are one
token whose logit is raised by log(m). So each kept observation is encoded once and carries its multiplicity:
the same result, less work.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

#: Sequence lengths are multiples of this (TESSERA v2).
BIN_STEP = 8
#: Longest sequence; more observations than this are thinned evenly (TESSERA v2).
MAX_OBSERVATIONS = 256


@dataclass(frozen=True)
class Selection:
    """The observations kept at N pixels, left-aligned in time order."""

    index: NDArray[np.int32]
    """(N, L) position on the time axis, L >= 1; 0 where padded."""
    multiplicity: NDArray[np.uint8]
    """(N, L) how often the observation counts; 0 = padding."""
    count: NDArray[np.int64]
    """(N,) observations kept."""


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


@lru_cache(maxsize=8)
def multiplicity_table(longest: int) -> NDArray[np.uint8]:
    """Return (longest + 1, longest): row n, column k says how often the k-th of n observations counts."""
    table = np.zeros((longest + 1, longest), np.uint8)
    for n in range(1, longest + 1):
        table[n, :n] = np.bincount(pad_pattern(n), minlength=n)
    table.setflags(write=False)
    return table


def select(valid: NDArray[np.bool_]) -> Selection:
    """Return the observations kept at each pixel; valid (N, T) in time order. No loop over pixels."""
    n_pixels, n_times = valid.shape
    rank = np.cumsum(valid, axis=1, dtype=np.int32) - 1  # (N, T) how many valid ones came before
    if not n_times:
        return _left_align(np.zeros((n_pixels, 1), np.uint8))
    n_valid = rank[:, -1] + 1
    repeats = multiplicity_table(n_times)[n_valid[:, None], np.maximum(rank, 0)] * valid  # (N, T)
    return _left_align(repeats)


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
