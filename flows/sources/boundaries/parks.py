"""Parks: boundaries that woodlands are assigned to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shapely import MultiPolygon, Polygon, STRtree

from flows.sources.boundaries.polygons import UnusablePolygonError, mend
from flows.sources.boundaries.vectors import attribute_text, read_features
from monitoring.errors import BoundaryError

_NAME_COLUMNS = ("park", "name", "npark_name")


@dataclass(frozen=True)
class Park:
    """A national park or another area that reports are made for."""

    name: str
    geometry: Polygon | MultiPolygon
    """Longitude and latitude, WGS 84."""
    repaired: str = ""


def read_parks(path: Path, name_column: str | None = None) -> tuple[Park, ...]:
    """Return the parks of a boundary file; BoundaryError for a feature without name or usable polygon."""
    features = read_features(path)
    column = name_column or _name_column(list(features.columns), path)
    if column not in features.columns:
        raise BoundaryError(f"park file {path}: no column {column!r}")
    return tuple(
        _park(number, attribute_text(name), geometry, path)
        for number, (name, geometry) in enumerate(zip(features[column], features.geometry, strict=True), 1)
    )


def _name_column(columns: Sequence[str], path: Path) -> str:
    by_name = {column.lower(): column for column in columns}
    found = next((by_name[name] for name in _NAME_COLUMNS if name in by_name), None)
    if found is None:
        raise BoundaryError(f"park file {path}: no column named {' or '.join(_NAME_COLUMNS)}")
    return found


def _park(number: int, name: str, geometry: object, path: Path) -> Park:
    try:
        mended = mend(geometry, max_area_ha=float("inf"))
    except UnusablePolygonError as error:
        raise BoundaryError(f"park file {path}: feature {number} {name}: {error}") from error
    if not name:
        raise BoundaryError(f"park file {path}: feature {number} has no name")
    return Park(name, mended.polygon, mended.repaired)


def park_names(polygons: Sequence[Polygon | MultiPolygon], parks: Sequence[Park]) -> list[str]:
    """Return for each polygon the park that holds its representative point; empty where none does."""
    names = [""] * len(polygons)
    if not parks or not polygons:
        return names
    points = [polygon.representative_point() for polygon in polygons]
    position, park = STRtree([park.geometry for park in parks]).query(points, predicate="within")
    for which, index in sorted(zip(position.tolist(), park.tolist(), strict=True), reverse=True):
        names[which] = parks[index].name  # the first park of the file, where parks overlap
    return names
