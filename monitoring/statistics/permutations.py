"""Orders of years: all of them for short records, a stated number of seeded shuffles for longer ones.

`orders` lists them, for any statistic. Three kinds of statistic need no list, are counted in milliseconds,
and stay exact for longer records: sums over pairs of years (`shares_of_pair_sums`), least-squares slopes
(`shares_of_slopes`) and quadratic forms in the sequence of pairs (`share_of_pair_forms`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

#: Longest record whose every order is tried: 9! = 362,880.
EVERY_ORDER_UP_TO = 9
#: Longest record whose orders are counted without a list of them: 12! = 479,001,600.
COUNTED_UP_TO = 12
#: Shuffles beside the observed order for longer records: the p has a floor of 1/100,000.
SHUFFLES = 99_999
#: The same for quadratic forms, where no half of the record can be sorted beforehand: 10! = 3,628,800.
FORMS_COUNTED_UP_TO = 10
#: Shuffles looked at together, which bounds memory near 30 MB for twenty years.
_ORDERS_AT_ONCE = 10_000
#: Equal statistics computed in another order of sums may differ by rounding; they count as equal.
ROUNDING = 1e-9


def orders(n: int, seed: int = 0) -> NDArray[np.int16]:
    """Return orders of n years, (K, n), the observed one among them, so that a mean over K is a valid p."""
    return every_order(n) if n <= EVERY_ORDER_UP_TO else _shuffles(n, seed)


def describe_orders(n: int, seed: int = 0) -> str:
    """Return how many orders `orders(n)` tries, for a method statement."""
    if n <= EVERY_ORDER_UP_TO:
        return _all_of(n)
    return f"{SHUFFLES:,} shuffles of {n} years, seed {seed}"


def describe_shares(n: int, seed: int = 0) -> str:
    """Return how many orders `shares_of_pair_sums` and `shares_of_slopes` count, for a method statement."""
    return _all_of(n) if n <= COUNTED_UP_TO else describe_orders(n, seed)


def _all_of(n: int) -> str:
    return f"all {math.factorial(n):,} orders of {n} years"


@lru_cache(maxsize=EVERY_ORDER_UP_TO + 1)
def every_order(n: int) -> NDArray[np.int16]:
    """Return all n! orders of 0..n-1, (n!, n)."""
    found = np.zeros((1, 0), np.int16)
    for newest in range(n):
        grown = [np.insert(found, place, newest, axis=1) for place in range(newest + 1)]
        found = np.concatenate(grown).astype(np.int16)
    found.flags.writeable = False
    return found


@lru_cache(maxsize=2)
def _shuffles(n: int, seed: int) -> NDArray[np.int16]:
    observed = np.arange(n, dtype=np.int16)
    shuffled = np.random.default_rng(seed).permuted(np.tile(observed, (SHUFFLES, 1)), axis=1)
    found = np.concatenate([observed[None, :], shuffled])
    found.flags.writeable = False
    return found


def share_at_least(statistics: NDArray[np.float64], observed: float, scale: float) -> float:
    """Return the share of statistics that reach the observed one; equal up to rounding at `scale` counts."""
    return float(np.mean(statistics >= observed - ROUNDING * scale))


@dataclass(frozen=True)
class Shares:
    """Shares of the orders of years whose statistic reaches the observed one; the observed order counts."""

    as_low: float
    """One-sided p of a decline."""
    as_high: float
    """One-sided p of a rise."""
    as_far: float
    """Two-sided p: as far from zero, in either direction."""


def shares_of_pair_sums(pull: NDArray[np.float64], seed: int = 0) -> Shares:
    """Return where the sum of `pull[i, j]` over all i < j stands among its values under orders of the years.

    `pull` (n, n) is antisymmetric; with the signs of y_j - y_i, summed over any number of series, the sum is
    their joint Kendall S, and all series are put in the same order. Exact up to `COUNTED_UP_TO` years, beyond
    it over seeded shuffles (`describe_shares`). Cost does not depend on the number of series.
    """
    n = len(pull)
    observed, scale = float(np.triu(pull, 1).sum()), float(np.abs(pull).sum())
    if n <= COUNTED_UP_TO:
        return _counted(_members(n) @ pull, observed, scale)
    tried = orders(n, seed)
    sums = np.zeros(len(tried))
    for earlier, later in combinations(tried.T, 2):
        sums += pull[earlier, later]
    return _listed(sums, observed, scale)


def shares_of_slopes(
    years: NDArray[np.int64] | NDArray[np.float64], values: NDArray[np.float64], seed: int = 0
) -> Shares:
    """Return where the least-squares slope of `values` over `years` stands among its values under all orders.

    Exact up to `COUNTED_UP_TO` years, beyond it over seeded shuffles. Years need not follow each other; NaN
    where a value is missing.
    """
    t, y = (part - part.sum() / max(1, len(part)) for part in (years, values))
    observed, scale = float(t @ y), float(np.sqrt((t @ t) * (y @ y)))
    if not np.isfinite(observed):
        return Shares(*[float("nan")] * 3)
    if len(y) <= COUNTED_UP_TO:
        place = _members(len(y)).sum(axis=1).astype(int)
        return _counted(np.append(t, 0.0)[place][:, None] * y, observed, scale)
    return _listed(y[orders(len(y), seed)] @ t, observed, scale)


def share_of_pair_forms(form: NDArray[np.float64], n: int, seed: int = 0) -> float:
    """Return the share of orders of n years whose x' form x is at least that of the observed order.

    x, (pairs,) as in `np.triu_indices(n, 1)`, is +1 for a pair of years that keeps its sequence and -1 for
    one that does not, so the observed value is the sum of `form`, which is symmetric. Exact up to
    `FORMS_COUNTED_UP_TO` years, beyond it over seeded shuffles.
    """
    enough = float(form.sum()) - ROUNDING * float(np.abs(form).sum())
    if n <= FORMS_COUNTED_UP_TO:
        return float(np.mean(_forms_of_every_order(form, n) >= enough))
    places = orders(n, seed)
    blocks = (places[start : start + _ORDERS_AT_ONCE] for start in range(0, len(places), _ORDERS_AT_ONCE))
    signs = (_pair_signs(block) for block in blocks)
    return sum(int(np.count_nonzero(_form_of(x, form) >= enough)) for x in signs) / len(places)


def _forms_of_every_order(form: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return (sets, k!, (n - k)!): the form for all sets of k years that lead, in all orders of both halves.

    Pairs split between the halves are in one sequence only, so the form is a part of the first half, a part
    of the second, and one product between them.
    """
    first, second, split, fixed = _pairs_of_halves(n)
    x, y = _pair_signs(every_order(n // 2)), _pair_signs(every_order(n - n // 2))

    def between(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.float64]:
        return form[one[:, :, None], other[:, None, :]]

    of_first, of_second = (
        np.einsum("skp,kp->sk", part @ between(own, own), part)
        + 2 * np.einsum("spc,sc,kp->sk", between(own, split), fixed, part, optimize=True)
        for part, own in ((x, first), (y, second))
    )
    of_split = np.einsum("sc,scd,sd->s", fixed, between(split, split), fixed, optimize=True)
    found: NDArray[np.float64] = 2 * (x @ between(first, second)) @ y.T
    found += (of_split[:, None] + of_first)[:, :, None]
    found += of_second[:, None, :]
    return found


@lru_cache(maxsize=FORMS_COUNTED_UP_TO + 1)
def _pairs_of_halves(
    n: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return, a row for every set of years that lead: the pairs inside it, the pairs outside it, the pairs
    that it splits, and the sequence (+1 or -1) of those it splits.
    """
    earlier, later = np.triu_indices(n, 1)
    leads = np.zeros((math.comb(n, n // 2), n), bool)
    for row, front in zip(leads, combinations(range(n), n // 2), strict=True):
        row[list(front)] = True
    inside, outside = leads[:, earlier] & leads[:, later], ~(leads[:, earlier] | leads[:, later])
    first, second, split = (
        np.nonzero(pairs)[1].reshape(len(leads), -1 if pairs.any() else 0)
        for pairs in (inside, outside, ~(inside | outside))
    )
    return first, second, split, np.where(np.take_along_axis(leads[:, earlier], split, axis=1), 1.0, -1.0)


def _pair_signs(places: NDArray[np.int16]) -> NDArray[np.float64]:
    """Return (orders, pairs) from the places of the years in every order: +1 where the later stays later."""
    earlier, later = np.triu_indices(places.shape[1], 1)
    return np.where(places[:, later] > places[:, earlier], 1.0, -1.0)


def _form_of(x: NDArray[np.float64], form: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return x' form x for every row of x."""
    found: NDArray[np.float64] = np.einsum("kp,kp->k", x @ form, x)
    return found


def _listed(statistics: NDArray[np.float64], observed: float, scale: float) -> Shares:
    return Shares(
        as_low=share_at_least(-statistics, -observed, scale),
        as_high=share_at_least(statistics, observed, scale),
        as_far=share_at_least(np.abs(statistics), abs(observed), scale),
    )


def _counted(gain: NDArray[np.float64], observed: float, scale: float) -> Shares:
    """Return the shares by meeting in the middle (Horowitz & Sahni 1974).

    `gain[set, year]` is what a year adds when it follows exactly the years of the set, in any order (sets are
    numbered by their bits). The statistic of an order is then a sum over its first half plus a sum over its
    second half, which are listed for every choice of the first half: for nine years 126 choices, each
    with 24 times 120 sums, none of which is ever written down.
    """
    n = gain.shape[1]
    fronts, backs = _half_sums(gain, n // 2, leads=True), _half_sums(gain, n - n // 2, leads=False)
    # Both lists number the sets of their half upwards, and the larger the front the smaller its complement.
    backs = np.sort(backs[::-1], axis=1)
    near = ROUNDING * (scale or 1.0)
    limits = np.array([observed + near, observed - near, abs(observed) - near, -abs(observed) + near])
    below = np.zeros(len(limits), np.int64)
    for front, back in zip(fronts, backs, strict=True):
        below += np.searchsorted(back, limits[:, None] - front).sum(axis=1)
    low, not_high, not_far_up, far_down = below.tolist()
    every = math.factorial(n)
    far = min(every, every - not_far_up + far_down)
    return Shares(as_low=low / every, as_high=(every - not_high) / every, as_far=far / every)


def _half_sums(gain: NDArray[np.float64], size: int, *, leads: bool) -> NDArray[np.float64]:
    """Return (sets, size!): the sums over every order of every set of `size` years that lead, or that end."""
    n = gain.shape[1]
    everything = 2**n - 1
    sums = np.zeros((1, 1))
    for level in range(1, size + 1):
        row_without, without, year = _extensions(n, level)
        before = without if leads else everything - (without | (1 << year))
        sums = (sums[row_without] + gain[before, year][..., None]).reshape(len(year), -1)
    return sums


@lru_cache(maxsize=64)
def _extensions(n: int, level: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return, (sets, level) each, for every set of `level` years and every year of it: the row of the set
    without that year among the smaller sets, the number of that set, and the year.
    """
    size = _members(n).sum(axis=1).astype(int)
    sets = np.flatnonzero(size == level)
    year = np.nonzero(_members(n)[sets])[1].reshape(len(sets), level)
    without = sets[:, None] - (1 << year)
    return np.searchsorted(np.flatnonzero(size == level - 1), without), without, year


@lru_cache(maxsize=COUNTED_UP_TO + 1)
def _members(n: int) -> NDArray[np.float64]:
    """Return (2^n, n): 1 where a year is in a set, sets numbered by their bits."""
    found = (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(np.float64)
    found.flags.writeable = False
    return found
