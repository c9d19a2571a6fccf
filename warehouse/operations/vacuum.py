"""Room made on disk: what is known to be of no more use goes, and a file of free blocks is written anew."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from monitoring.errors import WarehouseError
from warehouse.database import connect, query, refusals, transaction
from warehouse.drafts import draft_of, is_left_over, settle
from warehouse.operations.backup import checkpoint
from warehouse.operations.rooms import blocks_of, schema_text, table_sums
from warehouse.publish import DEFAULT_POLICY, write_lease
from warehouse.recording.serving import Serving
from warehouse.snapshots import SnapshotPolicy, earlier_snapshots, remove_by_policy

#: Share of free blocks from which a file is written anew.
FREE_SHARE = 0.25
#: A draft is left over when its process is gone and nobody wrote to it for this long.
DRAFT_AGE = timedelta(hours=1)

_SEASON = re.compile(r"\d{4}-Q[1-4]")
#: Estimates staged in a season's folder, and what was loaded of them. Listings stay, as replays and rebuilds
#: read them, and so do the estimates of reference sites, which are kept nowhere else.
_STAGED = re.compile(r"(load\.[0-9a-f-]{36}|(?!reference-).+-[0-9a-f]{16}(\.observations)?)\.parquet")


@dataclass(frozen=True)
class Removal:
    """One file of no more use."""

    path: Path
    bytes: int
    why: str


def leftover_drafts(folder: Path, now: datetime) -> Iterator[Removal]:
    """Yield the unfinished files of processes that are gone, directly in a folder; links are left alone."""
    for path in _files(folder):
        if is_left_over(path) and _age(path, now) > DRAFT_AGE:
            yield Removal(path, path.stat().st_size, "unfinished file of a process that is gone")


def loaded_staging(
    staging: Path, seasons: frozenset[str], age: timedelta, now: datetime
) -> Iterator[Removal]:
    """Yield what is staged of seasons that are loaded, and older than `age`.

    Only the names that staging gives; the ledger, vegetation indices and whatever else lies there stay.
    """
    for season in sorted(seasons):
        if _SEASON.fullmatch(season) and not (staging / season).is_symlink():
            for path in _files(staging / season):
                if _STAGED.fullmatch(path.name) and _age(path, now) > age:
                    yield Removal(path, path.stat().st_size, f"staged for {season}, which is loaded")


def surplus_snapshots(published: Path, policy: SnapshotPolicy = DEFAULT_POLICY) -> Iterator[Removal]:
    """Yield the earlier snapshots that the policy does not keep."""
    for each in policy.to_remove(earlier_snapshots(published)):
        yield Removal(
            each.path, each.size_bytes, f"snapshot of {each.published_at:%Y-%m-%d}, not kept by policy"
        )


def remove_snapshots(
    warehouse: Path, published: Path, policy: SnapshotPolicy = DEFAULT_POLICY, *, wait_s: float = 0.0
) -> int:
    """Remove the earlier snapshots that the policy does not keep, under the lease; return the bytes freed."""
    with write_lease(warehouse, wait_s=wait_s):
        return sum(each.size_bytes for each in remove_by_policy(published, policy))


def remove(removal: Removal) -> int:
    """Remove a file; return the bytes freed. WarehouseError where it cannot be."""
    with refusals(f"{removal.path}"):
        removal.path.unlink(missing_ok=True)
    return removal.bytes


def free_bytes(warehouse: Path) -> int:
    """Return what writing the file anew would free, roughly; 0 where too little of it is free."""
    with connect(warehouse, read_only=True) as connection:
        found = blocks_of(connection)
    return found.free_bytes if found.free_share >= FREE_SHARE else 0


def rewrite(warehouse: Path, *, wait_s: float = 0.0) -> int:
    """Write the file anew without its free blocks, under the lease; return the bytes freed.

    The new file takes the old one's place only when schema, comments and every row of both are equal.
    """
    draft = draft_of(warehouse)
    with write_lease(warehouse, wait_s=wait_s) as held, refusals(f"warehouse {warehouse}"):
        checkpoint(warehouse, held)
        before = warehouse.stat().st_size
        try:
            draft.unlink(missing_ok=True)
            _copy(warehouse, draft)
            _refuse_unlike(warehouse, draft)
            with held.fenced():
                settle(draft, warehouse)
        finally:
            draft.unlink(missing_ok=True)
        return before - warehouse.stat().st_size


def rebuild_serving(warehouse: Path, *, wait_s: float = 0.0) -> None:
    """Make the serving tables anew from the log, in one transaction, under the lease."""
    with (
        write_lease(warehouse, wait_s=wait_s) as held,
        connect(warehouse, read_only=False, held=held) as connection,
        transaction(connection, "serving tables", held),
    ):
        Serving(connection).rebuild()


def _copy(warehouse: Path, draft: Path) -> None:
    with connect(warehouse, read_only=True) as connection:
        connection.execute(query("attach_snapshot"), {"path": str(draft)})
        connection.execute(query("copy_snapshot"))
        connection.execute("checkpoint snapshot")
        connection.execute("detach snapshot")


def _refuse_unlike(warehouse: Path, draft: Path) -> None:
    with connect(warehouse, read_only=True) as old, connect(draft, read_only=True) as new:
        if schema_text(old) != schema_text(new):
            raise WarehouseError(f"warehouse {warehouse}: the new file has another schema; left as it was")
        if table_sums(old) != table_sums(new):
            raise WarehouseError(f"warehouse {warehouse}: the new file has other rows; left as it was")


def _files(folder: Path) -> Iterator[Path]:
    """Yield the plain files of a folder by name; nothing where there is no such folder."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if stat.S_ISREG(path.lstat().st_mode):
            yield path


def _age(path: Path, now: datetime) -> timedelta:
    return timedelta(seconds=now.timestamp() - path.stat().st_mtime)
