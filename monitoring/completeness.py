"""Completeness of a season: how many passes the orbits promise, and how many were found.

Catalogues lose scenes silently. Satellites do not: a stream (one satellite, one relative orbit, one tile)
comes back every 10 days (Sentinel-2) or 12 days (Sentinel-1), and how many of those slots are filled in other
years says what to expect. A second catalogue, where there is one, says it by day.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

from monitoring.scenes import Sensor
from monitoring.science import CompletenessRule
from monitoring.seasons import Season

#: Days after which a satellite passes over the same place again.
CYCLE_DAYS = {Sensor.S2: 10, Sensor.S1_ASCENDING: 12, Sensor.S1_DESCENDING: 12}
#: Two passes of one stream nearer than this are the same pass.
SAME_PASS = timedelta(days=0.5)
#: A satellite has ended when it is silent for longer than this, and than so many of its mean pauses (chance
#: does that once in 400 times), while another of its kind flies on.
SILENCE, MEAN_PAUSES = timedelta(days=60), 6
#: Share of filled slots from which an empty one is a missing day; below, the plan skips some.
FULL_DUTY = 0.9
#: Least share of a year that has to lie in the record to say how many slots are filled.
MOST_OF_A_YEAR = 0.75
#: What a floor is asked of: the optical passes, and the radar passes of both directions together.
KINDS: Mapping[str, tuple[Sensor, ...]] = {
    "optical": (Sensor.S2,),
    "radar": (Sensor.S1_ASCENDING, Sensor.S1_DESCENDING),
}


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


@dataclass(frozen=True)
class StreamCount:
    """Passes of one stream in one season."""

    sensor: Sensor
    platform: str
    relative_orbit: int
    tile: str
    expected: float
    """NaN where nothing says how many."""
    found: int
    missing_days: tuple[str, ...]
    """YYYY-MM-DD, where the day is known."""
    evidence: str
    """What the expectation rests on."""


@dataclass(frozen=True)
class Completeness:
    """What a block-season has of what it should have."""

    season: Season
    streams: tuple[StreamCount, ...]
    floor: float
    missing_share: float
    """1 - found / expected over all streams with an expectation, 0-1; NaN where none has one."""
    missing_share_by_sensor: Mapping[Sensor, float]
    is_complete: bool
    """False where optical or radar passes are under the floor; what is unknown counts as complete."""
    reason: str
    """Why it is not complete, or what could not be judged; empty where nothing is to be said."""

    @property
    def expected(self) -> float:
        """Passes expected over the streams with an expectation; NaN where none has one."""
        known = [stream.expected for stream in self.streams if math.isfinite(stream.expected)]
        return sum(known) if known else math.nan

    @property
    def found(self) -> int:
        """Passes found over all streams."""
        return sum(stream.found for stream in self.streams)


@dataclass(frozen=True)
class _Era:
    """When a satellite was in service, [start, end)."""

    start: datetime
    end: datetime
    has_ended: bool


def completeness(
    held: Sequence[PassSeen], season: Season, others: Sequence[PassSeen], rule: CompletenessRule
) -> Completeness:
    """Return expected and found passes of a season, by stream.

    held: every pass of the block that the cube holds, of all years; others: what a second catalogue lists for
    the season, empty without one. Where it lists a sensor at all it decides: a pass it has and we lack is
    missing. Else the share of a stream's slots that is filled in the other years decides.
    """
    record = _by_stream(held)
    listed = _by_stream(one for one in others if season.start <= one.acquired_at < season.end)
    asked = {stream.sensor for stream in listed}
    eras = _eras(record)
    counts = tuple(
        _listed_count(stream, record, listed.get(stream, []), season)
        if stream.sensor in asked
        else _pattern_count(stream, record[stream], season, eras[stream.platform], _record_span(record))
        for stream in sorted(record.keys() | listed.keys())
    )
    # An ended satellite stays named; one that had not begun is left out.
    has_begun = [
        stream.sensor in asked or eras[stream.platform].start < season.end
        for stream in sorted(record.keys() | listed.keys())
    ]
    return _conclude(season, tuple(itertools.compress(counts, has_begun)), rule)


def _by_stream(passes: Iterable[PassSeen]) -> dict[Stream, list[datetime]]:
    """Return the moments of each stream in time order, two halves of one pass counted once."""
    streams: dict[Stream, list[datetime]] = defaultdict(list)
    for one in sorted(passes, key=lambda one: one.acquired_at):
        moments = streams[one.stream]
        if not moments or one.acquired_at - moments[-1] > SAME_PASS:
            moments.append(one.acquired_at)
    return dict(streams)


def _record_span(record: Mapping[Stream, Sequence[datetime]]) -> tuple[datetime, datetime]:
    moments = [moment for stream in record.values() for moment in stream]
    return min(moments), max(moments)


def _eras(record: Mapping[Stream, Sequence[datetime]]) -> dict[str, _Era]:
    """Return when each satellite was in service, as far as the record shows."""
    eras: dict[str, _Era] = {}
    for sensors in KINDS.values():
        platforms: dict[str, list[datetime]] = defaultdict(list)
        for stream, moments in record.items():
            if stream.sensor in sensors:
                platforms[stream.platform] += moments
        for platform, moments in platforms.items():
            rest = [moment for name, other in platforms.items() if name != platform for moment in other]
            eras[platform] = _era(sorted(moments), max(rest, default=None))
    return eras


def _era(moments: Sequence[datetime], others_last: datetime | None) -> _Era:
    """Return the service of a satellite that passed at `moments`; others of its kind passed until later."""
    mean_pause = (moments[-1] - moments[0]) / max(len(moments) - 1, 1)
    patience = max(SILENCE, MEAN_PAUSES * mean_pause)
    has_ended = others_last is not None and others_last - moments[-1] > patience
    end = moments[-1] + timedelta(seconds=1) if has_ended else datetime.max.replace(tzinfo=UTC)
    return _Era(moments[0], end, has_ended)


def _listed_count(
    stream: Stream, record: Mapping[Stream, Sequence[datetime]], theirs: Sequence[datetime], season: Season
) -> StreamCount:
    found = [moment for moment in record.get(stream, ()) if season.start <= moment < season.end]
    ours = sorted(moment for one, moments in record.items() if _may_be(one, stream) for moment in moments)
    missing = [moment for moment in theirs if not _is_near(moment, ours)]
    return StreamCount(
        stream.sensor,
        stream.platform,
        stream.relative_orbit,
        stream.tile,
        float(len(found) + len(missing)),
        len(found),
        _days(missing),
        f"second catalogue: lists {len(theirs)}",
    )


def _may_be(one: Stream, other: Stream) -> bool:
    """True for equal streams, and for streams that differ only in that one does not state its orbit."""
    same_place = (one.sensor, one.platform, one.tile) == (other.sensor, other.platform, other.tile)
    return same_place and (
        one.relative_orbit == other.relative_orbit or not one.relative_orbit * other.relative_orbit
    )


def _is_near(moment: datetime, moments: Sequence[datetime]) -> bool:
    at = bisect_left(moments, moment)
    return any(abs(near - moment) <= SAME_PASS for near in moments[max(at - 1, 0) : at + 1])


def _pattern_count(
    stream: Stream, moments: Sequence[datetime], season: Season, era: _Era, span: tuple[datetime, datetime]
) -> StreamCount:
    expected, missing, evidence = _from_pattern(stream, moments, season, era, span)
    found = sum(season.start <= moment < season.end for moment in moments)
    return StreamCount(
        stream.sensor,
        stream.platform,
        stream.relative_orbit,
        stream.tile,
        expected,
        found,
        _days(missing),
        evidence,
    )


def _from_pattern(
    stream: Stream, moments: Sequence[datetime], season: Season, era: _Era, span: tuple[datetime, datetime]
) -> tuple[float, list[datetime], str]:
    """Return the passes to expect, the slots known to be missing, and why."""
    if not stream.relative_orbit:
        return math.nan, [], "no pattern: orbit not stated"
    slots = _slots(stream, moments, max(season.start, era.start), min(season.end, era.end))
    ended = (
        f"; {stream.platform} ended on {era.end:%Y-%m-%d}" if era.has_ended and era.end < season.end else ""
    )
    if not slots:
        return 0.0, [], f"no pass of its orbit in service{ended}"
    duties = _duties(stream, moments, season, era, span)
    if not duties:
        return math.nan, [], f"no pattern yet: one season{ended}"
    duty = median(duties)
    missing = [slot for slot in slots if not _is_near(slot, moments)] if duty >= FULL_DUTY else []
    cycle = CYCLE_DAYS[stream.sensor]
    evidence = f"{len(slots)} slots of {cycle} days, {duty:.0%} filled in {len(duties)} other years{ended}"
    return duty * len(slots), missing, evidence


def _duties(
    stream: Stream, moments: Sequence[datetime], season: Season, era: _Era, span: tuple[datetime, datetime]
) -> list[float]:
    """Return the share of the stream's slots filled in each other year of the record."""
    first, last = max(span[0], era.start), min(span[1] + timedelta(seconds=1), era.end)
    duties = []
    for year in range(span[0].year - 1, span[1].year + 2):
        start, end = (
            season.start.replace(year=year),
            season.end.replace(year=year + season.end.year - season.start.year),
        )
        start_seen, end_seen = max(start, first), min(end, last)
        if start == season.start or (end_seen - start_seen) < MOST_OF_A_YEAR * (end - start):
            continue
        slots = _slots(stream, moments, start_seen, end_seen)
        duties.append(sum(_is_near(slot, moments) for slot in slots) / len(slots))
    return duties


def _slots(stream: Stream, moments: Sequence[datetime], start: datetime, end: datetime) -> list[datetime]:
    """Return when the stream passes in [start, end), in whole cycles from its pass nearest to `start`."""
    cycle = timedelta(days=CYCLE_DAYS[stream.sensor])
    anchor = min(moments, key=lambda moment: abs(moment - start))
    first = math.ceil((start - anchor) / cycle)
    n = max(math.ceil((end - anchor) / cycle) - first, 0)
    return [anchor + (first + number) * cycle for number in range(n)]


def _days(moments: Iterable[datetime]) -> tuple[str, ...]:
    return tuple(sorted({f"{moment:%Y-%m-%d}" for moment in moments}))


def _conclude(season: Season, streams: tuple[StreamCount, ...], rule: CompletenessRule) -> Completeness:
    shares = {kind: _found_share(streams, sensors) for kind, sensors in KINDS.items()}
    under = {kind: share for kind, share in shares.items() if share[1] and share[0] < rule.floor * share[1]}
    reasons = [
        f"{kind}: {found} of {expected:.0f} expected passes, {found / expected:.0%}, bound {rule.floor:.0%}"
        for kind, (found, expected) in under.items()
    ]
    unknown = [kind for kind, (_, expected) in shares.items() if not expected]
    unjudged = [f"{kind}: expected passes not known" for kind in unknown]
    return Completeness(
        season,
        streams,
        rule.floor,
        _missing_share(*_found_share(streams, tuple(Sensor))),
        {sensor: _missing_share(*_found_share(streams, (sensor,))) for sensor in Sensor},
        not under,
        "; ".join([*reasons, *unjudged]),
    )


def _found_share(streams: Iterable[StreamCount], sensors: Sequence[Sensor]) -> tuple[int, float]:
    """Return found and expected passes over the streams of some sensors whose expectation is known."""
    known = [count for count in streams if count.sensor in sensors and math.isfinite(count.expected)]
    return sum(count.found for count in known), sum(count.expected for count in known)


def _missing_share(found: int, expected: float) -> float:
    return max(1.0 - found / expected, 0.0) if expected else math.nan
