"""Seconds of the trends of 50,000 woodlands, of their tests, and of every order of the years.

    make bench-trends                                  ours, and scipy one series at a time
    make bench-trends UPSTREAM=path-to-a-checkout      beside pymannkendall (mmhs013/pyMannKendall)
    python bench/trends.py --only tests,orders

One thread unless the row says two. Results are compared before any time is printed. Others are timed on fewer
series, their cost being the same for each, and their rate is what counts. The tests are given as the least
of several repeats, ours and others' alike; all the rest ran once.

`limit` is what the machine allows: the slower of the bytes of series and results at its measured rate of
copying, and the fewest differences, divisions and comparisons of doubles at its measured rate in cache.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from scipy import stats

import flows.assessing.find as finding
from flows.assessing.histories import Histories
from monitoring.alerts.rule import raise_alerts
from monitoring.gates.seen import SeenYears
from monitoring.science import AlertRule, Science, TrendTest
from monitoring.seasons import Season
from monitoring.statistics.mann_kendall import mann_kendall
from monitoring.statistics.multiplicity import adjusted_p
from monitoring.statistics.permutations import every_order, shares_of_pair_sums, shares_of_slopes
from monitoring.statistics.regional import homogeneity, regional_kendall, summed_signs
from monitoring.statistics.shrinkage import shrink
from monitoring.statistics.theil_sen import theil_sen
from monitoring.targets import Target
from monitoring.trends.controls import control_values, controls_among
from monitoring.trends.family import family_trends
from monitoring.trends.histories import RichnessSeries, on_common_years
from monitoring.trends.model import normal_errors, p_of_decline, prediction_ratios, tested_lines
from monitoring.trends.parks import park_trends
from monitoring.trends.sites import Site
from monitoring.woodlands import Status

YEARS = np.arange(2017, 2026)
SEASON, RICHNESS = Season(2025, 4), Target("richness", "taxa per standard sample", high=600.0)
PARKS, WOODS_IN_A_BLOCK = 15, 100
#: Share of years without an estimate, share of ancient woodland, share of woodlands that decline.
MISSING, ANCIENT, DECLINING = 0.1, 0.5, 0.02
#: What each must stay below or above: seconds, and times the rate of pymannkendall.
TESTS_SECONDS, MODEL_SECONDS, ORDERS_SECONDS, TIMES_UPSTREAM = 1.5, 10.0, 30.0, 200.0
#: Others are timed on this many series, orders by hand on this many woodlands.
FEW_SERIES, FEW_WOODLANDS = 2_000, 20
#: What `find` calls, by the names it calls them by.
PARTS = (
    "controls_among",
    "family_trends",
    "_sound",
    "judge_gates",
    "contrasts",
    "raise_alerts",
    "park_trends",
)
COLUMNS = {
    "what": "what", "n": "n", "seconds": "seconds", "cpu_s": "CPU s", "per_s": "per s", "times": "times",
    "limit_s": "limit s", "share": "share", "bound": "bound", "met": "met", "note": "note",
}  # fmt: skip
Row = dict[str, Any]


# ---- the worlds --------------------------------------------------------------------------------------------


def values_of(woodlands: int, missing: float = 0.0, seed: int = 1) -> np.ndarray:
    """Return annual values (W, 9): levels, what a park shares in a year, own noise, and a few declines."""
    random = np.random.default_rng(seed)
    shared = random.normal(0, 0.6, (PARKS, len(YEARS)))[park_numbers(woodlands)]
    sd = np.exp(random.normal(0, 0.3, (woodlands, 1)))
    slope = np.where(random.random((woodlands, 1)) < DECLINING, -0.8, 0.0) * sd
    level = random.normal(40, 4, (woodlands, 1))
    values = level + shared + sd * random.normal(size=shared.shape) + slope * (YEARS - YEARS.mean())
    return np.where(random.random(values.shape) < missing, np.nan, values)


def park_numbers(woodlands: int) -> np.ndarray:
    return np.arange(woodlands) * PARKS // woodlands


def histories_of(woodlands: int, *, has_error: bool, seed: int = 1) -> Histories:
    """Return woodlands in parks and blocks, a tenth of the years missing, with counts of observations."""
    random = np.random.default_rng(seed + 1)
    values, park = values_of(woodlands, MISSING, seed), park_numbers(woodlands)
    error = random.uniform(0.5, 1.5, values.shape)
    leaf_type = random.choice(["broadleaved", "conifer", "mixed", ""], woodlands, p=[0.6, 0.2, 0.15, 0.05])
    ancient, elevation = random.random(woodlands) < ANCIENT, random.uniform(20, 500, woodlands)
    area = np.exp(random.normal(1.5, 1, woodlands))
    series, sites, seen = [], {}, []
    for row in range(woodlands):
        name, known = f"w{row:06}", np.isfinite(values[row])
        years, sd = YEARS[known], error[row, known]
        series.append(
            RichnessSeries(
                name, years, values[row, known], np.hypot(sd, 1), sd_year=sd if has_error else np.array([])
            )
        )
        status = Status.ASNW if ancient[row] else Status.OTHER
        sites[name] = Site(
            name, f"park {park[row]:02}", bool(ancient[row]), status, str(leaf_type[row]),
            float(elevation[row]), float(area[row]), f"block {row // WOODS_IN_A_BLOCK:04}",
        )  # fmt: skip
        counts = [random.normal(mean, 3, len(years)) for mean in (25, 30, 30)]
        share = random.uniform(0.4, 0.7, len(years))
        seen.append(SeenYears(name, years, *counts, share, np.ones(len(years))))
    return Histories(tuple(series), sites, tuple(seen))


# ---- time, and what the machine allows ---------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class Taken:
    """Seconds of wall clock, and of computing: the second hardly grows when others use the machine."""

    wall: float
    cpu: float

    def __add__(self, other: Taken) -> Taken:
        return Taken(self.wall + other.wall, self.cpu + other.cpu)


def seconds(call: Callable[[], Any], repeats: int = 1) -> tuple[Taken, Any]:
    """Return the least time taken, and the last result."""
    taken, result = [], None
    for _ in range(repeats):
        began, cpu = time.perf_counter(), time.process_time()
        result = call()
        taken.append(Taken(time.perf_counter() - began, time.process_time() - cpu))
    return min(taken), result


def row(what: str, n: int, taken: Taken, bound: float | None = None, note: str = "") -> Row:
    """Return one line of figures."""
    made: Row = {"what": what, "n": n, "seconds": round(taken.wall, 4), "cpu_s": round(taken.cpu, 4)}
    made["per_s"] = round(n / taken.wall)
    if bound is not None:
        made |= {"bound": f"< {bound:g} s", "met": taken.wall < bound}
    return made | ({"note": note} if note else {})


def copied_bytes_per_s() -> float:
    """Return bytes read and written per second by one thread, far beyond any cache."""
    source = np.ones(32 * 2**20)
    target = np.empty_like(source)
    taken, _ = seconds(lambda: np.copyto(target, source), 5)
    return 2 * source.nbytes / taken.wall


def compared_per_s() -> float:
    """Return comparisons of doubles per second by one thread, operands and results in the nearest cache."""
    one, other, out = np.random.default_rng(1).random((2, 1024))[0], np.full(1024, 0.5), np.empty(1024, bool)

    def thousand() -> None:
        for _ in range(1000):
            np.less(one, other, out=out)

    taken, _ = seconds(thousand, 5)
    return 1000 * len(one) / taken.wall


def limit_of_tests(n_series: int) -> float:
    """Return the seconds that one thread of this machine needs at least for both tests of so many series."""
    n = len(YEARS)
    pairs = n * (n - 1) // 2
    to_sort = math.ceil(math.lgamma(pairs + 1) / math.log(2))
    operations = pairs + pairs + 2 * pairs + to_sort  # differences, divisions, rises and falls
    moved = 8 * n + (8 + 8 + 3 * 8 + 1) + 4 * 8  # values in; n, S, three p, tied; slope, ends, intercept
    return n_series * max(operations / compared_per_s(), moved / copied_bytes_per_s())


# ---- the tests: Mann-Kendall and Theil-Sen -----------------------------------------------------------------


def ours(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return S, two-sided p and slope."""
    test, line = mann_kendall(values), theil_sen(YEARS, values)
    return test.s, test.p_two_sided, line.slope


def in_two_threads(values: np.ndarray) -> tuple[np.ndarray, ...]:
    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(ours, np.array_split(values, 2)))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def scipy_one_by_one(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p = [stats.kendalltau(YEARS, each, method="exact").pvalue for each in values]
    return np.array(p), np.array([stats.theilslopes(each, YEARS)[0] for each in values])


def upstream_one_by_one(original_test: Any, values: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return S, two-sided p and slope; `original_test` works out the slope as well."""
    found = [original_test(each) for each in values]
    return tuple(np.array([getattr(each, name) for each in found]) for name in ("s", "p", "slope"))


def bench_tests(asked: argparse.Namespace) -> Iterator[Row]:
    values = values_of(asked.series)
    few = values[:FEW_SERIES]
    s, p, slope = ours(few)
    taken, whole = seconds(lambda: ours(values), asked.repeats)
    limit, rate = limit_of_tests(asked.series), asked.series / taken.wall
    yield row("exact Mann-Kendall and Theil-Sen", asked.series, taken, TESTS_SECONDS) | of_limit(limit, taken)
    twice, halves = seconds(lambda: in_two_threads(values), asked.repeats)
    for one, other in zip(whole, halves, strict=True):
        np.testing.assert_array_equal(one, other)
    yield row("  in two threads", asked.series, twice, note=f"{taken.wall / twice.wall:.2f} times one thread")
    gaps = values_of(asked.series, MISSING)
    yield row("  a tenth of the years missing", asked.series, seconds(lambda: ours(gaps), asked.repeats)[0])
    slow, (scipy_p, scipy_slope) = seconds(lambda: scipy_one_by_one(few), asked.repeats)
    np.testing.assert_allclose(p, scipy_p, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(slope, scipy_slope, rtol=1e-9, atol=1e-12)
    yield beside("  scipy, one by one", slow, rate, "same p and slope")
    if asked.upstream:
        sys.path.insert(0, str(asked.upstream))
        original_test = importlib.import_module("pymannkendall").original_test
        slow, (their_s, their_p, their_slope) = seconds(
            lambda: upstream_one_by_one(original_test, few), asked.repeats
        )
        np.testing.assert_array_equal(s, their_s)
        np.testing.assert_allclose(slope, their_slope, rtol=1e-9, atol=1e-12)
        note = f"same S and slope; its p is normal, up to {np.abs(p - their_p).max():.3f} from the exact"
        made = beside("  pymannkendall, one by one", slow, rate, note)
        yield made | {"bound": f"> {TIMES_UPSTREAM:g} times", "met": made["times"] > TIMES_UPSTREAM}


def of_limit(limit: float, taken: Taken) -> Row:
    return {"limit_s": round(limit, 4), "share": round(limit / taken.wall, 2)}


def beside(what: str, taken: Taken, our_rate: float, note: str) -> Row:
    """Return the line of another implementation, with how many times our rate is its rate."""
    return row(what, FEW_SERIES, taken, note=note) | {"times": round(our_rate * taken.wall / FEW_SERIES, 1)}


# ---- the tested model --------------------------------------------------------------------------------------


def bench_model(asked: argparse.Namespace) -> Iterator[Row]:
    warm = histories_of(300, has_error=True)
    family_trends(warm.series, controls_among(warm.series, warm.sites), TrendTest())
    for has_error, words in ((True, "prediction error varies"), (False, "prediction error unknown")):
        yield from bench_family(histories_of(asked.woodlands, has_error=has_error), words)


def bench_family(known: Histories, words: str) -> Iterator[Row]:
    """Yield the times from series to alerts, and of the arithmetic alone."""
    series, n = known.series, len(known.series)
    for_controls, controls = seconds(lambda: controls_among(series, known.sites))
    for_trends, trends = seconds(lambda: family_trends(series, controls, TrendTest()))
    yield row(f"tested model, {words}", n, for_controls + for_trends, MODEL_SECONDS)
    yield row("  controls", n, for_controls)
    yield row("  trends", n, for_trends)
    years, own = on_common_years(series)
    tested = own - control_values(series, controls, years)
    ratios = prediction_ratios(series, years, tested)
    alone, p = seconds(lambda: arithmetic(years, own, tested, ratios))
    np.testing.assert_array_equal(p, [trend.p for trend in trends])
    yield row("  arithmetic of the trends", n, alone, note="arrays in, arrays out")
    for_alerts, alerts = seconds(
        lambda: raise_alerts(trends, series, controls, AlertRule(), SEASON.id, "richness", known.sites)
    )
    yield row("  alerts raised on them", n, for_alerts, note=f"{len(alerts):,} alerts")


def arithmetic(
    years: np.ndarray, own: np.ndarray, tested: np.ndarray, ratios: np.ndarray, rule: TrendTest = TrendTest()
) -> np.ndarray:
    """Return p by every step of `family_trends` that is arithmetic."""
    both = np.where(np.isfinite(tested), own, np.nan)
    lines, exact = tested_lines(years, tested, ratios, np.ones(len(tested), bool)), mann_kendall(tested)
    known = np.isfinite(both)
    level = np.where(known, both, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    bound = -rule.min_effect_fraction * level
    p = np.where(exact.n >= rule.min_years, p_of_decline(lines, bound, exact), np.nan)
    adjusted_p(p, rule.correction)
    shrink(np.where(np.isfinite(p), lines.slope, np.nan), normal_errors(lines), bound)
    theil_sen(years, both, rule.confidence)
    theil_sen(years, tested, rule.confidence)
    return p


# ---- every order of the years ------------------------------------------------------------------------------


def of_s(values: np.ndarray) -> float:
    return shares_of_pair_sums(summed_signs(values)).as_far


def of_slope(values: np.ndarray) -> float:
    return shares_of_slopes(YEARS, values.mean(axis=0)).as_far


def of_homogeneity(values: np.ndarray) -> float:
    return homogeneity(values).p


def of_variance(values: np.ndarray) -> float:
    return regional_kendall(values).p


def by_hand(values: np.ndarray) -> float:
    """Return the p of S by its definition, over half of the orders: the others are their mirrors."""
    orders = every_order(values.shape[1])
    orders = orders[orders[:, 0] < orders[:, -1]]
    s = np.zeros(len(orders), np.int64)
    for each in values:
        for one, other in combinations(each[orders].T, 2):
            s += np.sign(other - one).astype(np.int64)
    return float(np.mean(np.abs(s) >= abs(s[(orders == np.arange(values.shape[1])).all(axis=1)][0])))


def bench_orders(asked: argparse.Namespace) -> Iterator[Row]:
    known = histories_of(asked.region, has_error=False)
    values = values_of(asked.region)
    few = values[:FEW_WOODLANDS]
    exact = f"exact over all {math.factorial(len(YEARS)):,} orders"
    # Once each, cold: what is worked out for nine years and kept counts as well.
    timed_ps = {
        what: seconds(lambda function=function: function(values))
        for what, function in (("regional S", of_s), ("slope of the mean", of_slope),
                               ("homogeneity", of_homogeneity))
    }  # fmt: skip
    slow, slow_p = seconds(lambda: by_hand(few))
    np.testing.assert_allclose(of_s(few), slow_p, rtol=1e-9)
    total = sum((taken for taken, _ in timed_ps.values()), Taken(0.0, 0.0))
    yield row("joint permutation, three statistics", asked.region, total, ORDERS_SECONDS, note=exact)
    for what, (taken, p) in timed_ps.items():
        yield row(f"  {what}", asked.region, taken, note=f"p {p:.4f}")
    taken, p = seconds(lambda: of_variance(values), asked.repeats)
    yield row("  Dietz-Killeen, no orders", asked.region, taken, note=f"p {p:.4f}")
    expected = slow.wall * asked.region / FEW_WOODLANDS
    yield row(
        "  regional S by hand", FEW_WOODLANDS, slow, note=f"{expected:,.0f} s for {asked.region:,}, same p"
    )
    taken, found = seconds(lambda: park_trends(known.series, known.sites, TrendTest()))
    note = f"{len(found)} trends: whole and {PARKS} parks, 3 classes, 2 weightings"
    yield row("park trends with all their orders", asked.region, taken, ORDERS_SECONDS, note)


# ---- the whole assessment ----------------------------------------------------------------------------------


def bench_assessment(asked: argparse.Namespace) -> Iterator[Row]:
    science = Science()
    finding.find(histories_of(300, has_error=True), science, SEASON, RICHNESS)
    known = histories_of(asked.woodlands, has_error=True)
    spent = dict.fromkeys(PARTS, Taken(0.0, 0.0))
    with timed(spent):
        taken, found = seconds(lambda: finding.find(known, science, SEASON, RICHNESS))
    note = f"{len(found.alerts):,} alerts, {len(found.contrasts)} contrasts, {len(found.gates):,} findings"
    yield row("whole assessment (find)", asked.woodlands, taken, note=note)
    for name in PARTS:
        yield row(f"  {name.strip('_')}", asked.woodlands, spent[name])


@contextmanager
def timed(spent: dict[str, Taken]) -> Iterator[None]:
    """Add up, where `find` calls them, the seconds spent in its parts."""
    own = {name: getattr(finding, name) for name in PARTS}

    def measured(name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            taken, result = seconds(lambda: own[name](*arguments, **named))
            spent[name] += taken
            return result

        return call

    for name in PARTS:
        setattr(finding, name, measured(name))
    try:
        yield
    finally:
        for name, function in own.items():
            setattr(finding, name, function)


# ---- what is shown -----------------------------------------------------------------------------------------

SECTIONS: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "tests": bench_tests,
    "model": bench_model,
    "orders": bench_orders,
    "assessment": bench_assessment,
}


def machine() -> Row:
    """Return what the figures were measured on."""
    names = Path("/proc/cpuinfo")
    lines = names.read_text().splitlines() if names.exists() else []
    processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "copied_gb_per_s": round(copied_bytes_per_s() / 1e9, 1),
        "compared_g_per_s": round(compared_per_s() / 1e9, 2),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "load": os.getloadavg(),
    }


def shown(made: Row) -> str:
    """Return a row as text in columns."""
    widths = (42, 8, 9, 9, 10, 7, 8, 6, 12, 5)
    cells = [f"{made.get(key, '')}" for key in COLUMNS]
    aligned = [cell.ljust(w) if key == "what" else cell.rjust(w)
               for key, cell, w in zip(COLUMNS, cells, widths, strict=False)]  # fmt: skip
    return "  ".join([*aligned, cells[-1]]).rstrip()


def parse() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, parted by commas")
    parser.add_argument("--upstream", type=Path, help="checkout of pymannkendall")
    parser.add_argument("--series", type=int, default=100_000, help="series of the tests")
    parser.add_argument("--woodlands", type=int, default=50_000, help="of the model and the assessment")
    parser.add_argument("--region", type=int, default=5_000, help="woodlands whose years are put in order")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    return parser.parse_args()


def main() -> None:
    asked, rows = parse(), []
    before = machine()
    print(shown(COLUMNS))
    for name in asked.only.split(","):
        for made in SECTIONS[name](asked):
            rows.append(made)
            print(shown(made), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {"machine": before | {"load_after": os.getloadavg(), "peak_mib": round(peak)}, "rows": rows}
    print(json.dumps(figures["machine"]))
    if asked.out:
        asked.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
