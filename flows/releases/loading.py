"""Loading: a release becomes part of the record, in one transaction, and the snapshot shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from flows.releases.files import ReleaseFile, read_release_file
from flows.releases.inventory import Inventory
from flows.releases.recorded import Recorded, recorded_at, recorded_in
from flows.releases.revision import Revision, revise
from monitoring.errors import BoundaryError
from warehouse.reader import Reader
from warehouse.writer import Writer, open_writer

#: Name of the release that a service's first season records by itself.
FIRST = "1"


@dataclass(frozen=True)
class Loaded:
    """What came of loading a release."""

    revision: Revision
    n_rows_added: int
    """0 where it had been loaded before, or was only tried."""
    seasons: tuple[str, ...]
    """Seasons that were run for the woodlands before: to be run again for those whose polygon is new."""


def load_release(
    path: Path,
    name: str,
    valid_from: date | None,
    *,
    warehouse: Path,
    published: Path,
    now: datetime,
    wait_s: float,
    most_may_go: bool = False,
) -> Loaded | None:
    """Record a boundary file as the next release and publish; None where that very release is on record.

    BoundaryError, with nothing recorded, for a file that cannot be one or a name given to another.
    """
    file = read_release_file(path)
    with open_writer(warehouse, now=now, wait_s=wait_s) as writer:
        recorded = recorded_in(writer.reader)
        if is_on_record(file, name, valid_from, recorded):
            writer.publish(published)
            return None
        revision = revise(file, recorded, name, valid_from, most_may_go=most_may_go)
        added = writer.load_release(revision.release, revision.versions, revision.lineage, now=now)
        writer.publish(published)
        return Loaded(revision, added, seasons_of(writer.reader))


def try_release(
    path: Path,
    name: str,
    valid_from: date | None,
    *,
    warehouse: Path,
    published: Path,
    most_may_go: bool = False,
) -> Revision | None:
    """Return what loading a release would record; None where that very release is on record."""
    file, recorded = read_release_file(path), recorded_at(published, warehouse)
    if is_on_record(file, name, valid_from, recorded):
        return None
    return revise(file, recorded, name, valid_from, most_may_go=most_may_go)


def is_on_record(file: ReleaseFile, name: str, valid_from: date | None, recorded: Recorded) -> bool:
    """Return whether a file was loaded under that name; BoundaryError where only one of the two was."""
    known, newest = recorded.named(name), recorded.newest
    if known is not None:
        if (known.sha256, known.valid_from) != (file.sha256, valid_from):
            day = f" valid from {known.valid_from}" if known.valid_from else ""
            raise BoundaryError(
                f"release {name}: on record{day} from another {known.source or 'file'}: choose a new name"
            )
        return True
    if newest is not None and newest.sha256 == file.sha256:
        raise BoundaryError(f"release {name}: {file.path} is on record already as release {newest.id!r}")
    return False


def record_inventory(writer: Writer, inventory: Inventory, now: datetime) -> int:
    """Record what a season's rows will name: the first release where there is none, else what was added.

    BoundaryError where another release was loaded since the inventory was opened.
    """
    releases = [str(row["id"]) for row in writer.reader.releases()]
    if not releases:
        revision = revise(inventory.file, Recorded(), FIRST)
        return writer.load_release(revision.release, revision.versions, revision.lineage, now=now)
    if inventory.release != releases[-1] and (inventory.release or len(releases) > 1):
        raise BoundaryError(
            f"woodlands {inventory.file.path}: release {releases[-1]!r} was loaded meanwhile; run again"
        )
    return writer.load_woodlands(inventory.reading.woodlands, now=now)


def seasons_of(reader: Reader) -> tuple[str, ...]:
    """Return the seasons that were run, in order."""
    return tuple(sorted({str(row["season"]) for row in reader.standing()}))
