"""Extreme days: hot, dry, and both at once, by their rank among all days of a place.

The definition is that of the Dheed catalogue of compound events, built for DeepExtremeCubes (ESSD 17, 6621,
2025): an index of precipitation minus demand over three spans, and the outermost share of days of each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.weather.daily import Array

Flags = NDArray[np.bool_]

#: Days that a precipitation-demand index looks back over, the day itself included.
SPANS_DAYS = (30, 90, 180)
#: Ranks strictly between these are those of a normal day.
NORMAL_RANKS = (0.1, 0.9)
#: Decimals of an index that its rank sees, so that equal sums stay equal however they were added up.
_DECIMALS = 10
#: Bits of an event byte: heat, dryness over each span, normal.
HOT_BIT, DRY_BITS, NORMAL_BIT = 0, (1, 2, 3), 4


@dataclass(frozen=True)
class ExtremeDays:
    """What each day of C places was; arrays (C, D)."""

    event_byte: NDArray[np.uint8]
    """Bit 0 hot; 1, 2, 3 dry over 30, 90, 180 days; 4 normal. 0 on a day without weather."""
    compound: Flags
    """Hot and dry, in runs of at least the days asked for."""
    known: Flags
    """False where the weather is missing that day."""

    @property
    def hot(self) -> Flags:
        """Days among the hottest."""
        return (self.event_byte & 1 << HOT_BIT) > 0

    @property
    def dry(self) -> Flags:
        """Days among the driest over any of the spans."""
        return (self.event_byte & sum(1 << bit for bit in DRY_BITS)) > 0


def extreme_days(
    tmax_c: Array, precip_mm: Array, pet_mm: Array, *, share: float = 0.01, min_run_days: int = 3
) -> ExtremeDays:
    """Return the extreme days of C places from their weather (C, D), day by day without a gap in the axis.

    Hot: among the `share` of days with the highest temperature; dry: with the lowest index of one span. Ranks
    are within a place and over all its known days, so the longer the record the steadier the verdict. A
    missing day is nothing, is left out of the indices after it, and ends a run.
    """
    known = np.isfinite(tmax_c) & np.isfinite(precip_mm) & np.isfinite(pet_mm)
    surplus = np.where(known, precip_mm - pet_mm, np.nan)
    event, normal = np.zeros(known.shape, np.uint8), known.copy()
    indices = (precipitation_demand_index(surplus, span) for span in SPANS_DAYS)
    heat = np.where(known, -tmax_c, np.nan)
    for bit, values in zip((HOT_BIT, *DRY_BITS), (heat, *indices), strict=True):
        rank = ranks(np.round(values, _DECIMALS))
        event |= (rank < share).astype(np.uint8) << bit
        normal &= (rank > NORMAL_RANKS[0]) & (rank < NORMAL_RANKS[1])
    event |= normal.astype(np.uint8) << NORMAL_BIT
    found = ExtremeDays(event, np.zeros_like(known), known)
    return ExtremeDays(event, in_runs(found.hot & found.dry, min_run_days), known)


def precipitation_demand_index(surplus_mm: Array, span_days: int) -> Array:
    """Return the mean surplus of each day and those before it, `span_days` in all, mm per day (C, D).

    The first days take what there is. NaN on a missing day, and left out of the means of the others.
    """
    known = np.isfinite(surplus_mm)
    total = _trailing_sum(np.where(known, surplus_mm, 0.0), span_days)
    count = _trailing_sum(known.astype(np.float64), span_days)
    return np.where(known, total / np.maximum(count, 1), np.nan)


def _trailing_sum(values: Array, span: int) -> Array:
    total = np.cumsum(values, axis=1)
    total[:, span:] = total[:, span:] - total[:, :-span]
    return total


def ranks(values: Array) -> Array:
    """Return each value's place in the ascending order of its row, over the number of values; NaN for NaN.

    From 1 / n to 1; of equal values the earlier is the lower.
    """
    order = np.argsort(values, axis=1, kind="stable")
    place = np.empty(values.shape, np.float64)
    np.put_along_axis(place, order, np.arange(1.0, values.shape[1] + 1)[None], axis=1)
    known = np.isfinite(values)
    return np.where(known, place / np.maximum(known.sum(axis=1, keepdims=True), 1), np.nan)


def in_runs(flags: Flags, min_length: int) -> Flags:
    """Return the flags (..., D) that stand in runs of at least `min_length` along the last axis."""
    fence = np.zeros((*flags.shape[:-1], 1), np.int8)
    edges = np.diff(flags.astype(np.int8), axis=-1, prepend=fence, append=fence)
    starts, ends = np.nonzero(edges > 0), np.nonzero(edges < 0)
    long = ends[-1] - starts[-1] >= min_length
    for kept, edge in ((starts, 1), (ends, -1)):
        edges[tuple(axis[~long] for axis in kept)] -= edge
    return np.cumsum(edges[..., :-1], axis=-1, dtype=np.int8) > 0
