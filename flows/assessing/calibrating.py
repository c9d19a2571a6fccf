"""Calibrating: the alert rule on simulated woodlands with the installation's noise, measured and kept."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np

from flows.assessing.evidence import Evidence
from flows.assessing.find import find
from flows.assessing.gathering import histories_of
from flows.assessing.histories import Histories
from flows.load import LEASE_WAIT_S
from flows.progress import counting
from flows.targets import read_target
from flows.workspace import Workspace
from monitoring.alerts.alert import Level
from monitoring.calibration.figures import (
    MOST_ANY_CONFIRMED,
    Asked,
    Figure,
    Measure,
    contrasts,
    courses,
    discoveries,
    false_alarms,
    looks,
    power,
    provisional,
)
from monitoring.calibration.fitted import fitted_world
from monitoring.calibration.rates import Progress, family_test, share_error, simulated, sound_losses
from monitoring.calibration.worlds import FIRST_YEAR, Family, World, draw, series_of, sites_of
from monitoring.gates.reference_sites import ReferenceSite
from monitoring.gates.seen import SeenYears
from monitoring.science import Science
from monitoring.seasons import Season
from monitoring.trends.histories import RichnessSeries
from warehouse.reader import Reader, read
from warehouse.records import CalibrationRow
from warehouse.writer import open_writer

#: Sites that should not change in a simulated installation, and their yearly noise over that of a woodland.
REFERENCE_SITES, REFERENCE_NOISE = 240, 1.0
#: Clear optical observations and radar passes of a simulated year; these halve when a satellite is lost.
OPTICAL, OPTICAL_SD, RADAR = 30.0, 3.0, 60.0
#: Share of woodlands that drift out of the area of applicability, the share of theirs that is left inside in
#: the last year (enough to be tested on), and what their estimates lose by it.
DRIFTING, LEFT_INSIDE, LOST_BY_DRIFT = 0.1, 0.82, 0.12
#: One step of processing, as a share of the level.
ARTEFACT = 0.02
#: The world a report speaks of.
REPORTED = "as given"


def start_world(workspace: Workspace | None) -> World:
    """Return the world whose noise is fitted to the installation's histories; the reference without one.

    TrendError where the published histories are too few or too short to tell their noise.
    """
    if workspace is None:
        return World()
    target = workspace.science.estimation.target
    with read(workspace.published) as reader:
        season = latest_assessed(reader, target)
        histories = histories_of(workspace, reader, season)
    return fitted_world(histories.series, histories.sites)


def latest_assessed(reader: Reader, target: str) -> Season:
    """Return the newest final season that has an estimate."""
    years = [int(one.years[-1]) for one in reader.series(target) if len(one.years)]
    return Season(max(years, default=FIRST_YEAR), 4)


def figures_of(asked: Asked, science: Science, lengths: Sequence[int]) -> Iterator[Figure]:
    """Yield every figure of a calibration, over each number of years; those that need no length come last."""
    for n_years in lengths:
        lasting = asked.lasting(n_years)
        for measured in (false_alarms, discoveries, power, provisional):
            label = f"{measured.__name__.replace('_', ' ')}, {n_years} years"
            yield from measured(lasting, counting_each(label))
    yield from looks(asked, counting_each("ten yearly looks"))
    yield from contrasts(asked)
    yield from courses(asked)
    yield from gated(asked.lasting(max(lengths)), science, counting_each("with gates"))


def counting_each(label: str) -> Progress:
    """Return what tells every watcher of the simulations of one world after another under one label."""
    count, last = counting(label), 0

    def progress(done: int, total: int) -> None:
        nonlocal count, last
        if done <= last:
            count = counting(label)
        last = done
        count(done, total)

    return progress


def gated(asked: Asked, science: Science, progress: Progress | None = None) -> Iterator[Figure]:
    """Yield how often an artefact makes a CONFIRMED through every gate, and (`alone`) without gates.

    Every simulated family goes through `flows.assessing.find`, gates, contrasts and all, which takes seconds:
    a twentieth of the simulations asked is done.
    """
    sims = max(1, asked.sims // 20)
    for name in ARTEFACTS:
        judge = partial(_judge_gated, name, asked.start, science)
        title = f"{name}, {asked.start.n_years} years"
        counts = simulated(judge, sims, asked.seed, title, asked.processes, progress)
        by_gates, without = (float((column > 0).mean()) for column in counts.T)
        yield Figure(
            Measure.GATED,
            name,
            asked.start.n_years,
            sims,
            by_gates,
            without,
            at_most=MOST_ANY_CONFIRMED,
            error=share_error(by_gates, sims),
        )


#: Artefacts by name: (what becomes of the world, whether reference sites see it, whether radar is lost).
ARTEFACTS: Mapping[str, tuple[Mapping[str, Any], bool, bool]] = {
    "no artefact": ({}, False, False),
    "step of 2 % in 2022, all woodlands": ({"artefact_fraction": ARTEFACT}, True, True),
    "step of 2 % in 2022, ancient only": (
        {"artefact_fraction": ARTEFACT, "is_artefact_of_ancient": True},
        False,
        True,
    ),
    "step of 10 % in 2022, all woodlands": ({"artefact_fraction": 5 * ARTEFACT}, True, True),
    "step of 10 % in 2022, ancient only": (
        {"artefact_fraction": 5 * ARTEFACT, "is_artefact_of_ancient": True},
        False,
        True,
    ),
    "last year outside the area of applicability": ({"share_leaving": DRIFTING}, False, False),
    "drift out of the area of applicability": ({}, False, False),
}


def _judge_gated(name: str, start: World, science: Science, rng: np.random.Generator) -> tuple[int, ...]:
    """Return CONFIRMED woodlands with and without gates in one family in which nothing declines."""
    change, is_seen, is_lost = ARTEFACTS[name]
    world = replace(start, n_declining=0, **change)
    family = draw(world, rng)
    applicable = np.ones(family.values.shape)
    if name.startswith("drift"):
        family, applicable = _drifting(family, rng)
    applicable[np.isnan(family.values)] = 0.0
    seen = _seen(family, applicable, rng, is_lost=is_lost)
    evidence = Evidence(references=_references(world, family, rng, is_seen=is_seen))
    histories = Histories(series_of(family), sites_of(family), seen)
    target = read_target(science.estimation.target)
    findings = find(histories, science, Season.parse(world.season), target, evidence=evidence)
    tested = family_test(family, science.trend)
    loss = sound_losses(family, tested, science.alert.q_confirmed, science.trend)
    levels = [alert.level for alert in findings.alerts]
    return levels.count(Level.CONFIRMED), int((loss >= science.alert.min_decline_fraction).sum())


def _drifting(
    family: Family, rng: np.random.Generator
) -> tuple[Family, np.ndarray[Any, np.dtype[np.float64]]]:
    """Return the family with some woodlands whose estimates fall as ever less of them is like the samples."""
    drifts = rng.random(len(family.values)) < DRIFTING
    course = np.linspace(0, 1, len(family.years))
    applicable = 1 - (1 - LEFT_INSIDE) * drifts[:, None] * course
    level = family.values.mean(axis=1, keepdims=True)
    lost = LOST_BY_DRIFT * level * drifts[:, None] * course
    return replace(family, values=family.values - lost), applicable


def _seen(
    family: Family,
    applicable: np.ndarray[Any, np.dtype[np.float64]],
    rng: np.random.Generator,
    *,
    is_lost: bool,
) -> tuple[SeenYears, ...]:
    """Return observation counts that vary by year and woodland, with half of the radar lost from 2022."""
    woods, n = family.values.shape
    years = np.arange(FIRST_YEAR, FIRST_YEAR + n)
    optical = OPTICAL + OPTICAL_SD * (rng.normal(size=n) + rng.normal(size=(woods, n)))
    radar = np.where(is_lost & (years >= World().artefact_year), RADAR / 2, RADAR) + rng.normal(
        size=(2, woods, n)
    )
    leaf_on = np.clip(0.5 + 0.05 * (rng.normal(size=n) + rng.normal(size=(woods, n))), 0, 1)
    return tuple(
        SeenYears(str(row), years, optical[row], radar[0, row], radar[1, row], leaf_on[row], applicable[row])
        for row in range(woods)
    )


def _references(
    world: World, family: Family, rng: np.random.Generator, *, is_seen: bool
) -> tuple[ReferenceSite, ...]:
    """Return sites that should not change, spread over the parks; they see an artefact of all woodlands."""
    parks = sorted(set(family.park.tolist()))
    still = replace(
        world,
        n_woodlands=max(REFERENCE_SITES, len(parks)),
        share_leaving=0.0,
        noise_fraction=REFERENCE_NOISE * world.noise_fraction,
        artefact_fraction=world.artefact_fraction if is_seen else 0.0,
        is_artefact_of_ancient=False,
    )
    return tuple(
        ReferenceSite("heath", f"park {row % world.n_parks:02d}", _renamed(one, f"reference {row}"))
        for row, one in enumerate(series_of(draw(still, rng)))
    )


def _renamed(series: RichnessSeries, name: str) -> RichnessSeries:
    return replace(series, woodland_id=name)


def record_calibration(
    workspace: Workspace, asked: Asked, figures: Sequence[Figure], now: datetime, source: str
) -> None:
    """Record a calibration in the warehouse and publish it; reports state the last one."""
    row = CalibrationRow(now, workspace.science.digest, figures_json(asked, figures, source))
    with open_writer(workspace.warehouse, now=now, wait_s=LEASE_WAIT_S) as writer:
        writer.load_calibration(row, now=now)
        writer.publish(workspace.published)


def figures_json(asked: Asked, figures: Sequence[Figure], source: str) -> str:
    """Return a calibration as a JSON object: what a report says first, then every figure."""
    world = asked.start
    reported = next(one for one in figures if (one.measure, one.world) == (Measure.ANY_CONFIRMED, REPORTED))
    content = {
        "n_worlds": reported.sims,
        "share_with_a_confirmed": reported.by_rule,
        "note": f"{world.n_woodlands} woodlands in {world.n_parks} parks, {reported.n_years} years, {source}",
        "seed": asked.seed,
        "world": dataclasses.asdict(world),
        "figures": [row_of(one) for one in figures],
    }
    return json.dumps(content, sort_keys=True)


def row_of(figure: Figure) -> dict[str, Any]:
    """Return a figure as a row of plain values; what is not known is None."""
    row = {**dataclasses.asdict(figure), "measure": str(figure.measure), "is_kept": figure.is_kept}
    return {name: None if value != value else value for name, value in row.items()}


def last_calibration(reader: Reader) -> Mapping[str, Any] | None:
    """Return the last calibration recorded: n_worlds, share_with_a_confirmed, note, seed, world, figures.

    None where none was recorded yet.
    """
    rows = reader.calibrations()
    found: Mapping[str, Any] | None = json.loads(rows[-1]["figures"]) if rows else None
    return found
