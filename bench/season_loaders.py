"""Another process that loads season after season into one of the three, while questions are asked."""

from __future__ import annotations

import gc
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import parquet_files
import postgres
from histories_world import TARGETS
from postgres_filled import coming_csv
from speed_figures import seconds
from warehouse_filled import COMING, Bench, coming, load

#: What is run as the other process.
_PROGRAM = Path(__file__).with_name("warehouse_speed.py")


@dataclass
class Loader:
    """A process that loads one season after the other, while questions are asked."""

    running: subprocess.Popen[str]
    least_s: float
    began: float = field(default_factory=time.perf_counter)
    loads: list[float] = field(default_factory=list)

    def go_on(self) -> bool:
        """Return whether there is something to measure yet."""
        return self.running.poll() is None and time.perf_counter() - self.began < self.least_s

    @property
    def said(self) -> str:
        taken = f" of {statistics.median(self.loads):.1f} s" if self.loads else ""
        return f"{len(self.loads)} loads{taken} meanwhile"


@contextmanager
def loading(bench: Bench, into: str, server: postgres.Server | None = None) -> Iterator[Loader]:
    """Run another process that loads the seasons to come into one of the three."""
    world = bench.world
    command = [sys.executable, str(_PROGRAM), "--loader", into, "--folder", str(bench.folder),
               "--woodlands", str(world.n_woodlands), "--seasons", str(world.n_seasons),
               "--seed", str(world.seed), "--port", str(server.port if server else 0)]  # fmt: skip
    secret = {"PGPASSWORD": server.password} if server else {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | secret) as running:
        assert running.stdout is not None
        try:
            if running.stdout.readline().strip() != "ready":
                raise RuntimeError(f"loader of {into}: ended before it began")
            loader = Loader(running, bench.least_s)
            yield loader
        finally:
            running.terminate()
            lines = running.stdout.read().splitlines()
    loader.loads.extend(float(line) for line in lines)


def be_loader(bench: Bench, into: str, port: int) -> None:
    """Load the seasons to come, one line said for each."""
    steps = LOADERS[into](bench, postgres.Server(port, os.environ.get("PGPASSWORD", "")))
    gc.freeze()
    print("ready", flush=True)
    for step in steps:
        print(seconds(step), flush=True)
    gc.unfreeze()


def into_warehouse(bench: Bench, _: postgres.Server) -> list[Callable[[], Any]]:
    """Return the loads of seasons to come into a copy of the warehouse."""
    copy = bench.folder / "scratch" / "warehouse.duckdb"
    shutil.rmtree(copy.parent, ignore_errors=True)
    copy.parent.mkdir()
    shutil.copy(bench.warehouse, copy)
    return [lambda season=season: load(copy, season) for season in coming(bench, tuple(TARGETS))]


def into_postgres(bench: Bench, server: postgres.Server) -> list[Callable[[], Any]]:
    paths = [coming_csv(bench, number) for number in range(COMING)]
    return [lambda path=path: postgres.load(server, path) for path in paths]


def into_parquet(bench: Bench, _: postgres.Server) -> list[Callable[[], Any]]:
    """Return loads into the files that histories are read from, the same season again and again."""
    frame = pd.read_parquet(bench.files.of_season(bench.last_season))
    copy = bench.folder / "scratch" / "by_woodland"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(bench.files.by_woodland, copy)
    return [lambda: parquet_files.add_to_woodlands(copy, frame)] * COMING


LOADERS = {"warehouse": into_warehouse, "postgres": into_postgres, "parquet": into_parquet}
