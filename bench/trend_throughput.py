"""Trends per second: exact Mann-Kendall and Theil-Sen with interval, beside scipy one series at a time.

    .venv/bin/python bench/trend_throughput.py [--series 100000] [--scipy 2000]

One thread (OMP_NUM_THREADS=1 is set). scipy is timed on fewer series and given as a rate: its cost is the
same for each. Results are compared before any time is printed.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
from scipy import stats

from monitoring.statistics.mann_kendall import mann_kendall
from monitoring.statistics.theil_sen import theil_sen

YEARS = np.arange(2017, 2026)


def ours(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    test, line = mann_kendall(values), theil_sen(YEARS, values)
    return test.p_two_sided, line.slope


def scipy_one_by_one(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p = [stats.kendalltau(YEARS, row, method="exact").pvalue for row in values]
    slope = [stats.theilslopes(row, YEARS)[0] for row in values]
    return np.array(p), np.array(slope)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--series", type=int, default=100_000)
    options.add_argument("--scipy", type=int, default=2_000)
    asked = options.parse_args()
    values = np.random.default_rng(1).normal(50, 2, (asked.series, len(YEARS)))
    few = values[: asked.scipy]
    for got, expected in zip(ours(few), scipy_one_by_one(few), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)
    rates = {}
    for name, function, rows in (("underwood", ours, values), ("scipy", scipy_one_by_one, few)):
        began = time.perf_counter()
        function(rows)
        seconds = time.perf_counter() - began
        rates[name] = len(rows) / seconds
        print(
            f"{name:10} {len(rows):8,} series x {len(YEARS)} years {seconds:8.2f} s {rates[name]:12,.0f} /s"
        )
    print(f"ratio {rates['underwood'] / rates['scipy']:,.0f}")


if __name__ == "__main__":
    main()
