"""Rates: how often the whole rule, from histories to CONFIRMED, is wrong and right in simulated worlds."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from monitoring.alerts.provisional import LOOKS_A_YEAR, provisional_alerts
from monitoring.alerts.rule import own_step, shared_step_years
from monitoring.calibration.worlds import Family, World, draw, series_of, sites_of
from monitoring.errors import SettingsError
from monitoring.science import AlertRule, TrendTest
from monitoring.statistics.mann_kendall import mann_kendall
from monitoring.statistics.memory import variance_ratios
from monitoring.statistics.multiplicity import adjusted_p
from monitoring.statistics.shrinkage import shrink
from monitoring.statistics.theil_sen import theil_sen
from monitoring.statistics.year_effects import departures, median_by_year, median_without_each
from monitoring.trends.controls import MIN_CONTROLS, controls_among
from monitoring.trends.looks import SPENDING, allowed_q
from monitoring.trends.model import normal_errors, p_of_decline, tested_lines

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: Yearly looks over which the chance of ever a false alarm is counted, and the years known at the first.
LOOKS, YEARS_AT_FIRST_LOOK = 10, 8
#: Simulations a worker takes at a time: enough to hide the cost of handing them over.
AT_A_TIME = 5

#: Called with (simulations done, simulations in all).
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Rates:
    """What the rule did in simulated families; NaN where there is nothing to count."""

    sims: int
    any_confirmed: float
    """Share of families in which a stable woodland was CONFIRMED."""
    any_alone: float
    """The same without the minimum loss: what the test alone does."""
    false_share: float
    """False discovery rate: mean share of stable woodlands among the CONFIRMED, zero where none is."""
    false_share_alone: float
    found: float
    """Share of declining woodlands CONFIRMED: the power."""
    found_alone: float
    false_watch: float = float("nan")
    """Stable woodlands on WATCH among 1,000 stable woodlands."""
    found_any: float = float("nan")
    """Share of declining woodlands CONFIRMED or on WATCH."""
    false_share_error: float = float("nan")
    """Standard error of `false_share` from the number of simulations."""
    found_error: float = float("nan")


def share_error(share: float, sims: int) -> float:
    """Return the standard error of a share of `sims` families."""
    return float(np.sqrt(share * (1 - share) / sims))


def mean_error(of_families: Floats) -> float:
    """Return the standard error of a mean over families; NaN for a single one."""
    return (
        float(of_families.std(ddof=1) / np.sqrt(len(of_families))) if len(of_families) > 1 else float("nan")
    )


def realised_rates(
    world: World,
    trend_rule: TrendTest,
    alert_rule: AlertRule,
    sims: int,
    seed: int,
    *,
    name: str = "",
    with_watch: bool = False,
    processes: int = 1,
    progress: Progress | None = None,
) -> Rates:
    """Return how often the rule is wrong and right at a first look at families of a world.

    `name` sets apart the draws of worlds calibrated under one seed. The same seed and name give the same
    rates on any number of processes. SettingsError for fewer than one simulation or process.
    """
    judge = partial(_judge, world, trend_rule, alert_rule, with_watch)
    counts = simulated(judge, sims, seed, name, processes, progress)
    false, true, false_alone, true_alone, false_watch, true_watch = counts.T
    false_share = false / np.maximum(false + true, 1)
    declining, stable = world.n_declining * sims, (world.n_woodlands - world.n_declining) * sims
    return Rates(
        sims=sims,
        any_confirmed=float(np.mean(false > 0)),
        any_alone=float(np.mean(false_alone > 0)),
        false_share=float(np.mean(false_share)),
        false_share_alone=float(np.mean(false_alone / np.maximum(false_alone + true_alone, 1))),
        found=_share(true.sum(), declining),
        found_alone=_share(true_alone.sum(), declining),
        false_watch=1000 * _share(false_watch.sum(), stable) if with_watch else float("nan"),
        found_any=_share((true + true_watch).sum(), declining) if with_watch else float("nan"),
        false_share_error=mean_error(false_share),
        found_error=mean_error(true / world.n_declining) if declining else float("nan"),
    )


def ever_confirmed(
    world: World,
    trend_rule: TrendTest,
    alert_rule: AlertRule,
    sims: int,
    seed: int,
    *,
    name: str = "",
    processes: int = 1,
    progress: Progress | None = None,
) -> dict[str, tuple[float, float]]:
    """Return, for each way to spend the error, the share of families with a false CONFIRMED at any of ten
    yearly looks, by the rule and by the test alone; the first look has eight years, whatever the world has.
    """
    judge = partial(_judge_looks, world, trend_rule, alert_rule)
    counts = simulated(judge, sims, seed, name, processes, progress)
    ever = (counts > 0).mean(axis=0).reshape(len(SPENDING), 2)
    return {way: (float(rule), float(alone)) for way, (rule, alone) in zip(SPENDING, ever, strict=True)}


def provisional_rate(
    world: World,
    alert_rule: AlertRule,
    sims: int,
    seed: int,
    *,
    name: str = "",
    processes: int = 1,
    progress: Progress | None = None,
) -> tuple[float, float]:
    """Return the false PROVISIONAL alerts expected among 1,000 woodlands in a year of three looks, and the
    standard error of that.

    The expectation is that of one look times three, however the looks of a year depend on each other.
    """
    judge = partial(_judge_provisional, world, alert_rule)
    counts = simulated(judge, sims, seed, name, processes, progress)
    rates = 1000 * LOOKS_A_YEAR * counts[:, 0] / world.n_woodlands
    return float(rates.mean()), mean_error(rates)


def simulated(
    judge: Callable[[np.random.Generator], tuple[int, ...]],
    sims: int,
    seed: int,
    name: str,
    processes: int,
    progress: Progress | None = None,
) -> NDArray[np.int64]:
    """Return (sims, k): what `judge`, which must be picklable, counts in each simulated family."""
    if sims < 1 or processes < 1:
        raise SettingsError(f"{sims} simulations on {processes} processes: at least 1 of either")
    blocks = [range(start, min(start + AT_A_TIME, sims)) for start in range(0, sims, AT_A_TIME)]
    found: list[tuple[int, ...]] = []
    for counts in _mapped(partial(_judged_block, judge, seed, zlib.crc32(name.encode())), blocks, processes):
        found += counts
        if progress:
            progress(len(found), sims)
    return np.array(found, np.int64)


def _mapped(
    work: Callable[[range], list[tuple[int, ...]]], blocks: Sequence[range], processes: int
) -> Iterator[list[tuple[int, ...]]]:
    if processes == 1:
        yield from map(work, blocks)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, blocks)


def _judged_block(
    judge: Callable[[np.random.Generator], tuple[int, ...]], seed: int, name: int, block: range
) -> list[tuple[int, ...]]:
    children = (np.random.SeedSequence(seed, spawn_key=(name, number)) for number in block)
    return [judge(np.random.default_rng(child)) for child in children]


def _share(count: float, of: int) -> float:
    return float(count / of) if of else float("nan")


def _judge(
    world: World, trend_rule: TrendTest, alert_rule: AlertRule, with_watch: bool, rng: np.random.Generator
) -> tuple[int, ...]:
    """Return false and true CONFIRMED, the same of the test alone, false and true WATCH."""
    family = draw(world, rng)
    tested = family_test(family, trend_rule)
    allowed = allowed_q(alert_rule.q_confirmed, 1, trend_rule.spending)
    loss = sound_losses(family, tested, allowed, trend_rule)
    by_rule, alone = loss >= alert_rule.min_decline_fraction, loss >= 0
    watch = np.zeros(len(loss), bool)
    if with_watch:
        watch = alerted(family, tested, allowed, alert_rule, trend_rule) & ~by_rule
    return tuple(n for flags in (by_rule, alone, watch) for n in _false_and_true(family, flags))


def _false_and_true(family: Family, flags: Flags) -> tuple[int, int]:
    return int((flags & ~family.is_declining).sum()), int((flags & family.is_declining).sum())


def _judge_looks(
    world: World, trend_rule: TrendTest, alert_rule: AlertRule, rng: np.random.Generator
) -> tuple[int, ...]:
    """Return, for each way of spending, looks with a false CONFIRMED by the rule and by the test alone."""
    whole = draw(replace(world, n_years=YEARS_AT_FIRST_LOOK + LOOKS - 1), rng)
    q, least = alert_rule.q_confirmed, (alert_rule.min_decline_fraction, 0.0)
    found = np.zeros((len(SPENDING), len(least)), np.int64)
    for look in range(1, LOOKS + 1):
        family = whole.up_to(YEARS_AT_FIRST_LOOK + look - 1)
        tested = family_test(family, trend_rule)
        loss = np.where(family.is_declining, np.nan, sound_losses(family, tested, q, trend_rule))
        found += [
            [bool(((tested.q <= allowed_q(q, look, way)) & (loss >= enough)).any()) for enough in least]
            for way in SPENDING
        ]
    return tuple(found.ravel().tolist())


def _judge_provisional(world: World, rule: AlertRule, rng: np.random.Generator) -> tuple[int, ...]:
    family = draw(world, rng)
    series, sites = series_of(family), sites_of(family)
    season = f"{int(family.years[-1])}-Q2"
    alerts = provisional_alerts(series, controls_among(series, sites), sites, rule, season, "richness")
    return (len(alerts),)


@dataclass(frozen=True)
class Tested:
    """What the family test says of W woodlands."""

    values: Floats
    """(W, T) values less the control's."""
    own: Floats
    """(W, T) values in the years tested."""
    is_held: Flags
    """(W,) has a control."""
    q: Floats
    """(W,) NaN where not tested."""
    slope: Floats
    error: Floats
    """(W,) as wide as a normal distribution has to be."""
    bound: Floats


def family_test(family: Family, rule: TrendTest) -> Tested:
    """Return the test of every woodland of a family: `trends.family.family_trends` on arrays.

    Only what decides CONFIRMED and WATCH is computed, in the arithmetic of the service; a test holds both
    against each other, digit by digit.
    """
    control, is_held = _controls(family)
    values = family.values - control
    own = np.where(np.isfinite(values), family.values, np.nan)
    variances = np.full(values.shape, np.nan) if family.sd_year is None else family.sd_year**2
    lines = tested_lines(family.years, values, variance_ratios(variances, values), is_held)
    known = np.isfinite(own)
    n = known.sum(axis=1)
    level = np.maximum(np.where(known, own, 0.0).sum(axis=1) / np.maximum(n, 1), 0.0)
    bound = -rule.min_effect_fraction * level
    p = np.where(n >= rule.min_years, p_of_decline(lines, bound, mann_kendall(values)), np.nan)
    slope = np.where(n >= rule.min_years, lines.slope, np.nan)
    return Tested(values, own, is_held, adjusted_p(p, rule.correction), slope, normal_errors(lines), bound)


def _controls(family: Family) -> tuple[Floats, Flags]:
    """Return (W, T) what the other woodland of each park did, zero where there is none, and who has it."""
    values, is_held = np.zeros(family.values.shape), np.zeros(len(family.values), bool)
    for park in np.unique(family.park):
        members = np.flatnonzero(family.park == park)
        others = members[family.is_other[members]]
        away = departures(family.values[others])
        values[members] = median_by_year(away, MIN_CONTROLS)
        values[others] = median_without_each(away, MIN_CONTROLS)
        is_held[members] = np.isfinite(values[members]).any(axis=1)
    return np.where(is_held[:, None], values, 0.0), is_held


def sound_losses(family: Family, tested: Tested, allowed: float, rule: TrendTest) -> Floats:
    """Return (W,): the fitted loss of woodlands that are CONFIRMED where no gate is judged and any loss is
    enough; NaN for all others."""
    rows = np.flatnonzero((tested.q <= allowed) & ~family.ends_outside & tested.is_held)
    slope, loss = _own_lines(family, tested, rows, rule)
    rows, loss = rows[slope < 0], loss[slope < 0]
    found = np.full(len(tested.q), np.nan)
    found[rows] = np.where(_has_shared_step(family, tested, rows), np.nan, loss)
    return found


def alerted(family: Family, tested: Tested, allowed: float, rule: AlertRule, trend_rule: TrendTest) -> Flags:
    """Return (W,): which woodlands are alerted at all, CONFIRMED or WATCH."""
    below = shrink(tested.slope, tested.error, tested.bound).below
    likely = np.isfinite(tested.q) & ((tested.q <= allowed) | (below >= rule.watch_probability))
    rows = np.flatnonzero(likely & ~family.ends_outside)
    found = np.zeros(len(tested.q), bool)
    found[rows] = _own_lines(family, tested, rows, trend_rule)[0] < 0
    return found


def _own_lines(
    family: Family, tested: Tested, rows: NDArray[np.intp], rule: TrendTest
) -> tuple[Floats, Floats]:
    """Return the Theil-Sen slope of the own series of some rows, and the fitted loss over the record."""
    own = tested.own[rows]
    line = theil_sen(family.years, own, rule.confidence)
    known = np.isfinite(own)
    first = family.years[np.argmax(known, axis=1)]
    last = family.years[::-1][np.argmax(known[:, ::-1], axis=1)]
    start = line.intercept + line.slope * first
    with np.errstate(invalid="ignore", divide="ignore"):
        fraction = np.where(start > 0, -line.slope * (last - first) / start, np.nan)
    return line.slope, fraction


def _has_shared_step(family: Family, tested: Tested, rows: NDArray[np.intp]) -> Flags:
    """Return which of some rows fall in one step, in a year in which most tested woodlands do."""
    own_years = np.array([_step_year(family.years, tested.values[row]) for row in rows])
    if not own_years.any():
        return np.zeros(len(rows), bool)
    whole = tested.values[np.isfinite(tested.q)]
    return np.isin(own_years, sorted(shared_step_years(family.years, whole)))


def _step_year(years: NDArray[np.int64], values: Floats) -> int:
    """Return the year of the fall that describes a series better than a line; 0 for none."""
    known = np.isfinite(values)
    fall = own_step(years[known], values[known])
    return fall.year if fall else 0
