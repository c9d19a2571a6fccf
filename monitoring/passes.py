"""Passes of satellites: what repeats with an orbit, and when it should come again."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.scenes import Sensor

#: Days after which a satellite passes over the same place again.
CYCLE_DAYS = {Sensor.S2: 10, Sensor.S1_ASCENDING: 12, Sensor.S1_DESCENDING: 12}
#: Two passes of one stream nearer than this are the same pass.
SAME_PASS = timedelta(days=0.5)


@dataclass(frozen=True)
class PassSeen:
    """One overpass that a cube holds or a catalogue lists."""

    sensor: Sensor
    platform: str
    """`sentinel-2a`, `sentinel-1b`, ..."""
    relative_orbit: int
    """0 where the catalogue states none."""
    tile: str
    """MGRS tile; empty for radar."""
    acquired_at: datetime
    """Aware, UTC."""

    @property
    def stream(self) -> Stream:
        """What repeats with the orbit."""
        return Stream(self.sensor, self.platform, self.relative_orbit, self.tile)


@dataclass(frozen=True, order=True)
class Stream:
    """One satellite over one place on one relative orbit."""

    sensor: Sensor
    platform: str
    relative_orbit: int
    tile: str

    @property
    def cycle_days(self) -> int:
        """Days from one pass to the next."""
        return CYCLE_DAYS[self.sensor]

    def may_be(self, other: Stream) -> bool:
        """Return True for equal streams, and where only one of the two states its orbit, if all else is."""
        is_same_place = (self.sensor, self.platform, self.tile) == (other.sensor, other.platform, other.tile)
        is_unstated = not self.relative_orbit * other.relative_orbit
        return is_same_place and (is_unstated or self.relative_orbit == other.relative_orbit)


def by_stream(passes: Iterable[PassSeen]) -> dict[Stream, list[datetime]]:
    """Return the moments of each stream in time order, two halves of one pass counted once."""
    streams: dict[Stream, list[datetime]] = defaultdict(list)
    for one in sorted(passes, key=lambda one: one.acquired_at):
        moments = streams[one.stream]
        if not moments or one.acquired_at - moments[-1] > SAME_PASS:
            moments.append(one.acquired_at)
    return dict(streams)


def is_near(moment: datetime, moments: Sequence[datetime]) -> bool:
    """Return True where one of the moments, which are in order, is the same pass."""
    at = bisect_left(moments, moment)
    return any(abs(near - moment) <= SAME_PASS for near in moments[max(at - 1, 0) : at + 1])


def slots(stream: Stream, moments: Sequence[datetime], start: datetime, end: datetime) -> list[datetime]:
    """Return when the stream passes in [start, end), in whole cycles from its pass nearest to `start`.

    moments: its passes so far, one at least.
    """
    cycle = timedelta(days=stream.cycle_days)
    anchor = min(moments, key=lambda moment: abs(moment - start))
    first = math.ceil((start - anchor) / cycle)
    n = max(math.ceil((end - anchor) / cycle) - first, 0)
    return [anchor + (first + number) * cycle for number in range(n)]
