"""Questions in SQL to the published snapshot, asked where nothing but its rows is within reach."""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from monitoring.errors import SettingsError, WarehouseError
from warehouse.answering.answers import BATCH_ROWS, aware
from warehouse.database import query, refusals
from warehouse.migrate import refuse_other_schema

#: A person's question is shorter, and no time limit stops the parser.
MOST_CHARACTERS = 100_000
#: The parser's time grows with the third power of this: half a second here, an hour at ten times as many.
MOST_BRACKETS = 400
#: Below this the engine has no room for its own buffers.
LEAST_MEMORY_MB = 64

_MEMORY = re.compile(r"(\d{1,6}(?:\.\d{1,3})?) ?(MB|MiB|GB|GiB|TB|TiB)")
_MEGABYTES = {"MB": 1.0, "MiB": 1.048576, "GB": 1e3, "GiB": 1073.741824, "TB": 1e6, "TiB": 1099511.627776}

#: What a question never needs: extensions, keys of stores, room on the disk, the variables of this program.
_CONFIG: Mapping[str, str | bool] = {
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "python_enable_replacements": False,
}
#: Said once the snapshot is open, which stays readable; the last one makes all of them final.
_CONFINEMENT = (
    "set timezone = 'UTC'",
    "set enable_external_access = false",
    "set disabled_filesystems = 'LocalFileSystem'",
    "set lock_configuration = true",
)
_OUT_OF_REACH = "File system LocalFileSystem has been disabled"


@dataclass(frozen=True)
class Limits:
    """What a question may take; SettingsError for a limit that is none."""

    seconds: float = 30.0
    """Of the engine's own time: who reads the answer may be as slow as they like."""
    memory: str = "1GB"
    """Such as 500MB or 2GiB. Nothing is spilled to disk, so a question that needs more fails."""
    rows: int | None = None
    """None: as many as there are."""
    threads: int = 2

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= threading.TIMEOUT_MAX:
            raise SettingsError(f"time limit {self.seconds:g} s: not more than 0")
        if self.rows is not None and not 0 < self.rows < 2**62:
            raise SettingsError(f"row limit {self.rows}: not at least 1")
        if self.threads < 1:
            raise SettingsError(f"threads {self.threads}: not at least 1")
        found = _MEMORY.fullmatch(self.memory)
        if not found or float(found[1]) * _MEGABYTES[found[2]] < LEAST_MEMORY_MB:
            wanted = f"an amount of at least {LEAST_MEMORY_MB}MB such as 500MB or 2GB"
            raise SettingsError(f"memory limit {self.memory!r}: not {wanted}")


class Reply:
    """The rows of one question, read while they are computed."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, sql: str, limits: Limits) -> None:
        self._limits = limits
        self._patience = _Patience(connection, limits.seconds)
        with self._patience:
            relation = connection.sql(_only_question(connection, sql))
            # One row more than wanted tells whether there are more.
            limited = relation if limits.rows is None else relation.limit(limits.rows + 1)
            self._reader = limited.to_arrow_reader(BATCH_ROWS)
            self._names = _told_apart(self._reader.schema.names)
            self.schema: pa.Schema = aware(
                self._reader.schema.empty_table().rename_columns(self._names)
            ).schema
        self.is_cut = False

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows once, in parts; then `is_cut` says whether the row limit kept some back."""
        left = self._limits.rows
        for batch in self._read():
            yield batch if left is None else batch[:left]
            if left is not None:
                self.is_cut = batch.num_rows > left
                left -= min(left, batch.num_rows)
                if self.is_cut:
                    return

    def close(self) -> None:
        """Let go of the connection, which an answer read half would otherwise keep until the program ends."""
        del self._reader, self._patience

    def _read(self) -> Iterator[pa.RecordBatch]:
        while True:
            with self._patience:
                try:
                    batch = aware(self._reader.read_next_batch().rename_columns(self._names))
                except StopIteration:
                    return
            if batch.num_rows:
                yield batch


@contextmanager
def question(path: Path, sql: str, limits: Limits) -> Iterator[Reply]:
    """Ask a snapshot one question in SQL: a select, with, from, values, describe, show or summarize.

    Times of the answer are UTC. WarehouseError, one line, for anything that is not one question, that would
    reach beyond the snapshot's rows (files, addresses, extensions, settings, changes), or that takes more
    than the limits; and for a snapshot as `warehouse.reader.read`.
    """
    if len(sql) > MOST_CHARACTERS:
        raise WarehouseError(f"query: {len(sql)} characters; at most {MOST_CHARACTERS} are read")
    if _depth(sql) > MOST_BRACKETS:
        raise WarehouseError(f"query: brackets within brackets more than {MOST_BRACKETS} deep")
    with confined(path, limits) as connection:
        reply = Reply(connection, sql, limits)
        try:
            yield reply
        finally:
            reply.close()


@contextmanager
def confined(path: Path, limits: Limits) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a snapshot read-only, and close every other door of the connection for good."""
    if not path.is_file():
        raise WarehouseError(f"warehouse {path}: no such file; nothing has been published there yet")
    config: dict[str, Any] = {**_CONFIG, "memory_limit": limits.memory, "threads": limits.threads}
    with refusals(f"warehouse {path}"):
        connection = duckdb.connect(":memory:", config=config)
    try:
        with refusals(f"warehouse {path}"):
            connection.execute(query("attach_readonly"), {"path": str(path)})
            connection.execute("use warehouse")
            refuse_other_schema(connection)
            for statement in _CONFINEMENT:
                connection.execute(statement)
        yield connection
    finally:
        connection.close()


class _Patience:
    """A `with` that interrupts the engine once the time of a question is spent, and says what went wrong."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, seconds: float) -> None:
        self._connection, self._seconds, self._left = connection, seconds, seconds
        self._is_over = False

    def __enter__(self) -> None:
        self._started = time.monotonic()
        self._timer = threading.Timer(max(self._left, 0.0), self._interrupt)
        self._timer.daemon = True
        self._timer.start()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._timer.cancel()
        self._left -= time.monotonic() - self._started
        if isinstance(error, duckdb.Error | pa.ArrowException | OSError):
            raise WarehouseError(self._trouble(error)) from error

    def _interrupt(self) -> None:
        self._is_over = True
        self._connection.interrupt()

    def _trouble(self, error: Exception) -> str:
        if self._is_over:
            return f"query: took longer than {self._seconds:g} s (--timeout)"
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        if _OUT_OF_REACH in lines[0]:
            return "query: reaches for a file or an address; it may read the warehouse and nothing else"
        hints = [line for line in lines[1:] if line.startswith(("Candidate", "Did you mean"))]
        return f"query: {'; '.join([lines[0], *hints])}"


def _only_question(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise WarehouseError(f"query: {len(statements)} statements; exactly one is answered")
    kind = statements[0].type
    if kind != duckdb.StatementType.SELECT:
        asked = "select, with, from, values, describe, show, summarize"
        raise WarehouseError(f"query: {_name(kind)} is not a question; one begins with {asked}")
    return statements[0]


def _depth(sql: str) -> int:
    """Return how deep brackets lie within brackets, those inside of texts counted too."""
    steps = (1 if character in "([{" else -1 for character in sql if character in "([{)]}")
    return max(itertools.accumulate(steps), default=0)


def _told_apart(names: Sequence[str]) -> list[str]:
    """Return column names of which no two are alike: the second `a` is `a_1`."""
    found: dict[str, None] = {}
    for name in names:
        numbered = (f"{name}_{number}" for number in itertools.count(1))
        found[next(each for each in itertools.chain([name], numbered) if each not in found)] = None
    return list(found)


def _name(kind: duckdb.StatementType) -> str:
    return str(kind).rsplit(".", 1)[-1].lower().replace("_", " ")
