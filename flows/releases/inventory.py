"""The inventory in force: the settings' boundary file, its woodlands by the ids they have for good."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.releases.comparing import differences, links_between
from flows.releases.files import ReleaseFile, read_release_file
from flows.releases.recorded import Recorded, Version, recorded_at
from flows.sources.boundaries.woodlands import BoundaryReading, Note
from monitoring.boundaries.matching import Kind
from monitoring.errors import BoundaryError
from monitoring.woodlands import Woodland


@dataclass(frozen=True)
class Inventory:
    """What the service works with."""

    file: ReleaseFile
    reading: BoundaryReading
    """Woodlands by their own ids and with the polygons on record, in file order."""
    release: str
    """The release they are of; empty before the first is recorded."""


def open_inventory(path: Path, published: Path, warehouse: Path) -> Inventory:
    """Return the inventory of a boundary file; BoundaryError where it is not the one loaded last."""
    return in_force(read_release_file(path), recorded_at(published, warehouse))


def in_force(file: ReleaseFile, recorded: Recorded) -> Inventory:
    """Return a file's woodlands as recorded; BoundaryError, with what to do, for a file that is no release.

    The file is the newest release by its digest, or by holding the same woodlands. While the first release is
    the only one, woodlands may be added to its file: nothing is to be matched then.
    """
    newest = recorded.newest
    if newest is None:
        return Inventory(file, file.reading, "")
    known = {version.source_id: version for version in recorded.standing}
    sources = {woodland.id for woodland in file.reading.woodlands}
    is_newest = file.sha256 == newest.sha256 and sources >= known.keys()
    if not (is_newest or _is_alike(file.reading.woodlands, known, recorded)):
        raise BoundaryError(_stop(file, recorded))
    return Inventory(file, _renamed(file.reading, known), newest.id)


def _is_alike(woodlands: Sequence[Woodland], known: Mapping[str, Version], recorded: Recorded) -> bool:
    """Return whether a file holds the woodlands on record; others too, of the first release only."""
    added = [one for one in woodlands if one.id not in known]
    may_add = len(recorded.releases) == 1 and recorded.given.isdisjoint(one.id for one in added)
    if len(woodlands) - len(added) < len(known) or (added and not may_add):
        return False
    links = links_between(recorded.standing, [one for one in woodlands if one.id in known])
    said = {one.id: one for one in woodlands}
    return all(link.kind is Kind.KEPT for link in links) and not any(
        differences(version, said[source_id]) for source_id, version in known.items()
    )


def _stop(file: ReleaseFile, recorded: Recorded) -> str:
    newest = recorded.releases[-1]
    before = next((each for each in recorded.releases[:-1] if each.sha256 == file.sha256), None)
    now = f"release {newest.id!r}" + (f" ({newest.source})" if newest.source else "")
    if before is not None:
        return (
            f"woodlands {file.path}: release {before.id!r}, but {now} was loaded since: name its file instead"
        )
    return (
        f"woodlands {file.path}: differs from {now}, the one loaded last; "
        f"to make it the next: underwood releases load {file.path} --name NAME"
    )


def _renamed(reading: BoundaryReading, known: Mapping[str, Version]) -> BoundaryReading:
    ids = {source_id: version.woodland.id for source_id, version in known.items()}
    woodlands = (known[one.id].woodland if one.id in known else one for one in reading.woodlands)
    notes = (Note(ids.get(note.woodland_id, note.woodland_id), note.text) for note in reading.notes)
    return dataclasses.replace(reading, woodlands=tuple(woodlands), notes=tuple(notes))
