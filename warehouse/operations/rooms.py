"""What the warehouse takes on disk, and how many rows it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from warehouse.database import connect, query, refusals


@dataclass(frozen=True)
class Blocks:
    """The blocks of a database file, and how many of them hold nothing."""

    block_bytes: int
    total: int
    free: int

    @property
    def free_bytes(self) -> int:
        """What a file without free blocks would save."""
        return self.block_bytes * self.free

    @property
    def free_share(self) -> float:
        """0 to 1; 0 for an empty file."""
        return self.free / self.total if self.total else 0.0


def blocks_of(connection: duckdb.DuckDBPyConnection) -> Blocks:
    """Return the blocks of the open file."""
    with refusals("blocks"):
        size, total, free = connection.execute(query("blocks")).fetchone() or (0, 0, 0)
    return Blocks(int(size), int(total), int(free))


def row_counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return the number of rows of each table; no column is read for it."""
    return {name: int(_of_table(connection, "row_count", name)[0]) for name in _tables(connection)}


def table_sums(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, str]]:
    """Return (rows, sum of their hashes) of each table: the same for the same rows in any order.

    Every block is read, and so held against the checksum the file keeps of it; WarehouseError names the
    table that cannot be read. Sums of two versions of DuckDB are not to be compared.
    """
    found = ((name, _of_table(connection, "table_sums", name)) for name in _tables(connection))
    return {name: (int(n), str(total)) for name, (n, total) in found}


def _tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    with refusals("tables"):
        return [str(name) for (name,) in connection.execute(query("tables")).fetchall()]


def _of_table(connection: duckdb.DuckDBPyConnection, asked: str, table: str) -> tuple[Any, ...]:
    with refusals(f"table {table}"):
        (found,) = connection.execute(query(asked), {"name": table}).fetchall()
    return tuple(found)


def schema_text(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str]]:
    """Return (kind, name, text) of every table, view, macro and comment."""
    with refusals("schema"):
        return connection.execute(query("schema_text")).fetchall()


def counts_of(path: Path) -> tuple[Blocks, Mapping[str, int]]:
    """Return the blocks and row counts of a database file that nobody has open for writing."""
    with connect(path, read_only=True) as connection:
        return blocks_of(connection), row_counts(connection)


def size_of(path: Path) -> tuple[int, int]:
    """Return (bytes, files) of a file or of everything below a folder; links are not followed."""
    if path.is_symlink() or not path.is_dir():
        return (path.stat().st_size, 1) if path.is_file() and not path.is_symlink() else (0, 0)
    parts = [size_of(each) for each in path.iterdir()]
    return sum(size for size, _ in parts), sum(n for _, n in parts)
