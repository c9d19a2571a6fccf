"""Expected passes: orbits that come back every 10 and 12 days, thinned, ended, begun and lost."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.completeness import Completeness, PassSeen, completeness
from monitoring.scenes import Sensor
from monitoring.science import CompletenessRule
from monitoring.seasons import Season

RULE = CompletenessRule()
START = datetime(2017, 1, 3, 11, 6, tzinfo=UTC)
END = datetime(2025, 12, 31, tzinfo=UTC)


def passes(
    platform: str,
    orbit: int,
    start: datetime = START,
    end: datetime = END,
    *,
    sensor: Sensor = Sensor.S2,
    every: int = 1,
) -> list[PassSeen]:
    """One stream, every so many cycles."""
    cycle, tile = (10, "30UVF") if sensor is Sensor.S2 else (12, "")
    n = (end - start) // timedelta(days=cycle * every) + 1
    moments = (start + timedelta(days=cycle * every * number) for number in range(n))
    return [PassSeen(sensor, platform, orbit, tile, moment) for moment in moments]


def year(number: int) -> Season:
    return Season(number, 4)


def without(held: Iterable[PassSeen], start: datetime, end: datetime) -> list[PassSeen]:
    return [one for one in held if not start <= one.acquired_at < end]


def judge(held: list[PassSeen], season: Season, others: Iterable[PassSeen] = ()) -> Completeness:
    return completeness(held, season, tuple(others), RULE)


def test_a_full_record_has_all_it_should_have() -> None:
    held = passes("sentinel-2a", 37) + passes("sentinel-1a", 30, sensor=Sensor.S1_ASCENDING)
    found = judge(held, year(2020))
    assert [(stream.expected, stream.found) for stream in found.streams] == [(30, 30), (36, 36)]
    assert found.missing_share == 0
    assert found.is_complete
    assert found.reason == ""


def test_a_lost_quarter_is_missing_by_day() -> None:
    lost = (datetime(2020, 4, 1, tzinfo=UTC), datetime(2020, 7, 1, tzinfo=UTC))
    found = judge(without(passes("sentinel-2a", 37), *lost), year(2020))
    (stream,) = found.streams
    assert stream.missing_days[0] == "2020-04-07"
    assert len(stream.missing_days) == 9
    assert found.missing_share == pytest.approx(9 / 36)
    assert found.missing_share_by_sensor[Sensor.S2] == pytest.approx(9 / 36)
    assert math.isnan(found.missing_share_by_sensor[Sensor.S1_ASCENDING])
    assert found.is_complete


def test_a_season_under_its_floor_is_not_complete_and_says_why() -> None:
    held = without(
        passes("sentinel-2a", 37), datetime(2020, 2, 1, tzinfo=UTC), datetime(2020, 9, 1, tzinfo=UTC)
    )
    found = judge(held, year(2020))
    assert not found.is_complete
    assert found.reason.startswith("optical: 15 of 36 expected passes, 42%, bound 50%")


def test_radar_under_its_floor_is_not_made_up_for_by_optical() -> None:
    lost = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC))
    radar = passes("sentinel-1a", 30, sensor=Sensor.S1_ASCENDING)
    found = judge(passes("sentinel-2a", 37) + without(radar, *lost), year(2020))
    assert not found.is_complete
    assert found.reason == "radar: 0 of 30 expected passes, 0%, bound 50%"


def test_one_direction_of_radar_makes_up_for_the_other() -> None:
    lost = (datetime(2020, 2, 1, tzinfo=UTC), datetime(2020, 12, 1, tzinfo=UTC))
    up = without(passes("sentinel-1a", 30, sensor=Sensor.S1_ASCENDING), *lost)
    down = passes("sentinel-1a", 52, sensor=Sensor.S1_DESCENDING)
    found = judge(up + down, year(2020))
    assert found.is_complete
    assert found.missing_share == pytest.approx(0.4, abs=0.05)


def test_an_orbit_acquired_every_second_cycle_misses_nothing() -> None:
    found = judge(passes("sentinel-1a", 30, sensor=Sensor.S1_ASCENDING, every=2), year(2020))
    (stream,) = found.streams
    assert stream.found in {15, 16}
    assert stream.expected == pytest.approx(15.2, abs=0.5)
    assert stream.missing_days == ()
    assert "50% filled" in stream.evidence


def test_the_evidence_is_said_in_the_singular_and_in_the_plural() -> None:
    two_years = passes("sentinel-2a", 37, datetime(2019, 1, 3, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC))
    assert judge(two_years, year(2020)).streams[0].evidence.endswith("100% filled in 1 other year")
    ended = passes("sentinel-2a", 37, START, datetime(2020, 1, 9, tzinfo=UTC))
    others = passes("sentinel-2b", 37)
    evidence = judge(ended + others, year(2020)).streams[0].evidence
    assert evidence.startswith(
        "1 slot of 10 days, 100% filled in 3 other years; sentinel-2a ended on 2020-01"
    )


def test_a_satellite_that_ended_is_named_and_not_missed() -> None:
    end = datetime(2021, 12, 23, 6, tzinfo=UTC)
    kept = passes("sentinel-1a", 30, sensor=Sensor.S1_ASCENDING)
    lost = passes("sentinel-1b", 30, START, end, sensor=Sensor.S1_ASCENDING)
    found = judge(kept + lost, year(2022))
    assert [(stream.platform, stream.expected) for stream in found.streams] == [
        ("sentinel-1a", pytest.approx(30, abs=1)),
        ("sentinel-1b", 0),
    ]
    assert "sentinel-1b ended on 2021-12" in found.streams[1].evidence
    assert found.missing_share == 0


def test_a_satellite_counts_from_its_first_pass() -> None:
    late = passes("sentinel-2b", 37, datetime(2017, 7, 6, 11, tzinfo=UTC))
    found = judge(passes("sentinel-2a", 37) + late, year(2017))
    assert [stream.expected for stream in found.streams] == [37, 18]
    assert found.missing_share == 0
    before = judge(
        passes("sentinel-2a", 37) + passes("sentinel-2c", 37, datetime(2025, 1, 21, tzinfo=UTC)), year(2020)
    )
    assert [stream.platform for stream in before.streams] == ["sentinel-2a"]


def test_a_catalogue_that_stops_is_missing_and_not_ended() -> None:
    stop = datetime(2025, 4, 17, tzinfo=UTC)
    held = passes("sentinel-2a", 37, end=stop) + passes("sentinel-2b", 80, START + timedelta(days=3), stop)
    found = judge(held, year(2025))
    assert not found.is_complete
    assert found.missing_share == pytest.approx(0.7, abs=0.03)
    assert {day[:7] for day in found.streams[0].missing_days} == {
        f"2025-{month:02}" for month in range(4, 13)
    }


def test_one_season_has_no_pattern_and_counts_as_complete() -> None:
    held = passes("sentinel-2a", 37, datetime(2024, 1, 3, tzinfo=UTC), datetime(2024, 12, 31, tzinfo=UTC))
    found = judge(held, year(2024))
    assert math.isnan(found.streams[0].expected)
    assert found.streams[0].evidence == "no pattern yet: one season"
    assert math.isnan(found.missing_share)
    assert math.isnan(found.expected)
    assert found.found == 37
    assert found.is_complete
    assert "optical: expected passes not known" in found.reason


def test_a_second_catalogue_decides_by_day() -> None:
    theirs = passes("sentinel-2a", 37, datetime(2024, 1, 3, tzinfo=UTC), datetime(2024, 12, 31, tzinfo=UTC))
    ours = [one for one in theirs if one.acquired_at.month not in (5, 6)]
    found = judge(ours, year(2024), theirs)
    assert (found.expected, found.found) == (37, 31)
    assert found.streams[0].missing_days == (
        "2024-05-02",
        "2024-05-12",
        "2024-05-22",
        "2024-06-01",
        "2024-06-11",
        "2024-06-21",
    )
    assert found.streams[0].evidence == "second catalogue: lists 37"


def test_what_neither_catalogue_has_was_not_acquired() -> None:
    lost = (datetime(2020, 2, 1, tzinfo=UTC), datetime(2020, 12, 1, tzinfo=UTC))
    held = without(passes("sentinel-2a", 37), *lost)
    assert not judge(held, year(2020)).is_complete
    assert judge(held, year(2020), held).missing_share == 0


def test_a_second_catalogue_without_radar_says_nothing_of_radar() -> None:
    optical, radar = passes("sentinel-2a", 37), passes("sentinel-1a", 30, sensor=Sensor.S1_ASCENDING)
    found = judge(optical + radar, year(2020), optical)
    assert {stream.sensor: stream.evidence[:6] for stream in found.streams} == {
        Sensor.S2: "second",
        Sensor.S1_ASCENDING: "30 slo",
    }


def test_a_pass_whose_orbit_one_catalogue_does_not_state_is_the_same_pass() -> None:
    theirs = [
        PassSeen(one.sensor, one.platform, 0, one.tile, one.acquired_at) for one in passes("sentinel-2a", 37)
    ]
    assert judge(passes("sentinel-2a", 37), year(2020), theirs).missing_share == 0


def test_an_orbit_that_is_not_stated_has_no_pattern() -> None:
    found = judge(passes("sentinel-2a", 0), year(2020))
    assert math.isnan(found.streams[0].expected)
    assert found.streams[0].evidence == "no pattern: orbit not stated"


def test_two_halves_of_one_pass_count_once() -> None:
    held = passes("sentinel-2a", 37)
    halves = [
        PassSeen(
            one.sensor, one.platform, one.relative_orbit, one.tile, one.acquired_at + timedelta(seconds=25)
        )
        for one in held
    ]
    assert judge(held + halves, year(2020)) == judge(held, year(2020))


def test_nothing_held_and_nothing_listed_is_said() -> None:
    found = judge([], year(2020))
    assert found.streams == ()
    assert found.is_complete
    assert found.reason == "optical: expected passes not known; radar: expected passes not known"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 3285), max_size=60),
    st.lists(st.integers(0, 3285), max_size=60),
    st.integers(2017, 2025),
    st.integers(1, 4),
)
def test_shares_are_shares_whatever_is_held(
    ours: list[int], theirs: list[int], number: int, quarter: int
) -> None:
    def some(days: list[int]) -> list[PassSeen]:
        return [
            PassSeen(tuple(Sensor)[day % 3], f"sentinel-{day % 2}", day % 4, "", START + timedelta(days=day))
            for day in days
        ]

    found = completeness(some(ours), Season(number, quarter), some(theirs), RULE)
    for share in (found.missing_share, *found.missing_share_by_sensor.values()):
        assert math.isnan(share) or 0 <= share <= 1
    for stream in found.streams:
        assert math.isnan(stream.expected) or stream.expected >= 0
        assert stream.found >= 0


def test_a_satellite_lost_in_the_season_itself_is_missed() -> None:
    """The catalogue lost one satellite's passes from spring on; the other flies on, and the year is thin."""
    end = datetime(2020, 12, 28, tzinfo=UTC)
    other = passes("sentinel-1a", 30, START, end, sensor=Sensor.S1_ASCENDING)
    lost = passes("sentinel-1b", 30, START, datetime(2020, 3, 1, tzinfo=UTC), sensor=Sensor.S1_ASCENDING)
    found = judge(other + lost, year(2020))
    assert 0.35 < found.missing_share_by_sensor[Sensor.S1_ASCENDING] < 0.5
