"""DuckDB connections and the SQL files they run."""

from __future__ import annotations

import contextlib
import glob
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from pathlib import Path

import duckdb

from monitoring.errors import WarehouseError
from warehouse.drafts import discard, draft_of, settle, unfinished
from warehouse.lease import Lease


@cache
def query(name: str) -> str:
    """Return the text of `queries/<name>.sql`."""
    return resources.files("warehouse").joinpath("queries", f"{name}.sql").read_text("utf-8")


@contextmanager
def refusals(subject: str) -> Iterator[None]:
    """Turn what DuckDB or the file system raises into one WarehouseError line."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise WarehouseError(f"{subject}: {first}") from error


@contextmanager
def connect(path: Path, *, read_only: bool, held: Lease | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database file as catalogue `warehouse` and close it at the end.

    Each connection is a DuckDB instance of its own: opening by path would share one instance within a
    process, and then a reader would keep seeing the snapshot that was published when the first reader opened.
    A writer gives the lease it holds: should that be lost, closing leaves the files to the one who has it.
    """
    connection = duckdb.connect()
    try:
        with refusals(f"warehouse {path}"), _fence(held):
            connection.execute(
                query("attach_readonly" if read_only else "attach_writable"), {"path": str(path)}
            )
            connection.execute("use warehouse")
        if held is None:
            yield connection
        else:
            # Closing would fold the log of commits into the file and delete the log by name, whosever it is.
            connection.execute("pragma disable_checkpoint_on_shutdown")
            yield connection
            _checkpoint_last(connection, held)
    finally:
        connection.close()


@contextmanager
def transaction(
    connection: duckdb.DuckDBPyConnection, subject: str, held: Lease | None = None
) -> Iterator[None]:
    """Commit what happens inside as one; on any error roll everything back.

    With the lease given, nobody can take it over in the middle of the commit, and one that is lost refuses
    the commit: LeaseLostError.
    """
    with refusals(subject):
        connection.execute("begin transaction")
        try:
            yield
            with _fence(held):
                connection.execute("commit")
        except BaseException:
            _roll_back(connection)
            raise


def begin(path: Path) -> None:
    """Make an empty database file where there is none, whole or not at all. Under the lease.

    DuckDB opens no file whose first blocks were cut short, and it writes them one after the other.
    WarehouseError beside a log of commits whose file is gone.
    """
    if path.exists():
        return
    log = path.with_name(f"{path.name}.wal")
    if log.exists():
        raise WarehouseError(
            f"warehouse {path}: missing, while its log of commits {log.name} is there; put the warehouse back"
        )
    draft = draft_of(path)
    with refusals(f"warehouse {path}"):
        try:
            for leftover in unfinished(path):
                discard(leftover)
            with connect(draft, read_only=False):
                pass
            settle(draft, path)
        finally:
            discard(draft)


def take_over(path: Path, held: Lease) -> None:
    """Give the warehouse files of its own that a former holder, who may yet wake up, cannot reach.

    Does nothing where the former holder ended. What was committed is in the new files; what was not, the
    former holder can no longer commit. WarehouseError where the files change while they are copied.
    """
    heir_of = held.heir_of
    if not heir_of:
        return
    draft = draft_of(path)
    with refusals(f"warehouse {path}"), copied(path, draft, f"it is taken over from {heir_of}") as drafts:
        if drafts:
            _refuse_damaged(draft)
        # The log of commits goes first: between two renames it fits the old file as well as the new one.
        for part in sorted(drafts, reverse=True):
            with held.fenced():
                settle(drafts[part], part)
    held.settle_estate()


@contextmanager
def copied(path: Path, draft: Path, why: str) -> Iterator[dict[Path, Path]]:
    """Copy a database file and its logs of commits to drafts, by part, discarded at the end.

    WarehouseError where they change while they are copied: then somebody writes who should not.
    """
    drafts = {part: draft.with_name(draft.name + part.name[len(path.name) :]) for part in _parts(path)}
    before = {part: _look(part) for part in drafts}
    try:
        for leftover in unfinished(path):
            discard(leftover)
        for part, each in drafts.items():
            copy_apart(part, each)
        if {part: _look(part) for part in _parts(path)} != before:
            raise WarehouseError(
                f"warehouse {path}: changed while {why}; end who else writes, then run again"
            )
        yield drafts
    finally:
        for each in drafts.values():
            discard(each)


def copy_apart(source: Path, draft: Path) -> None:
    """Copy a file in a process of its own, sharing blocks where the file system can; OSError where it fails.

    A process that closes a file loses its locks on it (POSIX), also those of a DuckDB in it that has it open.
    """
    done = subprocess.run(
        ["cp", "--", str(source), str(draft)],
        stderr=subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C"},
        restore_signals=False,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or f"cp ended with {done.returncode}"
        raise OSError(f"{source}: not copied: {said.splitlines()[-1]}")


def _refuse_damaged(draft: Path) -> None:
    with connect(draft, read_only=True):
        return


def _fence(held: Lease | None) -> contextlib.AbstractContextManager[None]:
    return held.fenced() if held else contextlib.nullcontext()


def _checkpoint_last(connection: duckdb.DuckDBPyConnection, held: Lease) -> None:
    """Fold the log of commits into the file; where that cannot be done the next writer does it."""
    with contextlib.suppress(WarehouseError, duckdb.Error), held.fenced():
        connection.execute("checkpoint")


def _parts(path: Path) -> list[Path]:
    """The database file, and the logs of commits beside it."""
    return [path, *path.parent.glob(f"{glob.escape(path.name)}.wal*")] if path.exists() else []


def _look(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    """A failed commit has already rolled back, and then there is nothing to do."""
    try:
        connection.execute("rollback")
    except duckdb.TransactionException:
        return
