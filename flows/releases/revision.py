"""Revisions: what loading a release would record, and what a person should look at in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import shapely

from flows.releases.comparing import differences, links_between
from flows.releases.files import ReleaseFile
from flows.releases.recorded import Recorded, Version
from monitoring.boundaries.allotting import SAME, allot
from monitoring.boundaries.matching import Kind, Link
from monitoring.errors import BoundaryError
from monitoring.woodlands import Woodland, boundary_digest
from warehouse.records import LineageRow, ReleaseRow, WoodlandVersionRow

#: A release that leaves fewer of the woodlands than this is taken for another region's file.
LEAST_LEFT_SHARE = 0.5
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


@dataclass(frozen=True)
class Change:
    """Something about one woodland that is not as it was."""

    kind: Kind
    old_id: str
    new_id: str
    name: str
    shared_ha: float
    share_of_old: float
    share_of_new: float
    status_before: str
    status_after: str
    note: str


@dataclass(frozen=True)
class Revision:
    """A release matched with the woodlands on record."""

    release: ReleaseRow
    versions: tuple[WoodlandVersionRow, ...]
    lineage: tuple[LineageRow, ...]
    changes: tuple[Change, ...]
    """Of woodlands that are not simply kept, by old id and new id."""

    def count(self, kind: Kind) -> tuple[int, int]:
        """Return how many woodlands before, and how many after, are of a kind."""
        of_kind = [row for row in self.lineage if row.kind == kind]
        return len({row.old_id for row in of_kind} - {""}), len({row.new_id for row in of_kind} - {""})


def revise(
    file: ReleaseFile,
    recorded: Recorded,
    name: str,
    valid_from: date | None = None,
    *,
    most_may_go: bool = False,
) -> Revision:
    """Return what a release makes of the woodlands on record; BoundaryError where it cannot be one."""
    _refuse_name(name)
    _refuse_day(name, valid_from, recorded)
    woodlands = file.reading.woodlands
    if not woodlands:
        raise BoundaryError(f"release {name}: {file.path}: no usable woodland among its features")
    links = links_between(recorded.standing, woodlands)
    _refuse_loss(name, file, links, recorded, most_may_go)
    ids = allot(links, [woodland.id for woodland in woodlands], recorded.given, name)
    known = {version.woodland.id: version for version in recorded.standing}
    by_id = {woodland.id: woodland for woodland in woodlands}
    lineage = tuple(_lineage_row(link, ids, name) for link in links)
    versions = _versions(links, ids, known, by_id, name, valid_from)
    changes = [_change(link, ids, known, by_id) for link in links]
    release = ReleaseRow(
        id=name,
        source=file.path.name,
        sha256=file.sha256,
        valid_from=valid_from,
        n_woodlands=len(woodlands),
        n_refused=len(file.reading.refused),
    )
    told = tuple(change for change in changes if change.kind is not Kind.KEPT or change.note)
    return Revision(release, versions, lineage, told)


def _refuse_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise BoundaryError(
            f"release {name!r}: a name is 1 to 32 of A-Z a-z 0-9 . _ -, the first a letter or digit"
        )


def _refuse_day(name: str, valid_from: date | None, recorded: Recorded) -> None:
    last = recorded.newest.valid_from if recorded.newest else None
    if valid_from and last and valid_from <= last:
        raise BoundaryError(f"release {name}: valid from {valid_from}, but the one before it from {last}")


def _refuse_loss(
    name: str, file: ReleaseFile, links: Sequence[Link], recorded: Recorded, most_may_go: bool
) -> None:
    before, gone = len(recorded.standing), sum(link.kind is Kind.GONE for link in links)
    if before - gone < LEAST_LEFT_SHARE * before and not most_may_go:
        raise BoundaryError(
            f"release {name}: {file.path}: {gone} of {before} woodlands would be gone: the file of another "
            "region? (--most-may-go records it all the same)"
        )


def _lineage_row(link: Link, ids: Mapping[str, str], release: str) -> LineageRow:
    shares = link.shared_ha, link.share_of_old, link.share_of_new
    return LineageRow(release, link.old, ids[link.new] if link.new else "", link.kind.value, *shares)


def _versions(
    links: Sequence[Link],
    ids: Mapping[str, str],
    known: Mapping[str, Version],
    by_id: Mapping[str, Woodland],
    release: str,
    valid_from: date | None,
) -> tuple[WoodlandVersionRow, ...]:
    """Return the version of every woodland that is not exactly as recorded, by id."""
    going_on = {link.new: link for link in links if link.kind in SAME}
    rows = []
    for source_id, woodland_id in ids.items():
        link, woodland = going_on.get(source_id), by_id[source_id]
        before = known[woodland_id] if link else None
        if before and link and link.kind is Kind.KEPT:
            if differences(before, woodland) == ():
                continue
            woodland = _on_record(before, woodland)
        number = before.number + 1 if before else 1
        rows.append(_version_row(woodland, woodland_id, number, source_id, release, valid_from))
    return tuple(sorted(rows, key=lambda row: row.woodland_id))


def _on_record(before: Version, woodland: Woodland) -> Woodland:
    """Return a woodland with the polygon on record, which a drawn line's width does not change."""
    recorded = before.woodland
    return Woodland(
        id=woodland.id,
        name=woodland.name,
        park=woodland.park,
        status=woodland.status,
        geometry=recorded.geometry,
        area_ha=recorded.area_ha,
        repaired=recorded.repaired,
    )


def _version_row(
    woodland: Woodland, woodland_id: str, number: int, source_id: str, release: str, valid_from: date | None
) -> WoodlandVersionRow:
    inside = woodland.geometry.representative_point()
    return WoodlandVersionRow(
        woodland_id=woodland_id,
        version=number,
        release=release,
        source_id=source_id,
        name=woodland.name,
        park=woodland.park,
        status=woodland.status,
        is_ancient=woodland.is_ancient,
        area_ha=woodland.area_ha,
        geometry=shapely.to_wkb(woodland.geometry),
        longitude=inside.x,
        latitude=inside.y,
        repaired=woodland.repaired,
        boundary=boundary_digest(woodland.geometry),
        valid_from=valid_from,
    )


def _change(
    link: Link, ids: Mapping[str, str], known: Mapping[str, Version], by_id: Mapping[str, Woodland]
) -> Change:
    before, after = known.get(link.old), by_id.get(link.new)
    return Change(
        kind=link.kind,
        old_id=link.old,
        new_id=ids[link.new] if link.new else "",
        name=(after and after.name) or (before.woodland.name if before else ""),
        shared_ha=link.shared_ha,
        share_of_old=link.share_of_old,
        share_of_new=link.share_of_new,
        status_before=before.woodland.status.value if before else "",
        status_after=after.status.value if after else "",
        note="; ".join(_notes(link, ids, before, after)),
    )


def _notes(
    link: Link, ids: Mapping[str, str], before: Version | None, after: Woodland | None
) -> Sequence[str]:
    if before and after and link.kind in SAME:
        return differences(before, after)
    notes = []
    if after and ids[after.id] != after.id:
        notes.append(f"id {after.id} was given before: this is another woodland")
    if link.kind is Kind.NEW and link.old:
        notes.append(f"on ground of {link.old}, which goes on")
    return notes
