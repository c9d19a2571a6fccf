"""What must hold around the warehouse file: its snapshot, its lease, its staging."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from warehouse.database import refusals
from warehouse.lease_files import record_of
from warehouse.operations.checks import Finding, Outcome
from warehouse.operations.vacuum import leftover_drafts
from warehouse.publish import lease_path
from warehouse.snapshots import current_snapshot, earlier_snapshots

#: How long after the warehouse was written its snapshot may be older, unless told otherwise.
MOST_BEHIND = timedelta(hours=24)


@dataclass(frozen=True)
class Places:
    """Where an installation keeps what is looked at."""

    warehouse: Path
    published: Path
    staging: Path


def check_surroundings(
    places: Places, *, loaded: frozenset[str], now: datetime, most_behind: timedelta = MOST_BEHIND
) -> list[Finding]:
    """Return a finding each on the snapshot's age and what was left over; nothing is changed.

    loaded: seasons that the warehouse holds estimates of. now: aware.
    """
    return [
        check_snapshot(places.warehouse, places.published, most_behind),
        check_staging(places.staging, loaded),
        check_drafts(places, now),
    ]


def check_snapshot(warehouse: Path, published: Path, most_behind: timedelta) -> Finding:
    """Return whether the snapshot is of the warehouse as it was written last."""
    name = "snapshot"
    if not published.is_file():
        if not warehouse.exists():
            return Finding(name, Outcome.LOOK, "neither a warehouse nor a snapshot is here", "run a season")
        return Finding(name, Outcome.FAILED, f"{published}: no such file", "underwood warehouse publish")
    if not warehouse.is_file():
        found = f"{warehouse}: no such file; only its snapshot is here"
        return Finding(name, Outcome.FAILED, found, "underwood warehouse restore BACKUP")
    behind = _written(warehouse) - _written(published)
    if behind > most_behind:
        found = f"{behind / timedelta(hours=1):.1f} h older than the warehouse"
        remedy = "its load was not published: underwood warehouse publish"
        return Finding(name, Outcome.FAILED, found, remedy)
    return _check_paper(published)


def _check_paper(published: Path) -> Finding:
    """Return whether the JSON beside the snapshot is of this very file, to its last byte."""
    with refusals(f"snapshot {published}"):
        current = current_snapshot(published)
    if current is None or not current.sha256:
        found = f"{published.with_suffix('.json')}: missing, or of another file"
        return Finding("snapshot", Outcome.LOOK, found, "underwood warehouse publish makes both anew")
    if current.damage:
        return Finding("snapshot", Outcome.FAILED, current.damage, "underwood warehouse publish")
    kept = f", {len(earlier_snapshots(published))} earlier ones"
    return Finding("snapshot", Outcome.FINE, f"published {current.published_at:%Y-%m-%d %H:%M} UTC{kept}")


def _written(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def check_lease(warehouse: Path, now: datetime) -> Finding:
    """Return who holds the lease by its record, and whether the holder still renews it."""
    record = record_of(lease_path(warehouse))
    if not record.holder:
        return Finding("lease", Outcome.FINE, "free")
    found = f"held by {record.holder}, number {record.token}, until {record.expires_at or 'unknown'}"
    if record.seems_expired(now.timestamp()):
        return Finding("lease", Outcome.LOOK, f"{found}; no longer renewed", "the next writer takes it over")
    return Finding("lease", Outcome.FINE, found)


def check_staging(staging: Path, loaded: frozenset[str]) -> Finding:
    """Return which seasons have staged estimates and none in the warehouse."""
    waiting = sorted(set(_staged_seasons(staging)) - loaded)
    if waiting:
        found = f"seasons staged and not loaded: {len(waiting)} (such as {waiting[0]})"
        return Finding("staging", Outcome.LOOK, found, "underwood run --season, which loads them")
    return Finding("staging", Outcome.FINE, "every season staged is loaded")


def _staged_seasons(staging: Path) -> Iterator[str]:
    for folder in staging.iterdir() if staging.is_dir() else []:
        if folder.name[4:6] == "-Q" and next(folder.glob("*.parquet"), None):
            yield folder.name


def check_drafts(places: Places, now: datetime) -> Finding:
    """Return what killed processes left unfinished."""
    folders = {places.warehouse.parent, places.published.parent, *_folders(places.staging)}
    left = [found for folder in sorted(folders) for found in leftover_drafts(folder, now)]
    if left:
        size = sum(each.bytes for each in left)
        found = f"unfinished files: {len(left)}, {size:,} bytes (such as {left[0].path})"
        return Finding("left over", Outcome.LOOK, found, "underwood warehouse vacuum")
    return Finding("left over", Outcome.FINE, "nothing was left by killed processes")


def _folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
