"""What a warehouse records of releases: their names, the woodlands that stand, every id ever given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import shapely

from monitoring.errors import WarehouseError
from monitoring.woodlands import Status, Woodland
from warehouse.database import connect
from warehouse.reader import Reader


@dataclass(frozen=True)
class Release:
    """A release that was loaded."""

    id: str
    source: str
    """Name of its file; empty where it was not stated."""
    sha256: str
    """Of its file; empty where it was not stated."""
    valid_from: date | None


@dataclass(frozen=True)
class Version:
    """The present version of a woodland that stands."""

    woodland: Woodland
    """By its own id, with the polygon on record."""
    number: int
    source_id: str
    """Its id in the newest release's file."""
    boundary: str


@dataclass(frozen=True)
class Recorded:
    """The inventory as recorded."""

    releases: tuple[Release, ...] = ()
    """In the order they were loaded."""
    standing: tuple[Version, ...] = ()
    """By id."""
    given: frozenset[str] = frozenset()
    """Every id that a woodland ever had."""

    @property
    def newest(self) -> Release | None:
        """The release that holds now; None before the first."""
        return self.releases[-1] if self.releases else None

    def named(self, release_id: str) -> Release | None:
        """Return the release of that name, if it was loaded."""
        return next((each for each in self.releases if each.id == release_id), None)


def recorded_in(reader: Reader) -> Recorded:
    """Return what a warehouse records of releases."""
    releases = tuple(_release(row) for row in reader.releases())
    if not releases:
        return Recorded()
    versions = reader.tables.woodland_history().arrow()
    rows = versions.drop_columns("geometry").to_pylist()
    polygons = shapely.from_wkb(versions["geometry"].to_numpy())
    standing = (
        _version(row, polygon) for row, polygon in zip(rows, polygons, strict=True) if row["is_present"]
    )
    return Recorded(releases, tuple(standing), frozenset(str(row["woodland_id"]) for row in rows))


def recorded_at(published: Path, warehouse: Path) -> Recorded:
    """Return what the published snapshot records; where that cannot be asked, what the warehouse does.

    Before the first release was loaded, or while neither can be read, that is nothing: a load asks again, of
    the warehouse itself.
    """
    for path in (published, warehouse):
        try:
            if path.is_file():
                with connect(path, read_only=True) as connection:
                    return recorded_in(Reader(connection))
        except WarehouseError:
            continue  # damaged, being written, or of a version that knew no releases
    return Recorded()


def _release(row: dict[str, Any]) -> Release:
    return Release(row["id"], row["source"], row["sha256"], row["valid_from"])


def _version(row: dict[str, Any], polygon: Any) -> Version:
    woodland = Woodland(
        id=row["woodland_id"],
        name=row["name"],
        park=row["park"],
        status=Status(row["status"]),
        geometry=polygon,
        area_ha=row["area_ha"],
        repaired=row["repaired"],
    )
    return Version(woodland, row["version"], row["source_id"], row["boundary"])
