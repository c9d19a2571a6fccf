"""DuckDB connections and the SQL files they run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from pathlib import Path

import duckdb

from monitoring.errors import WarehouseError


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
def connect(path: Path, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database file as catalogue `warehouse` and close it at the end.

    Each connection is a DuckDB instance of its own: opening by path would share one instance within a
    process, and then a reader would keep seeing the snapshot that was published when the first reader opened.
    """
    connection = duckdb.connect()
    try:
        with refusals(f"warehouse {path}"):
            connection.execute(
                query("attach_readonly" if read_only else "attach_writable"), {"path": str(path)}
            )
            connection.execute("use warehouse")
        yield connection
    finally:
        connection.close()


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection, subject: str) -> Iterator[None]:
    """Commit what happens inside as one; on any error roll everything back."""
    with refusals(subject):
        connection.execute("begin transaction")
        try:
            yield
            connection.execute("commit")
        except BaseException:
            _roll_back(connection)
            raise


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    """A failed commit has already rolled back, and then there is nothing to do."""
    try:
        connection.execute("rollback")
    except duckdb.TransactionException:
        return
