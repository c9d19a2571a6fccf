"""Seconds for the joint year permutation of a region, beside numpy trying the orders one by one.

    .venv/bin/python bench/year_permutation.py [--woodlands 5000] [--years 9] [--by-hand 20]

One thread (OMP_NUM_THREADS=1 is set). Years are put in every order for all woodlands at once; every p is
exact. By hand means: for every order compute every woodland's S again; it is timed on fewer woodlands and
given per woodland, its cost being the same for each. Results are compared before any time is printed.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import time
from collections.abc import Callable
from itertools import combinations

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np

from monitoring.statistics.permutations import every_order, shares_of_pair_sums, shares_of_slopes
from monitoring.statistics.regional import homogeneity, regional_kendall, summed_signs


def region(woodlands: int, years: int) -> np.ndarray:
    """Woodlands without trend whose years share a fifth of the variance."""
    rng = np.random.default_rng(1)
    return np.sqrt(0.2) * rng.normal(size=years) + np.sqrt(0.8) * rng.normal(size=(woodlands, years))


def of_s(values: np.ndarray) -> float:
    return shares_of_pair_sums(summed_signs(values)).as_far


def of_slope(values: np.ndarray) -> float:
    return shares_of_slopes(np.arange(values.shape[1]), values.mean(axis=0)).as_far


def of_homogeneity(values: np.ndarray) -> float:
    return homogeneity(values).p


def of_variance(values: np.ndarray) -> float:
    return regional_kendall(values).p


def by_hand(values: np.ndarray) -> float:
    """The p of S by its definition, half of the orders: the others are their mirrors."""
    orders = every_order(values.shape[1])
    orders = orders[orders[:, 0] < orders[:, -1]]
    s = np.zeros(len(orders), np.int64)
    for row in values:
        for one, other in combinations(row[orders].T, 2):
            s += np.sign(other - one).astype(np.int64)
    return float(np.mean(np.abs(s) >= abs(s[(orders == np.arange(values.shape[1])).all(axis=1)][0])))


def seconds(function: Callable[[np.ndarray], float], values: np.ndarray) -> tuple[float, float]:
    began = time.perf_counter()
    p = function(values)
    return p, time.perf_counter() - began


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--woodlands", type=int, default=5_000)
    options.add_argument("--years", type=int, default=9)
    options.add_argument("--by-hand", type=int, default=20)
    asked = options.parse_args()
    values = region(asked.woodlands, asked.years)
    few = values[: asked.by_hand]
    slow_p, slow = seconds(by_hand, few)
    np.testing.assert_allclose(of_s(few), slow_p, rtol=1e-9)
    print(f"{asked.woodlands:,} woodlands x {asked.years} years, {math.factorial(asked.years):,} orders")
    for name, function in (
        ("regional S", of_s),
        ("slope of the mean", of_slope),
        ("homogeneity", of_homogeneity),
        ("Dietz-Killeen, no orders", of_variance),
    ):
        p, taken = seconds(function, values)
        print(f"  {name:26} {taken:9.4f} s   p {p:.4f}")
    expected = slow * asked.woodlands / len(few)
    print(f"  {'S by hand':26} {slow:9.4f} s   for {len(few)} woodlands, {expected:,.0f} s for all")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  peak memory {peak:,.0f} MiB, by hand included")


if __name__ == "__main__":
    main()
