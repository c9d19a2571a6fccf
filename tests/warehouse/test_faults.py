"""Full disks, damaged files, other schemas, second writers, jumping clocks: one clear line, nothing lost."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import whole_seasons
from warehouse_world import NOW, empty, estimate, filled
from warehouse_world import load as load_rows

from monitoring.errors import LeaseHeldError, MigrationError, UnderwoodError, WarehouseError
from warehouse.content import content_digest
from warehouse.database import connect, unfinished
from warehouse.operations.checks import Outcome, check_content
from warehouse.publish import publish
from warehouse.reader import read
from warehouse.records import BlockSeasonRow, EstimateRow
from warehouse.snapshots import current_snapshot
from warehouse.staging import read_columns, read_estimates
from warehouse.writer import Writer, open_writer

HERE = Path(__file__).parent
FULL = r"No space left on device|File too large"
MiB = 1 << 20


@dataclass(frozen=True)
class Shelf:
    """A warehouse of two loads and its snapshot in a folder."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        return self.folder / "published" / "underwood.duckdb"

    def load(self, number: int) -> None:
        """A normal run: load, close."""
        with open_writer(self.path, now=whole_seasons.BEGIN) as writer:
            whole_seasons.load(writer, staged(number), number)

    def publish(self) -> None:
        publish(self.path, self.published)


@cache
def staged(number: int) -> Path:
    """The staging file of a load, away from any disk that is full."""
    return whole_seasons.stage(Path(_KEPT.name), number)


@cache
def two_loads() -> bytes:
    path = empty(Path(_KEPT.name) / "warehouse.duckdb")
    with open_writer(path, now=whole_seasons.BEGIN) as writer:
        whole_seasons.prepare(writer)
        for number in (1, 2):
            whole_seasons.load(writer, staged(number), number)
    return path.read_bytes()


_KEPT = TemporaryDirectory()


def set_up(folder: Path) -> Shelf:
    shelf = Shelf(folder)
    shelf.path.write_bytes(two_loads())
    shelf.publish()
    return shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return set_up(tmp_path)


def refusal(act: Callable[[], object], kind: type[UnderwoodError] = WarehouseError) -> str:
    """The one line that something is refused with."""
    with pytest.raises(kind) as refused:
        act()
    said = str(refused.value)
    assert "\n" not in said
    assert len(said) < 500
    return said


def check_intact(shelf: Shelf, digests: tuple[str, str], n_loads: int = 2) -> None:
    """What was there is there, and the next run works as if nothing had happened."""
    assert (content_digest(shelf.path), content_digest(shelf.published)) == digests
    shelf.load(n_loads + 1)
    shelf.publish()
    for path in (shelf.path, shelf.published):
        with read(path) as reader:
            assert whole_seasons.check_whole(reader.connection) == n_loads + 1
            whole_seasons.check_serving(reader.connection)
    assert list(unfinished(shelf.path)) == []
    assert list(shelf.published.parent.rglob(".*")) == []


@cache
def digests_of_two_loads() -> tuple[str, str]:
    """Of the warehouse and of its snapshot, as they are set up."""
    with TemporaryDirectory() as folder:
        return digests_of(set_up(Path(folder)))


def digests_of(shelf: Shelf) -> tuple[str, str]:
    return content_digest(shelf.path), content_digest(shelf.published)


# Full disks: a small one of its own where the test may mount it, and a limit on the size of files.


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, check=False
    ) if shutil.which("mount") else None  # fmt: skip
    if done is None or done.returncode:
        pytest.skip("no small disk can be mounted here (needs root)")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def filled_up(folder: Path, leave: int) -> Iterator[None]:
    """Nothing but so many bytes is free."""
    disk = os.statvfs(folder)
    filler = folder / "filler"
    filler.write_bytes(bytes(max(0, disk.f_bavail * disk.f_frsize - leave)))
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def limited(_folder: Path, leave: int) -> Iterator[None]:
    """No file can be written beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (leave, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@dataclass(frozen=True)
class Disk:
    folder: Path
    _fill: Callable[[Path, int], contextlib.AbstractContextManager[None]]

    def full(self, leave: int = 8192) -> contextlib.AbstractContextManager[None]:
        return self._fill(self.folder, leave)


@pytest.fixture(params=[pytest.param("a small disk", marks=pytest.mark.slow), "a limit on files"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    if request.param == "a limit on files":
        yield Disk(tmp_path, limited)
    else:
        with mounted(tmp_path / "disk", "16m") as folder:
            yield Disk(folder, filled_up)


@pytest.mark.parametrize("leave", [8192, *(pytest.param(n, marks=pytest.mark.slow) for n in (0, 300_000))])
def test_a_load_on_a_full_disk_is_refused_and_nothing_is_lost(disk: Disk, leave: int) -> None:
    shelf = set_up(disk.folder)
    before = digests_of_two_loads()
    with disk.full(leave):
        said = refusal(lambda: shelf.load(3))
    assert "No space left on device" in said or "File too large" in said
    check_intact(shelf, before)


@pytest.mark.slow
def test_a_load_that_was_committed_before_the_disk_was_full_is_kept(disk: Disk) -> None:
    shelf = set_up(disk.folder)
    with open_writer(shelf.path, now=whole_seasons.BEGIN) as writer:
        whole_seasons.load(writer, staged(3), 3)
        with disk.full():
            refusal(lambda: whole_seasons.load(writer, staged(4), 4))
        whole_seasons.load(writer, staged(4), 4)
        with disk.full():
            refusal(lambda: whole_seasons.load(writer, staged(5), 5))
    check_intact(shelf, digests_of(shelf), n_loads=4)


@pytest.mark.slow
def test_a_disk_that_is_full_when_the_log_of_commits_is_folded_in_loses_no_commit(disk: Disk) -> None:
    shelf = set_up(disk.folder)
    with (
        contextlib.ExitStack() as until_closed,
        contextlib.suppress(WarehouseError),
        open_writer(shelf.path, now=whole_seasons.BEGIN) as writer,
    ):
        whole_seasons.load(writer, staged(3), 3)
        until_closed.enter_context(disk.full())
    check_intact(shelf, digests_of(shelf), n_loads=3)


@pytest.mark.slow
def test_publishing_to_a_full_disk_leaves_the_former_snapshot(disk: Disk) -> None:
    shelf = set_up(disk.folder)
    shelf.load(3)
    before = digests_of(shelf)
    with disk.full(300_000):
        assert "snapshot" in refusal(shelf.publish)
        with read(shelf.published) as reader:
            assert whole_seasons.check_whole(reader.connection) == 2
    check_intact(shelf, before, n_loads=3)


@pytest.mark.slow
def test_migrating_on_a_full_disk_leaves_the_old_schema(disk: Disk) -> None:
    from test_migrate import contents, version_six

    path = version_six(disk.folder / "old.duckdb")
    before = contents(path)
    with disk.full():
        said = refusal(lambda: open_and_close(path))
    assert "migration" in said or "warehouse" in said
    assert contents(path, before) == before
    open_and_close(path)
    assert contents(path, before) == before
    with read(path) as reader:
        whole_seasons.check_serving(reader.connection)


def open_and_close(path: Path) -> None:
    with open_writer(path, now=NOW):
        pass


def test_staging_on_a_full_disk_leaves_no_file(disk: Disk) -> None:
    with disk.full(4096):
        assert "staged estimates" in refusal(lambda: whole_seasons.stage(disk.folder, 1))
    assert list((disk.folder / "staging").iterdir()) == []
    assert len(read_estimates(whole_seasons.stage(disk.folder, 1))) == whole_seasons.N_ROWS


@pytest.mark.slow
def test_a_read_only_folder_is_one_clear_line_and_its_snapshot_can_be_read(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "16m") as folder:
        shelf = set_up(folder)
        before = digests_of_two_loads()
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        for act in (lambda: shelf.load(3), shelf.publish, lambda: whole_seasons.stage(folder, 3)):
            assert "Read-only file system" in refusal(act)
        with read(shelf.published) as reader:
            assert whole_seasons.check_whole(reader.connection) == 2
        subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)
        check_intact(shelf, before)


# Files that are damaged.


def flipped(content: bytes, first: int, last: int, step: int = 1) -> bytes:
    """Every so many bytes another one."""
    changed = bytearray(content)
    for place in range(first, min(last, len(content)), step):
        changed[place] ^= 0x55
    return bytes(changed)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "main header": lambda content: flipped(content, 0, 64),
    "both database headers": lambda content: flipped(content, 4096, 3 * 4096),
    "every block": lambda content: flipped(content, 3 * 4096 + 100, len(content), 16384),
    "cut in half": lambda content: content[: len(content) // 2],
    "empty": lambda _content: b"",
    "a text file": lambda _content: b"a letter to the forester\n" * 2000,
}


@pytest.mark.slow
@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_snapshot_is_one_clear_line_and_the_next_publish_replaces_it(
    shelf: Shelf, what: str
) -> None:
    before = digests_of_two_loads()
    shelf.published.write_bytes(DAMAGES[what](shelf.published.read_bytes()))
    assert str(shelf.published) in refusal(lambda: read_through(shelf.published))
    found = current_snapshot(shelf.published)
    assert found is not None
    assert not found.is_readable or found.damage
    shelf.publish()
    check_intact(shelf, before)


def read_through(path: Path) -> None:
    with read(path) as reader:
        whole_seasons.check_whole(reader.connection)
        reader.history()


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_warehouse_is_refused_untouched_and_its_snapshot_still_answers(
    shelf: Shelf, what: str
) -> None:
    shelf.path.write_bytes(DAMAGES[what](two_loads()))
    damaged = shelf.path.read_bytes()
    assert str(shelf.path) in refusal(lambda: shelf.load(3))
    assert shelf.path.read_bytes() == damaged
    with read(shelf.published) as reader:
        assert whole_seasons.check_whole(reader.connection) == 2


def test_a_beginning_that_was_killed_is_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    cut_short = tmp_path / ".warehouse.duckdb.999.draft"
    cut_short.write_bytes(two_loads()[:5000])
    open_and_close(path)
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "warehouse.duckdb",
        "warehouse.duckdb.lease",
        "warehouse.duckdb.lease.alive",
    ]


def test_a_log_of_commits_whose_warehouse_is_gone_is_refused_untouched(shelf: Shelf) -> None:
    log = crashed(shelf)
    shelf.path.unlink()
    assert "missing, while its log of commits warehouse.duckdb.wal is there" in refusal(lambda: shelf.load(4))
    assert wal_of(shelf).read_bytes() == log
    assert not shelf.path.exists()


def crashed(shelf: Shelf) -> bytes:
    """The log of commits that a writer killed after load 3 leaves beside the file."""
    with open_writer(shelf.path, now=whole_seasons.BEGIN) as writer:
        whole_seasons.load(writer, staged(3), 3)
        kept = {part: part.read_bytes() for part in (shelf.path, wal_of(shelf))}
    for part, content in kept.items():
        part.write_bytes(content)
    return kept[wal_of(shelf)]


def wal_of(shelf: Shelf) -> Path:
    return shelf.path.with_name(f"{shelf.path.name}.wal")


@pytest.mark.slow
def test_a_log_of_commits_left_by_a_crash_is_taken_in(shelf: Shelf) -> None:
    crashed(shelf)
    check_intact(shelf, digests_of(shelf), n_loads=3)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_log_of_commits_cut_short_gives_the_whole_season_or_none_of_it(shelf: Shelf, share: float) -> None:
    log = crashed(shelf)
    wal_of(shelf).write_bytes(log[: int(share * len(log))])
    check_intact(shelf, digests_of_two_loads(), n_loads=2)


@pytest.mark.slow
def test_what_a_power_failure_leaves_after_the_last_commit_is_no_part_of_it(shelf: Shelf) -> None:
    log = crashed(shelf)
    before = digests_of(shelf)
    wal_of(shelf).write_bytes(log + bytes(5000))
    check_intact(shelf, before, n_loads=3)


def test_a_damaged_log_of_commits_is_refused_untouched(shelf: Shelf) -> None:
    log = crashed(shelf)
    half = len(log) // 2
    for damaged in (flipped(log, half, half + 1), log + b"\xff" * 5000):
        wal_of(shelf).write_bytes(damaged)
        for act in (lambda: shelf.load(4), shelf.publish, lambda: read_through(shelf.path)):
            assert str(shelf.path) in refusal(act)
        assert wal_of(shelf).read_bytes() == damaged
    wal_of(shelf).write_bytes(log)
    with read(shelf.path) as reader:
        assert whole_seasons.check_whole(reader.connection) == 3


def test_a_damaged_staging_file_is_one_clear_line_and_changes_nothing(shelf: Shelf) -> None:
    path = whole_seasons.stage(shelf.folder, 3)
    content = path.read_bytes()
    damages = (content[:-100], b"", b"a letter to the forester\n" * 2000, flipped(content, 4, 5))
    with open_writer(shelf.path, now=whole_seasons.BEGIN) as writer:
        for damaged in damages:
            path.write_bytes(damaged)
            said = refusal(lambda: whole_seasons.load(writer, path, 3))
            assert said.startswith(f"staged estimates {path}: ")
    check_intact(shelf, digests_of_two_loads())


def test_no_flipped_byte_of_a_staging_file_becomes_another_number(tmp_path: Path) -> None:
    path = whole_seasons.stage(tmp_path, 3)
    content, rows = path.read_bytes(), read_columns(path, EstimateRow)
    for place in range(0, len(content), 37):
        path.write_bytes(flipped(content, place, place + 1))
        with contextlib.suppress(WarehouseError):
            assert read_columns(path, EstimateRow).equals(rows), place


# Other schemas, other writers, other clocks.


def test_a_warehouse_of_a_newer_version_is_neither_read_nor_written(shelf: Shelf) -> None:
    for path in (shelf.path, shelf.published):
        with connect(path, read_only=False) as connection:
            connection.execute(
                "insert into schema_migration select 99, '0099_later.sql', 'f00', now()::timestamp"
            )
    files = {path: path.read_bytes() for path in (shelf.path, shelf.published)}
    for act in (
        lambda: read_through(shelf.path),
        lambda: read_through(shelf.published),
        lambda: shelf.load(3),
    ):
        assert "is newer than" in refusal(act, MigrationError)
    assert {path: path.read_bytes() for path in files} == files


@contextmanager
def another_writer(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that writes to folder/warehouse.duckdb without end."""
    command = [sys.executable, str(HERE / "hold_writer.py"), str(folder)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def test_a_second_writer_waits_then_says_who_writes_and_follows_once_that_ends(tmp_path: Path) -> None:
    path = filled(tmp_path / "warehouse.duckdb")
    with another_writer(tmp_path) as child:
        began = time.monotonic()
        said = refusal(lambda: open_waiting(path, 0.5), LeaseHeldError)
        assert time.monotonic() - began >= 0.5
        assert f"held by process {child.pid} on " in said
        killer = threading.Timer(0.3, lambda: os.kill(child.pid, signal.SIGKILL))
        killer.start()
        open_waiting(path, 30.0)
        killer.join()
    with read(path) as reader:
        assert len(reader.history("b", "richness")) == 9
        whole_seasons.check_serving(reader.connection)


def open_waiting(path: Path, wait_s: float) -> None:
    with open_writer(path, now=NOW, wait_s=wait_s):
        pass


def standing(inputs_hash: str) -> BlockSeasonRow:
    """What the block says its season is made from."""
    return BlockSeasonRow("2025-Q4", "block-1", 10.0, 9, 0.1, 0.5, True, True, 9, 0, "", "run-1", inputs_hash)


def record_again(
    writer: Writer, folder: Path, mean: float, inputs_hash: str, now: datetime, *, stands: bool
) -> None:
    """Estimate the last season of woodland a once more from other scenes, as a run does."""
    with writer.as_one("season 2025-Q4"):
        writer.load_block_seasons([standing(inputs_hash)] if stands else [], now=now)
        load_rows(writer, folder, [estimate("a", mean=mean, inputs_hash=inputs_hash)], now)


@pytest.mark.parametrize("stands", [True, False], ids=["block with a standing", "block without"])
@pytest.mark.parametrize("jump", [timedelta(0), timedelta(seconds=-1), timedelta(days=-400)])
def test_after_a_clock_jumped_back_the_last_run_is_still_the_one_that_is_shown(
    tmp_path: Path, jump: timedelta, stands: bool
) -> None:
    path, tomorrow = filled(tmp_path / "warehouse.duckdb"), NOW + timedelta(days=1)
    with open_writer(path, now=NOW) as writer:
        record_again(writer, tmp_path, 80.0, "inputs-9", tomorrow, stands=stands)
        record_again(writer, tmp_path, 70.0, "inputs-2", tomorrow + jump, stands=stands)
        assert [row["mean"] for row in writer.reader.history("a", season="2025-Q4")] == [70.0]
        assert [row["mean"] for row in writer.reader.estimate("a", "2025-Q4")] == [84.0, 80.0, 70.0]
        before = writer.reader.history("a", season="2025-Q4", as_of=tomorrow - timedelta(minutes=1))
        assert [row["mean"] for row in before] == [84.0]
        whole_seasons.check_serving(writer.reader.connection)


def test_what_was_recorded_by_a_clock_that_was_ahead_is_one_clear_line_of_the_check(tmp_path: Path) -> None:
    path = filled(tmp_path / "warehouse.duckdb")
    with open_writer(path, now=NOW) as writer:
        load_rows(writer, tmp_path, [estimate("a", "2016-Q4")], NOW + timedelta(days=70 * 365))
        (clock,) = (
            each for each in check_content(writer.reader.connection, now=NOW) if each.check == "clock"
        )
    assert clock.outcome is Outcome.FAILED
    assert clock.remedy == "set the clock before the next run"
