"""Simulated field samples: what soil cores and sequencing would have found, with the usual dirt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from rasterio.warp import transform

from flows.archive.parks import CELL_M, YEARS
from flows.archive.world import Landscape

#: Samples drawn over all woods and years; published heads rest on about 12,000 (arXiv 2604.09818).
COUNT = 1500
#: Cores taken at one plot, and the chance of each number.
CORES, CORES_CHANCE = (1, 2, 3), (0.5, 0.3, 0.2)
#: Replicate cores of the same year; the other plots are visited again in another year.
SAME_YEAR_CHANCE = 0.5
MEDIAN_READS, READS_SPREAD = 20_000, 0.5
#: Reads at which half of a sample's taxa have been found.
HALF_READS = 2_000
#: A core's taxa are independent presences, each with this chance, from a pool of mean / chance taxa ...
PRESENCE = 0.5
#: ... whose size varies from core to core, standard deviation of its logarithm.
CORE_SPREAD = 0.07
MISSING_RICHNESS, MISSING_COORDINATES = 6, 5


@dataclass(frozen=True)
class SimulatedSample:
    """One row of `samples.csv`; None where the field is left empty."""

    sample_id: str
    longitude: float | None
    latitude: float | None
    year: int
    richness: int | None
    reads: int


def draw_samples(world: Sequence[Landscape], seed: int) -> tuple[SimulatedSample, ...]:
    """Return `COUNT` samples spread over the woods and years of all parks."""
    rng = np.random.default_rng([seed, 0, 7])
    drawn: list[SimulatedSample] = []
    while len(drawn) < COUNT:
        land = world[int(rng.integers(len(world)))]
        drawn.extend(_plot(land, len(drawn), rng))
    return _spoil(drawn[:COUNT], rng)


def effort_factor(reads: int) -> float:
    """Return found taxa relative to a standard sample of `MEDIAN_READS` reads."""
    return (reads / (reads + HALF_READS)) / (MEDIAN_READS / (MEDIAN_READS + HALF_READS))


def _plot(land: Landscape, number: int, rng: np.random.Generator) -> Iterator[SimulatedSample]:
    cell = _cell(land, rng)
    longitude, latitude = _coordinates(land, cell, rng)
    count, first = int(rng.choice(CORES, p=CORES_CHANCE)), int(rng.choice(YEARS))
    again = rng.uniform() > SAME_YEAR_CHANCE
    for core in range(count):
        year = int(rng.choice(YEARS)) if again and core else first
        reads = int(MEDIAN_READS * np.exp(rng.normal(0.0, READS_SPREAD)))
        mean = float(land.richness(year)[cell]) * effort_factor(reads)
        yield SimulatedSample(
            f"S{number + core + 1:04d}", longitude, latitude, year, _count(mean, rng), reads
        )


def _cell(land: Landscape, rng: np.random.Generator) -> int:
    """A cell wholly under trees, every wood as likely as its area to the half."""
    stand = land.stand
    area = np.bincount(stand.wood, minlength=len(land.woods)).astype(np.float64)
    chance = np.where(stand.share >= 1.0, area[stand.wood] ** -0.5, 0.0)
    return int(rng.choice(len(chance), p=chance / chance.sum()))


def _coordinates(land: Landscape, cell: int, rng: np.random.Generator) -> tuple[float, float]:
    offset = rng.uniform(0.2, 0.8, 2)
    east = land.park.west_m + (land.stand.column[cell] + offset[0]) * CELL_M
    north = land.park.north_m - (land.stand.row[cell] + offset[1]) * CELL_M
    longitudes, latitudes = transform(f"EPSG:{land.park.epsg}", "EPSG:4326", [east], [north])
    return round(longitudes[0], 6), round(latitudes[0], 6)


def _count(mean: float, rng: np.random.Generator) -> int:
    """Taxa found: a sum of presences varies less than a Poisson count, the cores themselves vary a little."""
    pool = round(mean / PRESENCE * float(np.exp(rng.normal(0.0, CORE_SPREAD))))
    return int(rng.binomial(pool, PRESENCE))


def _spoil(drawn: Sequence[SimulatedSample], rng: np.random.Generator) -> tuple[SimulatedSample, ...]:
    """Lose a few counts and a few coordinates, as field sheets do."""
    spoilt = list(drawn)
    lost = rng.choice(len(spoilt), MISSING_RICHNESS + MISSING_COORDINATES, replace=False)
    for index in lost[:MISSING_RICHNESS]:
        spoilt[index] = replace(spoilt[index], richness=None)
    for index in lost[MISSING_RICHNESS:]:
        spoilt[index] = replace(spoilt[index], longitude=None, latitude=None)
    return tuple(spoilt)
