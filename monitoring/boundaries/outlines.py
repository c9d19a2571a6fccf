"""Outlines: polygons to be matched, the pairs of them that share ground, and how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

M2_PER_HA = 10_000.0


@dataclass(frozen=True)
class Outline:
    """A woodland as it is matched."""

    id: str
    """Unique among the old, or among the new."""
    source_id: str
    """Id in its file; it decides nothing but ties."""
    polygon: Polygon | MultiPolygon
    """Valid, in metres of an equal-area plane, the same for old and new."""
    boundary: str
    """Digest of the polygon as it was read: equal for equal polygons."""


@dataclass(frozen=True)
class Pair:
    """An old and a new woodland that share ground."""

    old: int
    """Position among the old, from 0; `new` likewise."""
    new: int
    shared_ha: float
    share_of_old: float
    """0-1; `share_of_new` likewise."""
    share_of_new: float
    apart_ha: float
    """Area that only one of the two covers."""

    @property
    def likeness(self) -> float:
        """Shared area over the area that either covers, 0-1, to 1e-6: rounding makes no difference."""
        return round(self.shared_ha / (self.shared_ha + self.apart_ha), 6)


def pairs(old: Sequence[Outline], new: Sequence[Outline]) -> list[Pair]:
    """Return the pairs that share an area, by position of the old and the new.

    Two woodlands that both stand unchanged in the other release are nobody else's: what such neighbours may
    share is not worked out.
    """
    if not old or not new:
        return []
    former, present = _polygons(old), _polygons(new)
    alike = _unchanged(old, new)
    theirs, ours = _to_measure(former, present, alike)
    shared = shapely.area(shapely.intersection(former[theirs], present[ours])) / M2_PER_HA
    found = zip(theirs.tolist(), ours.tolist(), shared.tolist(), strict=True)
    sizes = shapely.area(former) / M2_PER_HA, shapely.area(present) / M2_PER_HA
    equal = ((a, b, float(sizes[0][a])) for a, b in alike.items())
    return sorted(
        (_pair(a, b, area, sizes) for a, b, area in (*found, *equal) if area > 0),
        key=lambda pair: (pair.old, pair.new),
    )


def _polygons(outlines: Sequence[Outline]) -> NDArray[np.object_]:
    return np.array([outline.polygon for outline in outlines], object)


def _unchanged(old: Sequence[Outline], new: Sequence[Outline]) -> dict[int, int]:
    """Return the position among the new of every old polygon that is there once before and once after."""
    before, after = _singles(old), _singles(new)
    return {at: after[boundary] for boundary, at in before.items() if boundary in after}


def _singles(outlines: Sequence[Outline]) -> dict[str, int]:
    boundaries, first, count = np.unique(
        [outline.boundary for outline in outlines], return_index=True, return_counts=True
    )
    once = zip(boundaries[count == 1].tolist(), first[count == 1].tolist(), strict=True)
    return dict(once)


def _to_measure(
    former: NDArray[np.object_], present: NDArray[np.object_], alike: dict[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return positions (K,) and (K,) of the pairs that touch and of which one at least has changed."""
    is_settled_old = np.isin(np.arange(len(former)), list(alike))
    is_settled_new = np.isin(np.arange(len(present)), list(alike.values()))
    news, olds = shapely.STRtree(former).query(present)
    wanted = ~(is_settled_old[olds] & is_settled_new[news])
    olds, news = olds[wanted], news[wanted]
    shapely.prepare(former[olds])
    meet = shapely.intersects(former[olds], present[news])
    return olds[meet], news[meet]


def _pair(
    old: int, new: int, shared_ha: float, sizes: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> Pair:
    old_ha, new_ha = float(sizes[0][old]), float(sizes[1][new])
    return Pair(
        old=old,
        new=new,
        shared_ha=shared_ha,
        share_of_old=min(shared_ha / old_ha, 1.0),
        share_of_new=min(shared_ha / new_ha, 1.0),
        apart_ha=max(old_ha + new_ha - 2 * shared_ha, 0.0),
    )
