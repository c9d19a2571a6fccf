"""The published snapshot: what everybody but the writer reads, replaced in one rename."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from monitoring.errors import WarehouseError
from warehouse.database import connect, copied, query, refusals, take_over
from warehouse.drafts import draft_of, force_to_disk, settle
from warehouse.lease import Lease, lease
from warehouse.lease_files import TTL_S
from warehouse.snapshots import (
    Snapshot,
    SnapshotPolicy,
    current_snapshot,
    describe,
    digest_of,
    keep,
    remove_by_policy,
    remove_unfinished,
    write_paper,
)

DEFAULT_POLICY = SnapshotPolicy()


def publish(
    path: Path,
    published: Path,
    *,
    wait_s: float = 0.0,
    policy: SnapshotPolicy = DEFAULT_POLICY,
    now: datetime | None = None,
) -> Path:
    """Replace `published` with the present content of the warehouse, under its lease.

    Readers of the former snapshot keep it until they close; whoever opens later sees the new one. A process
    that already holds the lease calls `Writer.publish`. LeaseHeldError after `wait_s`. See `copy_snapshot`.
    """
    if not path.is_file():
        raise WarehouseError(f"warehouse {path}: does not exist; there is nothing to publish")
    with (
        write_lease(path, wait_s=wait_s) as held,
        connect(path, read_only=False, held=held) as connection,
    ):
        return copy_snapshot(connection, published, held=held, policy=policy, now=now)


@contextmanager
def write_lease(path: Path, *, wait_s: float = 0.0, ttl_s: float = TTL_S) -> Iterator[Lease]:
    """Hold the lease of a warehouse whose files no former holder can reach any more."""
    with lease(lease_path(path), wait_s=wait_s, ttl_s=ttl_s) as held:
        take_over(path, held)
        yield held


def copy_snapshot(
    connection: duckdb.DuckDBPyConnection,
    published: Path,
    *,
    held: Lease | None = None,
    policy: SnapshotPolicy = DEFAULT_POLICY,
    now: datetime | None = None,
) -> Path:
    """Copy the file of the open warehouse to `published`: whole, or not at all.

    The former snapshot joins the earlier ones, of which those of the policy are kept; where nothing changed
    since, all stays as it is. `now` is when it is published, the present moment unless given. LeaseLostError
    where the lease was lost on the way: then what is published is another holder's.
    """
    draft = draft_of(published)
    with refusals(f"snapshot {published}"):
        published.parent.mkdir(parents=True, exist_ok=True)
        remove_unfinished(published)
        token = _token_above(published, held) if held else 0
        with _copy(connection, draft):
            snapshot = describe(draft, published, now or datetime.now(UTC), token)
            if not _is_published(snapshot):
                _replace(draft, snapshot, held)
        # The snapshot is published; what could not be removed is removed next time.
        with contextlib.suppress(WarehouseError):
            remove_by_policy(published, policy)
    return published


def lease_path(path: Path) -> Path:
    """Return the lease file that guards a warehouse."""
    return path.with_name(f"{path.name}.lease")


@contextmanager
def _copy(connection: duckdb.DuckDBPyConnection, draft: Path) -> Iterator[None]:
    """Copy the file and its log, and fold the log into the copy: a full disk cannot harm the warehouse."""
    (path,) = connection.execute(query("open_file")).fetchone() or ("",)
    with copied(Path(path), draft, "it was published"):
        with connect(draft, read_only=False) as copy:
            copy.execute("checkpoint")
        # Here, so that the lease is fenced for a moment only once the copy takes its place.
        force_to_disk(draft)
        yield


def _token_above(published: Path, held: Lease) -> int:
    """Return the holder's token, which only a lease file lost since can leave below the published one."""
    former = current_snapshot(published)
    if former and former.token > held.token:
        held.outrank(former.token)
    return held.token


def _is_published(snapshot: Snapshot) -> bool:
    """True where the very same content is published already, undamaged."""
    former = current_snapshot(snapshot.path)
    return former is not None and snapshot.sha256 == former.sha256 == digest_of(former.path)


def _replace(draft: Path, snapshot: Snapshot, held: Lease | None) -> None:
    """Keep the former snapshot under its other name, then put the new one in its place.

    Killed between any two steps, a whole snapshot is published: the former one, or the new one whose paper
    is that of the former and so is not believed.
    """
    former = current_snapshot(snapshot.path)
    is_worth_keeping = former is not None and former.is_readable
    with held.fenced() if held else contextlib.nullcontext():
        if former and is_worth_keeping:
            keep(former)
        settle(draft, snapshot.path)
        write_paper(snapshot.path, snapshot)
