"""When which satellite passes over a park: real orbit arithmetic, a thinned choice of passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from flows.archive.parks import YEARS, Park

#: Sentinel-2 flies 143 orbits in 10 days, Sentinel-1 175 in 12.
S2_CYCLE, S2_CYCLE_DAYS = 143, 10
S1_CYCLE, S1_CYCLE_DAYS = 175, 12
#: An ascending radar pass at these latitudes precedes the descending pass of the same orbit by this much.
ASCENDING_LEAD = timedelta(minutes=21)
#: Optical passes kept in each month of a full year, and in 2017, when one satellite flew until summer.
S2_PER_MONTH = (1, 1, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1)
S2_PER_MONTH_2017 = (1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0)
#: Radar passes kept per satellite, direction and year.
S1_PER_YEAR = 5


@dataclass(frozen=True)
class Satellite:
    """One satellite's orbit count, anchored at a real acquisition near 50-55 N."""

    name: str
    """`S2A`, ..."""
    orbit: int
    """Absolute orbit at `at`."""
    relative_orbit: int
    """Relative orbit at `at`."""
    at: datetime
    first: date
    """First day it is in the catalogue."""
    last: date
    designator: str
    """International designator of the launch."""


@dataclass(frozen=True)
class Pass:
    """One satellite over one park."""

    park: Park
    satellite: Satellite
    sensed_at: datetime
    orbit: int
    relative_orbit: int
    orbit_state: str


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


_ALWAYS, _LAST = date(2017, 1, 1), date(2025, 12, 31)
#: S2A yields its place to S2C on 2025-01-21; S2B joins in July 2017.
SENTINEL_2 = (
    Satellite("S2A", 18417, 116, _utc("2019-01-01T00:00:01.024"), _ALWAYS, date(2025, 1, 20), "2015-028A"),
    Satellite("S2B", 27509, 27, _utc("2022-06-12T18:37:49.024"), date(2017, 7, 6), _LAST, "2017-013A"),
    Satellite("S2C", 8996, 17, _utc("2026-05-27T01:50:49.025"), date(2025, 1, 21), _LAST, "2024-157A"),
)
#: S1B fell silent in December 2021; S1C takes its place in spring 2025.
SENTINEL_1 = (
    Satellite("S1A", 53134, 37, _utc("2024-03-25T05:50:38.146"), _ALWAYS, _LAST, "2014-016A"),
    Satellite("S1B", 30148, 22, _utc("2021-12-23T05:09:29.575"), _ALWAYS, date(2021, 12, 23), "2016-025A"),
    Satellite("S1C", 1608, 37, _utc("2025-03-26T05:50:38.146"), date(2025, 3, 26), _LAST, "2024-235A"),
)


def optical_passes(park: Park, seed: int) -> tuple[Pass, ...]:
    """Return the Sentinel-2 passes of all years that the catalogue holds, in time order."""
    rng = np.random.default_rng([seed, park.number, 1])
    every = sorted(
        (
            one
            for sat in SENTINEL_2
            for orbit in park.s2_orbits
            for one in _passes(park, sat, orbit, "descending")
        ),
        key=lambda one: one.sensed_at,
    )
    chosen = [one for year in YEARS for one in _choose_optical(every, year, rng)]
    return tuple(sorted(chosen, key=lambda one: one.sensed_at))


def radar_passes(park: Park, seed: int) -> tuple[Pass, ...]:
    """Return the Sentinel-1 passes of all years that the catalogue holds, in time order."""
    rng = np.random.default_rng([seed, park.number, 2])
    chosen = [
        one
        for year in YEARS
        for state, orbit in (
            ("ascending", park.s1_ascending_orbit),
            ("descending", park.s1_descending_orbit),
        )
        for satellite in SENTINEL_1
        for one in _spread(_in_year(_passes(park, satellite, orbit, state), year), rng)
    ]
    return tuple(sorted(chosen, key=lambda one: one.sensed_at))


def _choose_optical(every: Sequence[Pass], year: int, rng: np.random.Generator) -> Iterator[Pass]:
    quotas = S2_PER_MONTH_2017 if year == YEARS[0] else S2_PER_MONTH
    for month, quota in enumerate(quotas, start=1):
        offered = [one for one in every if (one.sensed_at.year, one.sensed_at.month) == (year, month)]
        for index in rng.choice(len(offered), min(quota, len(offered)), replace=False):
            yield offered[int(index)]


def _spread(offered: Sequence[Pass], rng: np.random.Generator) -> Iterator[Pass]:
    """Yield `S1_PER_YEAR` passes evenly through what is offered, from a random start."""
    step = len(offered) / S1_PER_YEAR
    start = rng.uniform(0.0, step)
    return (offered[int(start + step * k)] for k in range(S1_PER_YEAR if offered else 0))


def _in_year(passes: Iterator[Pass], year: int) -> list[Pass]:
    return [one for one in passes if one.sensed_at.year == year]


def _passes(park: Park, satellite: Satellite, relative_orbit: int, state: str) -> Iterator[Pass]:
    is_optical = satellite.name.startswith("S2")
    cycle, days = (S2_CYCLE, S2_CYCLE_DAYS) if is_optical else (S1_CYCLE, S1_CYCLE_DAYS)
    lead = ASCENDING_LEAD if state == "ascending" else timedelta(0)
    first_orbit = satellite.orbit + (relative_orbit - satellite.relative_orbit) % cycle
    anchor = satellite.at + timedelta(days=days) * ((first_orbit - satellite.orbit) / cycle) - lead
    first_cycle = (satellite.first - anchor.date()).days // days
    for number in range(first_cycle, first_cycle + (satellite.last - satellite.first).days // days + 3):
        sensed_at = anchor + timedelta(days=days * number)
        if satellite.first <= sensed_at.date() <= satellite.last:
            yield Pass(park, satellite, sensed_at, first_orbit + cycle * number, relative_orbit, state)
