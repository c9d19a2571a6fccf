"""Mann-Kendall with its exact null distribution, ties included, for many short series at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

#: Longest series whose null distribution is counted out; at 61 values and more the normal limit is used.
EXACT_UP_TO = 60


@dataclass(frozen=True)
class MannKendall:
    """The test of W series; p is NaN for a series of fewer than two values."""

    n: NDArray[np.int64]
    """(W,) values in each series, NaN not counted."""
    s: NDArray[np.int64]
    """(W,) rises minus falls over all pairs of values."""
    p_decline: NDArray[np.float64]
    """(W,) one-sided: chance of an S this small or smaller without a trend."""
    p_rise: NDArray[np.float64]
    """(W,) one-sided: chance of an S this large or larger without a trend."""
    p_two_sided: NDArray[np.float64]
    """(W,) twice the smaller of the two, at most 1."""
    tied: NDArray[np.bool_]
    """(W,) whether equal values occur in the series."""


def mann_kendall(values: NDArray[np.float64]) -> MannKendall:
    """Return the Mann-Kendall test of every row of `values` (W, T), NaN left out, columns in time order.

    The null is that every order of the row's own values is equally likely, so ties need no correction.
    Mann (1945) Econometrica 13:245; Kendall (1975) Rank Correlation Methods.
    """
    s = _rises_minus_falls(values)
    n = np.isfinite(values).sum(axis=1)
    p_decline, p_rise = np.full(len(s), np.nan), np.full(len(s), np.nan)
    tied = np.zeros(len(s), bool)
    for rows, ties in _by_tie_pattern(values, n):
        p_decline[rows], p_rise[rows] = _tails(s[rows], ties)
        tied[rows] = any(run > 1 for run in ties)
    p_two_sided = np.minimum(1.0, 2.0 * np.minimum(p_decline, p_rise))
    return MannKendall(n, s, p_decline, p_rise, p_two_sided, tied)


def _rises_minus_falls(values: NDArray[np.float64]) -> NDArray[np.int64]:
    columns = np.ascontiguousarray(values.T)
    s = np.zeros(columns.shape[1], np.int64)
    for earlier, later in itertools.combinations(columns, 2):
        s += (later > earlier).view(np.int8) - (later < earlier).view(np.int8)
    return s


def _by_tie_pattern(
    values: NDArray[np.float64], n: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], tuple[int, ...]]]:
    """Yield (rows, run lengths of equal values): rows of one pattern share one null distribution."""
    ordered = np.sort(values, axis=1)
    equal = ordered[:, 1:] == ordered[:, :-1]
    any_tie = equal.any(axis=1)
    for length in np.unique(n[~any_tie & (n >= 2)]):
        yield np.flatnonzero(~any_tie & (n == length)), (1,) * int(length)
    tied_rows = np.flatnonzero(any_tie)
    patterns, member = np.unique(np.column_stack([n, equal])[tied_rows], axis=0, return_inverse=True)
    for index, (length, *flags) in enumerate(patterns.tolist()):
        yield tied_rows[member.ravel() == index], _run_lengths(flags[: length - 1])


def _run_lengths(equal_to_previous: list[int]) -> tuple[int, ...]:
    edges = [0, *(i for i, same in enumerate(equal_to_previous, 1) if not same), len(equal_to_previous) + 1]
    return tuple(sorted(after - before for before, after in itertools.pairwise(edges)))


def _tails(s: NDArray[np.int64], ties: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if sum(ties) > EXACT_UP_TO:
        return normal_cdf(s, ties), normal_cdf(-s, ties)
    cumulative = exact_cdf(ties)
    top = len(cumulative) - 1
    return cumulative[(s + top) // 2], cumulative[(top - s) // 2]


@lru_cache(maxsize=4096)
def exact_cdf(ties: tuple[int, ...]) -> NDArray[np.float64]:
    """Return P(S <= s) at s = -m, -m + 2, ..., m, where m counts the pairs of unequal values.

    `ties` holds the sizes of the groups of equal values, so `(1,) * n` is a series without ties. The falls
    among the orders of such values are counted by the Gaussian multinomial coefficient
    [n]! / ([t1]! ... [tk]!) (MacMahon 1913), worked out in whole numbers; S = m - 2 falls.
    """
    counts = list(itertools.accumulate(_orders_by_falls(ties)))
    cdf = np.array([count / counts[-1] for count in counts])
    cdf.flags.writeable = False
    return cdf


def _orders_by_falls(ties: tuple[int, ...]) -> list[int]:
    """Return how many orders have 0, 1, 2, ... falls: coefficients of prod(1 - q^j) / prod(1 - q^i)."""
    n = sum(ties)
    unequal_pairs = (n * n - sum(run * run for run in ties)) // 2
    counts = [1] + [0] * unequal_pairs
    for factor in range(1, n + 1):
        for power in range(unequal_pairs, factor - 1, -1):
            counts[power] -= counts[power - factor]
    for factor in (factor for run in ties for factor in range(1, run + 1)):
        for power in range(factor, unequal_pairs + 1):
            counts[power] += counts[power - factor]
    return counts


def normal_cdf(s: NDArray[np.int64], ties: tuple[int, ...]) -> NDArray[np.float64]:
    """Return P(S <= s) in the normal limit, variance corrected for ties, with continuity correction."""
    n = sum(ties)
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    if variance == 0:
        return np.ones(s.shape)
    cdf: NDArray[np.float64] = ndtr((s + 1) / np.sqrt(variance))
    return cdf
