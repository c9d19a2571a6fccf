"""Kill -9 at random moments of load, publish and migrate, and what must hold after each.

What the killed process said it had committed is there; what is there is whole seasons, in the log, in the
serving tables and in the snapshot; the next run opens the warehouse as if nothing had happened, and what the
killed one left half-made is gone after it.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import whole_seasons

from warehouse.database import connect, unfinished
from warehouse.migrate import known_migrations
from warehouse.reader import read
from warehouse.snapshots import snapshots
from warehouse.writer import open_writer

HERE = Path(__file__).parent
#: What a process may be killed in, with the number of kills in every ten.
SHARES = {"load": 3, "publish": 3, "migrate": 2, "cluster": 1, "open": 1}
#: Kills after which a warehouse is begun anew, so that it stays small.
_ROUND = 20
#: A kill may also fall a little after what it is aimed at.
_OVERSHOOT = 1.15
_NOW = datetime(2026, 1, 15, tzinfo=UTC)
_SCHEMA = len(known_migrations())

_OLD_TABLES = "select table_name from duckdb_tables() where table_name <> 'schema_migration' order by 1"


@dataclass
class Tally:
    """What was done in a drill."""

    kills: Counter[str] = field(default_factory=Counter)
    """By what the process was doing, as it said itself."""
    loads_committed: int = 0
    """That killed processes said they had committed."""
    migrations: int = 0
    """That were completed by the run after the killed one."""
    checks: int = 0
    """Warehouses and snapshots looked through."""
    killed_again: int = 0
    """Kills of a process that was itself the first after a kill."""

    @property
    def rows_committed(self) -> int:
        """Estimates that were said to be committed, and were found again after each kill."""
        return self.loads_committed * whole_seasons.N_ROWS


class Child:
    """A process that says what it is about to do."""

    def __init__(self, script: str, folder: Path) -> None:
        command = [sys.executable, str(HERE / script), str(folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.said: list[tuple[str, int]] = []

    def hear(self, what: str, times: int = 1) -> None:
        """Wait until it has said something so often."""
        while sum(said == what for said, _ in self.said) < times:
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
            assert line, self._process.communicate()[1]
            self._note(line)

    def kill(self) -> None:
        """Kill -9, and hear what it had said by then."""
        self._process.kill()
        rest, complaint = self._process.communicate()
        for line in rest.splitlines():
            self._note(line)
        assert complaint == ""

    def last(self, what: str) -> int:
        """The number it said last with something; 0 where it never did."""
        return max((number for said, number in self.said if said == what), default=0)

    def _note(self, line: str) -> None:
        what, number = line.split()
        self.said.append((what, int(number)))


@dataclass
class Drill:
    """Kills in a folder, one after the other."""

    root: Path
    chance: random.Random
    rounds: int = 1
    tally: Tally = field(default_factory=Tally)
    typical_s: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SHARES, 0.3))
    """How long each thing takes, as last seen, seconds."""
    begun: int = 0
    """Loads that some process said it was about to record."""
    committed: int = 0
    """Loads that some process said it had committed."""
    published: int = 0
    """Loads of the snapshot that was last said to be published."""

    @property
    def folder(self) -> Path:
        """Where the warehouse of this round lies."""
        return self.root / f"round-{self.rounds}"

    def kill_in(self, what: str) -> None:
        """Kill one process in something, and look."""
        if what == "migrate":
            self._kill_migration()
        else:
            self._kill_writer(what)

    def begin_anew(self) -> None:
        """Go on with a new warehouse, having seen that the old one passes every check."""
        self.look()
        with open_writer(self._path, now=_NOW) as writer:
            whole_seasons.check_all(writer.reader.connection)
        assert all(not each.damage for each in snapshots(self._published))
        self.rounds += 1
        self.begun = self.committed = self.published = 0

    @property
    def _path(self) -> Path:
        return self.folder / "warehouse.duckdb"

    @property
    def _published(self) -> Path:
        return self.folder / "published" / "underwood.duckdb"

    def _kill_writer(self, what: str) -> None:
        child = Child("publish_until_killed.py", self.folder)
        try:
            self._aim(child, what)
        finally:
            child.kill()
        said = child.last("committed")
        self.tally.loads_committed += max(0, said - self.committed) if said else 0
        self.committed = max(self.committed, said)
        self.begun = max(self.begun, child.last("load"))
        self.published = max(self.published, child.last("published"))
        self.tally.kills[child.said[-1][0]] += 1
        self._check_snapshot()
        # Now and then the next process is killed too before anybody looks.
        if self.chance.random() < 0.75:
            self.look()
        else:
            self.tally.killed_again += 1

    def _aim(self, child: Child, what: str) -> None:
        """Kill a process at a random moment of something, the first time or the second that it does it."""
        times = 1 if what == "open" else self.chance.choice((1, 1, 2))
        child.hear(what, times)
        time.sleep(self.chance.uniform(0, self.typical_s[what] * _OVERSHOOT))

    def _check_snapshot(self) -> None:
        """The snapshot is whole, no older than was said, and holds nothing that was not loaded."""
        self.tally.checks += 1
        if not self._published.exists():
            assert not self.published
            return
        with read(self._published) as reader:
            n_loads = whole_seasons.check_whole(reader.connection)
            whole_seasons.check_serving(reader.connection)
        assert self.published <= n_loads <= self.begun

    def look(self) -> None:
        """Do what the next run does, and see that all is there."""
        self.tally.checks += 1
        began = time.monotonic()
        with open_writer(self._path, now=_NOW) as writer:
            self.typical_s["open"] = time.monotonic() - began
            whole_seasons.prepare(writer)
            n_loads = whole_seasons.check_whole(writer.reader.connection)
            whole_seasons.check_serving(writer.reader.connection)
            # A load whose commit was not told any more may be there, then whole.
            assert self.committed <= n_loads <= self.begun
            self._load_and_publish(writer, n_loads + 1)
        assert list(unfinished(self._path)) == []
        assert list(self._published.parent.rglob(".*")) == []

    def _load_and_publish(self, writer: Any, number: int) -> None:
        staged, began = whole_seasons.stage(self.folder, number), time.monotonic()
        whole_seasons.load(writer, staged, number)
        loaded = time.monotonic()
        writer.publish(self._published)
        self.typical_s |= {"load": loaded - began, "publish": time.monotonic() - loaded}
        self.begun = self.committed = self.published = number

    def _kill_migration(self) -> None:
        folder = self.root / "old"
        before = make_old(folder)
        child = Child("migrate_until_killed.py", folder)
        try:
            self._aim(child, "migrate")
        finally:
            child.kill()
        self.tally.kills[child.said[-1][0]] += 1
        path = folder / f"{child.last('migrate')}.duckdb"
        check_migration(path, before)
        self.tally.migrations += 1
        self.tally.checks += 2


Content = dict[str, tuple[tuple[str, ...], int, int]]


@cache
def make_old(folder: Path) -> Content:
    """Make the old warehouse that is migrated, where it is not there yet; return what is in it."""
    old = folder / "old.duckdb"
    if not old.exists():
        folder.mkdir(parents=True)
        subprocess.run(
            [sys.executable, str(HERE / "migrate_until_killed.py"), str(folder), "make"], check=True
        )
    with connect(old, read_only=True) as connection:
        names = [name for (name,) in connection.execute(_OLD_TABLES).fetchall()]
        columns = {name: tuple(connection.table(name).columns) for name in names}
        return {name: (columns[name], *sum_of(connection, name, columns[name])) for name in names}


def sum_of(connection: Any, name: str, columns: tuple[str, ...]) -> tuple[int, int]:
    """Return the number of rows, and a sum over them in these columns whatever their order."""
    listed = ", ".join(f"{column}::text" for column in columns)
    return tuple(connection.execute(f"select count(*), bit_xor(hash({listed})) from {name}").fetchone())


def check_migration(path: Path, before: Content) -> None:
    """See that a killed migration lost no row, and that the next run completes it."""
    with connect(path, read_only=True) as connection:
        assert_same(connection, before)
        schema = connection.execute("select count(*) from schema_migration").fetchone()
        assert schema in [(number,) for number in range(6, _SCHEMA + 1)]
    published = path.parent / "published" / path.name
    with open_writer(path, now=_NOW) as writer:
        assert_same(writer.reader.connection, before)
        whole_seasons.check_serving(writer.reader.connection)
        writer.publish(published)
    with read(published) as reader:
        assert_same(reader.connection, before)
    assert list(path.parent.rglob(".*")) == []


def assert_same(connection: Any, before: Content) -> None:
    """See that every row of the old warehouse is there, in the columns it had."""
    for name, (columns, *found) in before.items():
        assert [name, *sum_of(connection, name, columns)] == [name, *found]


def aims(n_kills: int, seed: int) -> list[str]:
    """What to kill in, in shares as in `SHARES` and in random order."""
    once = [what for what, share in SHARES.items() for _ in range(share)]
    chosen = [once[number % len(once)] for number in range(n_kills)]
    random.Random(seed).shuffle(chosen)
    return chosen


def run_drill(
    folder: Path,
    aimed: Sequence[str],
    seed: int,
    progress: Callable[[int, Tally], None] = lambda _done, _tally: None,
) -> Tally:
    """Kill a process in each of these things; return what was done, AssertionError for any loss."""
    drill = Drill(folder, random.Random(seed))
    for number, what in enumerate(aimed, 1):
        drill.kill_in(what)
        progress(number, drill.tally)
        if number % _ROUND == 0:
            drill.begin_anew()
    drill.begin_anew()
    return drill.tally
