"""The content of a warehouse as one digest, to tell whether two runs found the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import duckdb

from warehouse.database import connect, query, refusals

#: What differs between two executions that found the same: their clocks and their ids.
_EXECUTION_COLUMNS = frozenset({"recorded_at", "applied_at", "started_at", "finished_at", "run_id"})
_EXECUTION_TABLES = frozenset({"run", "asset_failure"})


def content_digest(path: Path) -> str:
    """Return a SHA-256 over every row found, whichever execution found it, whenever and in whatever order.

    Clocks, run ids, the table of runs and that of failed assets are left out: a season that was killed, or
    disturbed, and run again leaves a second run and is to compare equal to an undisturbed one.
    """
    digest = hashlib.sha256()
    with connect(path, read_only=True) as connection, refusals(f"warehouse {path}"):
        for name in _tables(connection):
            lines = sorted(_lines(connection, name))
            digest.update("\n".join([name, str(len(lines)), *lines, ""]).encode())
    return digest.hexdigest()


def _tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    names = [name for (name,) in connection.execute(query("tables")).fetchall()]
    return [name for name in names if name not in _EXECUTION_TABLES]


def _lines(connection: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    relation = connection.table(name)
    kept = [column for column in relation.columns if column not in _EXECUTION_COLUMNS]
    rows: Sequence[Sequence[object]] = relation.select(*map(duckdb.ColumnExpression, kept)).fetchall()
    return [json.dumps(dict(zip(kept, row, strict=True)), default=_text, sort_keys=True) for row in rows]


def _text(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
