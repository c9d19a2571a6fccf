"""What is recorded of woodlands, and of releases of their inventory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:  # the science is slow to import, and here it only names types
    from monitoring.woodlands import Status, Woodland


@dataclass(frozen=True)
class WoodlandRow:
    """One woodland as recorded."""

    TABLE: ClassVar[str] = "woodland"
    KEY: ClassVar[tuple[str, ...]] = ("id",)

    id: str
    name: str
    park: str
    status: Status
    is_ancient: bool
    area_ha: float
    geometry: bytes
    """WKB, longitude and latitude in degrees."""
    longitude: float
    """Of a point inside the woodland, degrees."""
    latitude: float
    repaired: str

    @classmethod
    def of(cls, woodland: Woodland) -> WoodlandRow:
        """Return the row of a woodland."""
        inside = woodland.geometry.representative_point()
        return cls(
            id=woodland.id,
            name=woodland.name,
            park=woodland.park,
            status=woodland.status,
            is_ancient=woodland.is_ancient,
            area_ha=woodland.area_ha,
            geometry=woodland.geometry.wkb,
            longitude=inside.x,
            latitude=inside.y,
            repaired=woodland.repaired,
        )


@dataclass(frozen=True)
class ReleaseRow:
    """One release of the inventory."""

    TABLE: ClassVar[str] = "release"
    KEY: ClassVar[tuple[str, ...]] = ("id",)

    id: str
    source: str
    """Name of the boundary file, without its folder."""
    sha256: str
    """Of the file, hexadecimal."""
    valid_from: date | None
    """First day it holds for; None for since before the record."""
    n_woodlands: int
    n_refused: int
    """Features of the file that no woodland was made of."""


@dataclass(frozen=True)
class WoodlandVersionRow:
    """One version of a woodland's polygon and standing."""

    TABLE: ClassVar[str] = "woodland_version"
    KEY: ClassVar[tuple[str, ...]] = ("woodland_id", "version")

    woodland_id: str
    version: int
    """From 1."""
    release: str
    source_id: str
    """Id in the release's file; empty where it has none."""
    name: str
    park: str
    status: Status
    is_ancient: bool
    area_ha: float
    geometry: bytes
    """WKB, longitude and latitude in degrees."""
    longitude: float
    """Of a point inside the woodland, degrees."""
    latitude: float
    repaired: str
    boundary: str
    """Names the polygon: the first 12 hexadecimal digits of the SHA-256 of its WKB."""
    valid_from: date | None


@dataclass(frozen=True)
class LineageRow:
    """What a release made of a woodland before it, or what a woodland of it comes from."""

    TABLE: ClassVar[str] = "woodland_lineage"
    KEY: ClassVar[tuple[str, ...]] = ("release", "old_id", "new_id")

    release: str
    old_id: str
    """Empty for a new woodland, but for a part that broke off one that goes on."""
    new_id: str
    """Empty for one that is gone."""
    kind: str
    """`kept`, `moved`, `split`, `merged`, `new` or `gone`."""
    shared_ha: float
    share_of_old: float
    """0-1; NaN where there is none before."""
    share_of_new: float
    """0-1; NaN where there is none after."""
