"""Orders of years: all of them for short records, a stated number of seeded shuffles for longer ones."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

#: Longest record whose every order is tried: 9! = 362,880.
EVERY_ORDER_UP_TO = 9
#: Shuffles beside the observed order for longer records: the p has a floor of 1/100,000.
SHUFFLES = 99_999
#: Equal statistics computed in another order of sums may differ by rounding; they count as equal.
ROUNDING = 1e-9


def orders(n: int, seed: int = 0) -> NDArray[np.int16]:
    """Return orders of n years, (K, n), the observed one among them, so that a mean over K is a valid p."""
    return every_order(n) if n <= EVERY_ORDER_UP_TO else _shuffles(n, seed)


def describe_orders(n: int, seed: int = 0) -> str:
    """Return how many orders `orders(n)` tries, for a method statement."""
    if n <= EVERY_ORDER_UP_TO:
        return f"all {len(every_order(n)):,} orders of {n} years"
    return f"{SHUFFLES:,} shuffles of {n} years, seed {seed}"


@lru_cache(maxsize=EVERY_ORDER_UP_TO + 1)
def every_order(n: int) -> NDArray[np.int16]:
    """Return all n! orders of 0..n-1, (n!, n)."""
    found = np.zeros((1, 0), np.int16)
    for newest in range(n):
        grown = [np.insert(found, place, newest, axis=1) for place in range(newest + 1)]
        found = np.concatenate(grown).astype(np.int16)
    found.flags.writeable = False
    return found


def _shuffles(n: int, seed: int) -> NDArray[np.int16]:
    observed = np.arange(n, dtype=np.int16)
    shuffled = np.random.default_rng(seed).permuted(np.tile(observed, (SHUFFLES, 1)), axis=1)
    return np.concatenate([observed[None, :], shuffled])


def share_at_least(statistics: NDArray[np.float64], observed: float, scale: float) -> float:
    """Return the share of statistics that reach the observed one; equal up to rounding at `scale` counts."""
    return float(np.mean(statistics >= observed - ROUNDING * scale))
