"""Names: what an assessment judged, as twelve digits; the same name is the same findings."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from flows.assessing.evidence import NOTHING, Evidence
from flows.assessing.histories import Histories
from monitoring.trends.histories import RichnessSeries


def series_hash(series: Sequence[RichnessSeries]) -> str:
    """Return twelve hex digits that name histories judged together, in whatever order they come."""
    return _digest(sorted(series, key=lambda one: one.woodland_id))


def judged_hash(histories: Histories, evidence: Evidence = NOTHING, look: int = 0) -> str:
    """Return twelve hex digits that name all that decides an assessment: histories, evidence and look.

    The sites count that have a series. A replay, a weather table or a felling layer that came to be known
    since makes another assessment of the same histories.
    """
    series = sorted(histories.series, key=lambda one: one.woodland_id)
    sites = [histories.sites[one.woodland_id] for one in series if one.woodland_id in histories.sites]
    seen = sorted(histories.seen, key=lambda one: one.woodland_id)
    return _digest([series, sites, seen, evidence, look])


def _digest(value: Any) -> str:
    digest = hashlib.sha256()
    for part in _parts(value):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()[:12]


def _parts(value: Any) -> Iterator[bytes]:
    """Yield the bytes of a value of frozen dataclasses, arrays, mappings and sequences, in a fixed order."""
    if isinstance(value, np.ndarray):
        yield f"{value.dtype.str}{value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield field.name.encode()
            yield from _parts(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for name in sorted(value):
            yield str(name).encode()
            yield from _parts(value[name])
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _parts(each)
    else:
        yield repr(value).encode()
