"""Events: extreme days that touch in time or space, taken as one, such as one heatwave over many cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.weather.extremes import Flags

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Events:
    """n events among flags (time, y, x); arrays (n,), in the order of `labels`."""

    labels: NDArray[np.int32]
    """(time, y, x) number of the event from 1; 0 where there is none."""
    first_day: Counts
    """Position on the time axis."""
    last_day: Counts
    cells: Counts
    """Distinct cells that took part on any day."""
    cell_days: Counts
    """Flags in the event."""

    @property
    def days(self) -> Counts:
        """Days from the first to the last; none between them is free of the event."""
        return self.last_day - self.first_day + 1


def events_of(flags: Flags, *, corners: bool = False) -> Events:
    """Return the connected parts of flags (time, y, x), each one event.

    Neighbours share a face; with `corners` also an edge or a corner (26 of them). No wrap in longitude.
    """
    from scipy import ndimage

    shape = ndimage.generate_binary_structure(3, 3 if corners else 1)
    labels, n = ndimage.label(flags, shape, output=np.int32)
    day, row, column = np.nonzero(labels)
    event = labels[day, row, column] - 1
    return Events(labels, *_span(event, day, n), _distinct_cells(event, row, column, n), _counts(event, n))


def _span(event: Counts, day: Counts, n: int) -> tuple[Counts, Counts]:
    """Return the first and last day of each event; `day` ascends, as np.nonzero gives it."""
    first, last = np.zeros(n, np.int64), np.zeros(n, np.int64)
    first[event[::-1]] = day[::-1]
    last[event] = day
    return first, last


def _distinct_cells(event: Counts, row: Counts, column: Counts, n: int) -> Counts:
    triples = np.unique(np.column_stack([event, row, column]), axis=0)
    return _counts(triples[:, 0], n)


def _counts(event: Counts, n: int) -> Counts:
    return np.bincount(event, minlength=n).astype(np.int64)
