"""The warehouse of a benchmark: its seasons loaded one after the other by the real writer, and published."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from histories_world import TARGETS, World, models, stage
from parquet_files import Files
from speed_figures import Figure, Row, median, progress, seconds, shown

from warehouse.answering.questions import Limits, question
from warehouse.reader import read
from warehouse.records import BlockSeasonRow, RunRow
from warehouse.writer import Writer, open_writer

#: Seasons whose load is timed; seasons loaded without bringing histories into order; seasons to come.
TIMED, OUT_OF_ORDER, COMING = 3, 7, 8
TARGET = "richness"


class Taken(NamedTuple):
    """Seconds from before the warehouse was opened.

    Until the season was committed: there for good and for every later reader. Until the file was closed:
    its log of commits folded in, row groups merged. Computing, until closed.
    """

    committed: float
    closed: float
    cpu: float


@dataclass(frozen=True)
class Season:
    """One season ready to be loaded."""

    run: RunRow
    block_seasons: list[BlockSeasonRow]
    observations: pa.Table
    staged: tuple[Path, ...]

    @classmethod
    def of(cls, world: World, number: int, folder: Path, targets: Sequence[str], again: bool) -> Season:
        """Stage a season's estimates and return it."""
        name = f"{world.season(number).id}{'-again' * again}"
        staged = [
            stage(folder / f"{name}-{target}.parquet", world.estimates(number, target, again=again))
            for target in targets
        ]
        standings = world.block_seasons(number, again=again)
        counts = world.observations(number, again=again)
        return cls(world.run(number, again=again), standings, counts, tuple(staged))

    def load(self, writer: Writer) -> int:
        """Load it as the service does: one transaction."""
        now = self.run.started_at
        with writer.as_one(f"season {self.run.season}"):
            added = writer.record_run(self.run)
            added += writer.load_block_seasons(self.block_seasons, now=now)
            added += writer.load_observations(self.observations, now=now)
            return added + sum(writer.load_estimates(path, now=now) for path in self.staged)


@dataclass
class Bench:
    """The folder of one measurement, and what it found."""

    world: World
    folder: Path
    repeats: int
    least_s: float
    rows: list[Row] = field(default_factory=list)

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse.duckdb"

    @property
    def snapshot(self) -> Path:
        return self.folder / "published" / "underwood.duckdb"

    @property
    def staging(self) -> Path:
        return self.folder / "staging"

    @property
    def files(self) -> Files:
        return Files(self.folder / "files")

    @property
    def last_season(self) -> str:
        return self.world.season(self.world.n_seasons - 1).id

    @property
    def size(self) -> str:
        return f"{self.world.n_woodlands:,} woodlands, {len(TARGETS)} targets"

    def questions(self) -> list[str]:
        """Return the woodlands asked for, drawn at random."""
        return [str(i) for i in np.random.default_rng(self.world.seed).choice(self.world.ids, self.repeats)]

    def some_parks(self) -> list[str]:
        return list(itertools.islice(itertools.cycle(sorted(set(self.world.parks))), self.few))

    def some_seasons(self) -> list[str]:
        names = [self.world.season(number).id for number in range(self.world.n_seasons)]
        return list(itertools.islice(itertools.cycle(names), self.few))

    @property
    def few(self) -> int:
        """Repeats of what takes longer."""
        return max(10, self.repeats // 20)

    def add(self, row: Row) -> None:
        self.rows.append(row)
        print(shown(row), flush=True)


def fill(bench: Bench) -> tuple[list[Taken], list[Taken]]:
    """Load every season and what of it was estimated again; return the time of the last three of each."""
    world = bench.world
    taken: list[Taken] = []
    again: list[Taken] = []
    with open_writer(bench.warehouse, now=world.loaded_at(0)) as writer:
        writer.load_woodlands(world.woodlands(), now=world.loaded_at(0))
        writer.load_models(list(models()), now=world.loaded_at(0))
    for number in range(world.n_seasons):
        for times, is_again in ((taken, False), (again, True)):
            season = Season.of(world, number, bench.staging, tuple(TARGETS), is_again)
            times.append(load(bench.warehouse, season))
            for path in season.staged:
                path.unlink()
        if number == world.n_seasons - OUT_OF_ORDER - 1:
            in_order(bench.warehouse, world.loaded_at(number))
        progress(
            f"season {world.season(number)}: {taken[-1].committed:.2f} s, closed {taken[-1].closed:.2f} s"
        )
    return taken[-TIMED:], again[-TIMED:]


def load(warehouse: Path, season: Season) -> Taken:
    """Load a season as the service does; return what it took."""
    began, cpu = time.perf_counter(), time.process_time()
    with open_writer(warehouse, now=season.run.started_at) as writer:
        season.load(writer)
        committed = time.perf_counter() - began
    return Taken(committed, time.perf_counter() - began, time.process_time() - cpu)


def in_order(warehouse: Path, now: datetime) -> float:
    """Bring histories into the order of woodlands; return the seconds of it."""
    with open_writer(warehouse, now=now) as writer:
        return seconds(lambda: writer.cluster(after=1))


def publish(bench: Bench) -> list[float]:
    with open_writer(bench.warehouse, now=bench.world.loaded_at(bench.world.n_seasons)) as writer:
        return [seconds(lambda: writer.publish(bench.snapshot)) for _ in range(TIMED)]


def coming(bench: Bench, targets: Sequence[str]) -> list[Season]:
    """Return seasons after the last, staged where they are not yet."""
    n = bench.world.n_seasons
    return [Season.of(bench.world, number, bench.staging, targets, False) for number in range(n, n + COMING)]


def median_load(taken: Sequence[Taken]) -> Figure:
    """Return the median second until a season was committed, and until the file was closed."""
    cpu = round(statistics.median(each.cpu for each in taken), 3)
    closed = [round(each.closed, 3) for each in taken]
    return median([each.committed for each in taken]) | {"cpu_s": cpu, "closed": closed}


def history(bench: Bench, woodland_id: str) -> list[Row]:
    with read(bench.snapshot) as reader:
        return list(reader.history(woodland_id, TARGET))


def question_of(bench: Bench, woodland_id: str) -> list[Any]:
    """Return a history as somebody's own SQL is answered: in a connection closed to all else."""
    sql = f"select * from site_history where woodland_id = '{woodland_id}' and target = '{TARGET}'"
    with question(bench.snapshot, sql, Limits()) as reply:
        return list(reply.batches())
