"""Comparing: woodlands of a file beside those on record, by their ground and by what is said of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from flows.releases.recorded import Version
from flows.sources.boundaries.polygons import to_equal_area
from monitoring.boundaries.matching import Link, match
from monitoring.boundaries.outlines import Outline
from monitoring.woodlands import Woodland, boundary_digest


def links_between(standing: Sequence[Version], woodlands: Sequence[Woodland]) -> tuple[Link, ...]:
    """Return the lineage between the woodlands on record and those of a file, measured on one plane."""
    polygons = [one.woodland.geometry for one in standing] + [one.geometry for one in woodlands]
    plane = _on_plane(polygons)
    former = [
        Outline(one.woodland.id, one.source_id, polygon, one.boundary)
        for one, polygon in zip(standing, plane, strict=False)
    ]
    present = [
        Outline(one.id, one.id, polygon, boundary_digest(one.geometry))
        for one, polygon in zip(woodlands, plane[len(former) :], strict=True)
    ]
    return match(former, present)


def _on_plane(polygons: Sequence[shapely.Geometry]) -> list[shapely.Geometry]:
    every = np.array(polygons, object)
    flat = to_equal_area(every, shapely.box(*shapely.total_bounds(every)))
    # what is valid in degrees may touch itself within the rounding of metres
    invalid = ~shapely.is_valid(flat)
    flat[invalid] = shapely.make_valid(flat[invalid], method="structure", keep_collapsed=False)
    return list(flat)


def differences(before: Version, woodland: Woodland) -> tuple[str, ...]:
    """Return what the file says otherwise than the record, besides the polygon."""
    recorded = before.woodland
    said = (
        ("name", recorded.name, woodland.name),
        ("park", recorded.park, woodland.park),
        ("status", recorded.status.value, woodland.status.value),
        ("id in the file", before.source_id, woodland.id),
    )
    return tuple(f"{what} {old or '-'} -> {new or '-'}" for what, old, new in said if old != new)
