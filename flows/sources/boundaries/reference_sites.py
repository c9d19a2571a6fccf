"""Reference sites: polygons of ground that should not change, read with the same care as woodlands."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from flows.sources.boundaries.vectors import attribute_text, read_features
from flows.sources.boundaries.woodlands import Refused, WoodlandColumns, read_woodlands
from monitoring.errors import BoundaryError
from monitoring.woodlands import Woodland

#: Name of the attribute that says what a site is, such as `heath`; upper or lower case.
KIND = "kind"
#: Attribute with the sites' ids, preferred to those that woodlands have.
SITE_ID = "site_id"


@dataclass(frozen=True)
class ReferenceReading:
    """What a file of reference sites gave."""

    outlines: tuple[Woodland, ...] = ()
    """The sites' polygons, in file order, each with an id and a park of its own; not one is a woodland."""
    kinds: tuple[str, ...] = ()
    """What each of them is, lower case, in the same order."""
    refused: tuple[Refused, ...] = ()


def read_reference_sites(path: Path, woodlands: Sequence[Woodland]) -> ReferenceReading:
    """Return the reference sites of a boundary file; a site without a park is given the nearest woodland's.

    A feature that cannot be used, or that says no kind, is refused by number and reason. BoundaryError when
    the file as a whole cannot be used, has no attribute `kind`, or holds no usable site.
    """
    frame = read_features(path)
    named = _kinds(frame, path)
    reading = read_woodlands(path, _columns(frame))
    lost = {refused.feature_number for refused in reading.refused}
    numbers = [number for number in range(1, len(named) + 1) if number not in lost]
    taken = list(zip(numbers, reading.woodlands, strict=True))
    sites = [site for number, site in taken if named[number - 1]]
    if not sites:
        raise BoundaryError(f"reference sites {path}: no usable site among its {len(named)} features")
    unnamed = [
        Refused(number, site.name, "it says no kind") for number, site in taken if not named[number - 1]
    ]
    return ReferenceReading(
        outlines=tuple(with_parks(sites, woodlands)),
        kinds=tuple(named[number - 1] for number, _ in taken if named[number - 1]),
        refused=tuple(sorted([*reading.refused, *unnamed], key=lambda one: one.feature_number)),
    )


def _columns(frame: gpd.GeoDataFrame) -> WoodlandColumns:
    return WoodlandColumns(id=SITE_ID if SITE_ID in frame.columns else None)


def _kinds(frame: gpd.GeoDataFrame, path: Path) -> list[str]:
    columns = {str(column).lower(): column for column in reversed(list(frame.columns))}
    if KIND not in columns:
        raise BoundaryError(f"reference sites {path}: no attribute {KIND!r}, such as heath or quarry")
    return [attribute_text(value).casefold() for value in frame[columns[KIND]].tolist()]


def with_parks(sites: Sequence[Woodland], woodlands: Sequence[Woodland]) -> list[Woodland]:
    """Return the sites, those without a park with the park of the nearest woodland."""
    if not woodlands:
        return list(sites)
    here, there = _on_a_plane(sites), _on_a_plane(woodlands)
    nearest = shapely.STRtree(shapely.points(there)).nearest(shapely.points(here))
    return [
        site if site.park else dataclasses.replace(site, park=woodlands[at].park)
        for site, at in zip(sites, nearest.tolist(), strict=True)
    ]


def _on_a_plane(places: Sequence[Woodland]) -> NDArray[np.float64]:
    """Return (N, 2) of points that are inside, degrees of latitude in both directions."""
    points = [place.geometry.representative_point() for place in places]
    return np.array([(point.x * np.cos(np.radians(point.y)), point.y) for point in points])
