"""Identities: one stable id for each woodland, from its file where that has one, else from its polygon."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flows.sources.boundaries.polygons import Mended

_ID = re.compile(r"[\w:-][\w .:-]{0,79}")


@dataclass(frozen=True)
class Candidate:
    """What a feature can be named by."""

    source_id: str
    """Id in the file; empty where it has none."""
    mended: Mended
    outline: bytes
    """Equal for equal polygons."""


def woodland_ids(candidates: Mapping[int, Candidate]) -> dict[int, str]:
    """Return an id for each feature number: the file's where it is unique there, else one of the polygon.

    Equal polygons without an id of their own get one and the same.
    """
    count = Counter(candidate.source_id for candidate in candidates.values())
    outlines = _outlines(c for c in candidates.values() if not _is_usable(c.source_id, count))
    return {
        number: candidate.source_id
        if _is_usable(candidate.source_id, count)
        else _polygon_id(candidate, outlines)
        for number, candidate in candidates.items()
    }


def _is_usable(source_id: str, count: Mapping[str, int]) -> bool:
    return count[source_id] == 1 and _ID.fullmatch(source_id) is not None


def _outlines(candidates: Iterable[Candidate]) -> dict[str, list[bytes]]:
    """Return the unlike outlines at each place, sorted: nearly always one."""
    found: dict[str, set[bytes]] = {}
    for candidate in candidates:
        found.setdefault(_place_id(candidate.mended), set()).add(candidate.outline)
    return {place: sorted(outlines) for place, outlines in found.items()}


def _polygon_id(candidate: Candidate, outlines: Mapping[str, list[bytes]]) -> str:
    place = _place_id(candidate.mended)
    rank = outlines[place].index(candidate.outline)
    return place if rank == 0 else f"{place}-{rank + 1}"


def _place_id(mended: Mended) -> str:
    """Return a hash of centroid (to 1e-4 degrees, 10 m) and area (to two digits): what a file's format or
    rounding leaves as it is.
    """
    centre = mended.polygon.centroid
    place = f"{round(centre.x, 4) + 0.0:.4f} {round(centre.y, 4) + 0.0:.4f} {mended.area_ha:.1e}"
    return "g" + hashlib.sha256(place.encode()).hexdigest()[:12]
