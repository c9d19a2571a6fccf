"""Completeness of a season: how many passes the orbits promise, and how many were found.

Catalogues lose scenes silently. Satellites do not: a stream (one satellite, one relative orbit, one tile)
comes back every 10 days (Sentinel-2) or 12 days (Sentinel-1), and how many of those slots are filled in other
years says what to expect. A second catalogue, where there is one, says it by day.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

from monitoring.passes import PassSeen, Stream, by_stream, is_near, slots
from monitoring.scenes import Sensor
from monitoring.science import CompletenessRule
from monitoring.seasons import Season
from monitoring.wording import counted

__all__ = ["Completeness", "PassSeen", "StreamCount", "completeness"]

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


@dataclass(frozen=True)
class _Record:
    """Every pass held, of all years, and what that shows of the satellites."""

    passes: Mapping[Stream, Sequence[datetime]]
    """Moments of each stream in time order."""
    eras: Mapping[str, _Era]
    """By platform."""
    first: datetime
    last: datetime

    def era(self, stream: Stream) -> _Era:
        """Return when the stream's satellite was in service."""
        return self.eras[stream.platform]


def completeness(
    held: Sequence[PassSeen], season: Season, others: Sequence[PassSeen], rule: CompletenessRule
) -> Completeness:
    """Return expected and found passes of a season, by stream.

    held: every pass of the block that the cube holds, of all years; others: what a second catalogue lists for
    the season, empty without one. Where it lists a sensor at all it decides: a pass it has and we lack is
    missing. Else the share of a stream's slots that is filled in the other years decides. A satellite that
    has ended stays named; one that had not begun is left out.
    """
    record = _record(held, season)
    listed = by_stream(one for one in others if season.start <= one.acquired_at < season.end)
    asked = {stream.sensor for stream in listed}
    counts = tuple(
        _listed_count(stream, record, listed.get(stream, []), season)
        if stream.sensor in asked
        else _pattern_count(stream, record, season)
        for stream in sorted(record.passes.keys() | listed.keys())
        if stream.sensor in asked or record.era(stream).start < season.end
    )
    return _conclude(season, counts, rule)


def _record(held: Sequence[PassSeen], season: Season) -> _Record:
    passes = by_stream(held)
    moments = [moment for stream in passes.values() for moment in stream]
    never = datetime.max.replace(tzinfo=UTC)
    return _Record(passes, _eras(passes, season), min(moments, default=never), max(moments, default=never))


def _eras(passes: Mapping[Stream, Sequence[datetime]], season: Season) -> dict[str, _Era]:
    """Return when each satellite was in service, as far as the record shows and the season has to know."""
    eras: dict[str, _Era] = {}
    for sensors in KINDS.values():
        platforms: dict[str, list[datetime]] = defaultdict(list)
        for stream, moments in passes.items():
            if stream.sensor in sensors:
                platforms[stream.platform] += moments
        for platform, moments in platforms.items():
            rest = [moment for name, other in platforms.items() if name != platform for moment in other]
            eras[platform] = _era(sorted(moments), max(rest, default=None), season)
    return eras


def _era(moments: Sequence[datetime], others_last: datetime | None, season: Season) -> _Era:
    """Return the service of a satellite that passed at `moments`; others of its kind passed until later.

    In the season in which it falls silent nothing tells a satellite that ended from one that the catalogue
    lost: its passes stay expected until the season is over.
    """
    mean_pause = (moments[-1] - moments[0]) / max(len(moments) - 1, 1)
    patience = max(SILENCE, MEAN_PAUSES * mean_pause)
    is_over = moments[-1] < season.start or (others_last is not None and others_last >= season.end)
    has_ended = is_over and others_last is not None and others_last - moments[-1] > patience
    end = moments[-1] + timedelta(seconds=1) if has_ended else datetime.max.replace(tzinfo=UTC)
    return _Era(moments[0], end, has_ended)


def _listed_count(stream: Stream, record: _Record, theirs: Sequence[datetime], season: Season) -> StreamCount:
    found = _found(record.passes.get(stream, ()), season)
    ours = sorted(
        moment for one, moments in record.passes.items() if one.may_be(stream) for moment in moments
    )
    missing = [moment for moment in theirs if not is_near(moment, ours)]
    expected, evidence = float(found + len(missing)), f"second catalogue: lists {len(theirs)}"
    return _count(stream, expected, found, missing, evidence)


def _pattern_count(stream: Stream, record: _Record, season: Season) -> StreamCount:
    expected, missing, evidence = _from_pattern(stream, record, season)
    return _count(stream, expected, _found(record.passes[stream], season), missing, evidence)


def _count(
    stream: Stream, expected: float, found: int, missing: Iterable[datetime], evidence: str
) -> StreamCount:
    days = tuple(sorted({f"{moment:%Y-%m-%d}" for moment in missing}))
    return StreamCount(
        stream.sensor, stream.platform, stream.relative_orbit, stream.tile, expected, found, days, evidence
    )


def _found(moments: Iterable[datetime], season: Season) -> int:
    return sum(season.start <= moment < season.end for moment in moments)


def _from_pattern(stream: Stream, record: _Record, season: Season) -> tuple[float, list[datetime], str]:
    """Return the passes to expect, the slots known to be missing, and why."""
    if not stream.relative_orbit:
        return math.nan, [], "no pattern: orbit not stated"
    moments, era = record.passes[stream], record.era(stream)
    is_cut = era.has_ended and era.end < season.end
    ended = f"; {stream.platform} ended on {era.end:%Y-%m-%d}" if is_cut else ""
    due = slots(stream, moments, max(season.start, era.start), min(season.end, era.end))
    if not due:
        return 0.0, [], f"no pass of its orbit in service{ended}"
    duties = _duties(stream, record, season)
    if not duties:
        return math.nan, [], f"no pattern yet: one season{ended}"
    duty = median(duties)
    missing = [slot for slot in due if not is_near(slot, moments)] if duty >= FULL_DUTY else []
    in_years = f"in {counted(len(duties), 'other year')}"
    evidence = f"{counted(len(due), 'slot')} of {stream.cycle_days} days, {duty:.0%} filled {in_years}{ended}"
    return duty * len(due), missing, evidence


def _duties(stream: Stream, record: _Record, season: Season) -> list[float]:
    """Return the share of the stream's slots filled in each other year of the record."""
    era, moments = record.era(stream), record.passes[stream]
    first, last = max(record.first, era.start), min(record.last + timedelta(seconds=1), era.end)
    duties = []
    for start, end in _other_years(season, record):
        start_seen, end_seen = max(start, first), min(end, last)
        if end_seen - start_seen >= MOST_OF_A_YEAR * (end - start):
            due = slots(stream, moments, start_seen, end_seen)
            duties.append(sum(is_near(slot, moments) for slot in due) / len(due))
    return duties


def _other_years(season: Season, record: _Record) -> Iterator[tuple[datetime, datetime]]:
    """Yield [start, end) of the season in every other year of the record."""
    years_long = season.end.year - season.start.year
    for year in range(record.first.year - 1, record.last.year + 2):
        if year != season.start.year:
            yield season.start.replace(year=year), season.end.replace(year=year + years_long)


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
