"""Woodlands: polygons with one stable id, the unit of reporting."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

import shapely
from shapely import MultiPolygon, Polygon


class Status(StrEnum):
    """Standing in the Ancient Woodland Inventory; the first three count as ancient."""

    ASNW = "ASNW"
    """Ancient semi-natural woodland."""
    PAWS = "PAWS"
    """Plantation on an ancient woodland site."""
    AWP = "AWP"
    """Ancient wood pasture and parkland."""
    OTHER = "other"
    """Woodland not on the inventory."""

    @property
    def is_ancient(self) -> bool:
        """True for every status of the inventory."""
        return self is not Status.OTHER


@dataclass(frozen=True)
class Woodland:
    """One woodland, never split between units of work."""

    id: str
    """Stable: from the source where unique there, else from the geometry."""
    name: str
    park: str
    """Name of the park it lies in; empty where it lies in none."""
    status: Status
    geometry: Polygon | MultiPolygon
    """Longitude and latitude, WGS 84 (EPSG:4326)."""
    area_ha: float
    """Area of the polygon as its source measures it, hectares."""
    repaired: str = ""
    """What was mended in the geometry; empty where nothing was."""

    @property
    def is_ancient(self) -> bool:
        """True for ASNW, PAWS and ancient wood pasture."""
        return self.status.is_ancient


def boundary_digest(geometry: Polygon | MultiPolygon) -> str:
    """Return the name of a polygon: the first 12 hexadecimal digits of the SHA-256 of its WKB."""
    return hashlib.sha256(shapely.to_wkb(geometry)).hexdigest()[:12]
