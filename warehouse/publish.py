"""The published snapshot: what everybody but the writer reads, replaced in one rename."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

from warehouse.database import connect, query, refusals
from warehouse.lease import lease
from warehouse.staging import discard, settle


def publish(path: Path, published: Path, *, wait_s: float = 0.0) -> Path:
    """Replace `published` with the present content of the warehouse, under its lease.

    Readers of the former snapshot keep it until they close; whoever opens later sees the new one. A process
    that already holds the lease calls `Writer.publish`. LeaseHeldError after `wait_s`.
    """
    with lease(lease_path(path), wait_s=wait_s), connect(path, read_only=True) as connection:
        return copy_snapshot(connection, published)


def copy_snapshot(connection: duckdb.DuckDBPyConnection, published: Path) -> Path:
    """Copy the open warehouse to `published`: whole, or not at all."""
    draft = published.with_name(f".{published.name}.{os.getpid()}.draft")
    try:
        with refusals(f"snapshot {published}"):
            published.parent.mkdir(parents=True, exist_ok=True)
            draft.unlink(missing_ok=True)
            _copy(connection, draft)
            settle(draft, published)
    finally:
        discard(draft)
    return published


def lease_path(path: Path) -> Path:
    """Return the lock file that guards a warehouse."""
    return path.with_name(f"{path.name}.lease")


def _copy(connection: duckdb.DuckDBPyConnection, draft: Path) -> None:
    connection.execute(query("attach_snapshot"), {"path": str(draft)})
    try:
        connection.execute(query("copy_snapshot"))
        connection.execute("checkpoint snapshot")
    finally:
        connection.execute("detach snapshot")
