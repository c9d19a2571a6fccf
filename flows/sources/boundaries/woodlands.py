"""Woodlands: a boundary file in, woodlands with stable ids out, and what was refused and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely

from flows.sources.boundaries.identities import Candidate, woodland_ids
from flows.sources.boundaries.parks import Park, park_names
from flows.sources.boundaries.polygons import Mended, UnusablePolygonError, mend, outline_key, to_equal_area
from flows.sources.boundaries.vectors import attribute_text, read_features
from monitoring.errors import BoundaryError
from monitoring.woodlands import Status, Woodland

#: Above this a polygon is not one woodland (the largest forest of Britain, Kielder, has 60,000 ha), hectares.
MAX_AREA_HA = 100_000.0
#: Two woodlands that share less are neighbours with a common edge, hectares.
MIN_OVERLAP_HA = 0.01

#: Column names that are recognised, the preferred first; the Ancient Woodland Inventory's after our own.
_KNOWN_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("wood_id", "themid", "id", "uid"),
    "name": ("name", "wood_name", "site_name"),
    "park": ("park", "park_name", "national_park"),
    "status": ("status", "themname"),
}

_STATUSES: Mapping[str, Status] = {
    "asnw": Status.ASNW,
    "ancient & semi-natural woodland": Status.ASNW,
    "ancient and semi-natural woodland": Status.ASNW,
    "ancient semi-natural woodland": Status.ASNW,
    "paws": Status.PAWS,
    "ancient replanted woodland": Status.PAWS,
    "plantation on ancient woodland site": Status.PAWS,
    "plantations on ancient woodland sites": Status.PAWS,
    "awp": Status.AWP,
    "awpp": Status.AWP,
    "iawpp": Status.AWP,
    "ancient wood pasture": Status.AWP,
    "ancient wood pasture and parkland": Status.AWP,
    "infilled ancient wood pasture and parkland": Status.AWP,
    "other": Status.OTHER,
    "other woodland": Status.OTHER,
    "": Status.OTHER,
}


@dataclass(frozen=True)
class WoodlandColumns:
    """Which column of a file holds what; None: found by its name, or absent."""

    id: str | None = None
    name: str | None = None
    park: str | None = None
    status: str | None = None


@dataclass(frozen=True)
class Refused:
    """A feature that no woodland was made of."""

    feature_number: int
    """Position in the file, from 1."""
    name: str
    reason: str


@dataclass(frozen=True)
class Note:
    """Something a person should know about a woodland that was taken."""

    woodland_id: str
    text: str


@dataclass(frozen=True)
class BoundaryReading:
    """What a boundary file gave."""

    woodlands: tuple[Woodland, ...]
    """In file order."""
    refused: tuple[Refused, ...] = ()
    notes: tuple[Note, ...] = ()
    """Overlaps, equal polygons, statuses that are not known."""


@dataclass(frozen=True)
class _Feature:
    """A feature with a usable polygon."""

    number: int
    source_id: str
    name: str
    park: str
    status: str
    mended: Mended
    outline: bytes


def read_woodlands(
    path: Path,
    columns: WoodlandColumns | None = None,
    *,
    layer: str | None = None,
    parks: Sequence[Park] = (),
    park: str = "",
    max_area_ha: float = MAX_AREA_HA,
) -> BoundaryReading:
    """Return the woodlands of a GeoPackage, GeoJSON, shapefile or GeoParquet file.

    A woodland's park is its column's, else that of `parks` which holds it, else `park`. A feature that cannot
    be used is refused by number and reason; BoundaryError when the file as a whole cannot be used.
    """
    frame = read_features(Path(path), layer)
    features, unusable = _features(frame, _columns(frame, columns or WoodlandColumns(), path), max_area_ha)
    ids = woodland_ids({f.number: Candidate(f.source_id, f.mended, f.outline) for f in features})
    taken, repeated = _without_repeats(features, ids)
    places = park_names([feature.mended.polygon for feature in taken], parks)
    woodlands = tuple(
        _woodland(feature, ids[feature.number], feature.park or place or park)
        for feature, place in zip(taken, places, strict=True)
    )
    refused = tuple(sorted([*unusable, *repeated], key=lambda one: one.feature_number))
    return BoundaryReading(woodlands, refused, tuple(_notes(taken, woodlands)))


def _columns(frame: gpd.GeoDataFrame, asked: WoodlandColumns, path: Path) -> dict[str, str | None]:
    present = [str(column) for column in frame.columns if column != frame.geometry.name]
    by_name = {column.lower(): column for column in reversed(present)}
    found: dict[str, str | None] = {}
    for field in fields(WoodlandColumns):
        column = getattr(asked, field.name)
        if column is not None and column not in present:
            raise BoundaryError(f"boundary file {path}: no column {column!r}, it has {', '.join(present)}")
        known = (by_name[name] for name in _KNOWN_COLUMNS[field.name] if name in by_name)
        found[field.name] = column or next(known, None)
    return found


def _features(
    frame: gpd.GeoDataFrame, columns: Mapping[str, str | None], max_area_ha: float
) -> tuple[list[_Feature], list[Refused]]:
    texts = {key: _texts(frame, column) for key, column in columns.items()}
    features: list[_Feature] = []
    refused: list[Refused] = []
    for index, geometry in enumerate(frame.geometry):
        known = {key: values[index] for key, values in texts.items()}
        try:
            mended = mend(geometry, max_area_ha)
        except UnusablePolygonError as error:
            refused.append(Refused(index + 1, known["name"], str(error)))
            continue
        outline = outline_key(mended.polygon)
        features.append(
            _Feature(index + 1, known["id"], known["name"], known["park"], known["status"], mended, outline)
        )
    return features, refused


def _texts(frame: gpd.GeoDataFrame, column: str | None) -> list[str]:
    return (
        [""] * len(frame) if column is None else [attribute_text(value) for value in frame[column].tolist()]
    )


def _without_repeats(
    features: Sequence[_Feature], ids: Mapping[int, str]
) -> tuple[list[_Feature], list[Refused]]:
    first: dict[str, int] = {}
    taken, refused = [], []
    for feature in features:
        earlier = first.setdefault(ids[feature.number], feature.number)
        if earlier == feature.number:
            taken.append(feature)
        else:
            refused.append(Refused(feature.number, feature.name, f"the same polygon as feature {earlier}"))
    return taken, refused


def _woodland(feature: _Feature, woodland_id: str, park: str) -> Woodland:
    return Woodland(
        id=woodland_id,
        name=feature.name,
        park=park,
        status=_STATUSES.get(feature.status.casefold(), Status.OTHER),
        geometry=feature.mended.polygon,
        area_ha=feature.mended.area_ha,
        repaired=feature.mended.repaired,
    )


def _notes(features: Sequence[_Feature], woodlands: Sequence[Woodland]) -> list[Note]:
    unknown = [
        Note(woodland.id, f"status {feature.status!r} is not known: taken as other woodland")
        for feature, woodland in zip(features, woodlands, strict=True)
        if feature.status.casefold() not in _STATUSES
    ]
    return [*unknown, *_overlaps(woodlands)]


def _overlaps(woodlands: Sequence[Woodland]) -> list[Note]:
    polygons = np.array([woodland.geometry for woodland in woodlands], object)
    pairs = shapely.STRtree(polygons).query(polygons, predicate="intersects").T.tolist()
    notes = [_overlap(woodlands[one], woodlands[other]) for one, other in sorted(pairs) if one < other]
    return [note for note in notes if note is not None]


def _overlap(one: Woodland, other: Woodland) -> Note | None:
    shared = one.geometry.intersection(other.geometry)
    area_ha = to_equal_area(shared, one.geometry).area / 10_000
    if area_ha < MIN_OVERLAP_HA:
        return None
    return Note(one.id, f"overlaps {other.id} by {area_ha:.2f} ha; both are kept")
