from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from flows.archive.orbits import SENTINEL_1, SENTINEL_2, _passes, optical_passes, radar_passes
from flows.archive.parks import HALLIN_FELLS, ORRAN_WEALD, PARKS, YEARS, Park
from flows.archive.products import baseline_of, optical_products

SEED = 20170401
both_parks = pytest.mark.parametrize("park", PARKS, ids=lambda park: park.code)


def test_orbit_arithmetic_finds_a_published_sentinel_2_pass_four_years_on() -> None:
    """S2A_MSIL2A_20230216T145731_R082: absolute orbit 39976, from the anchor of 2019-01-01."""
    passes = _passes(HALLIN_FELLS, SENTINEL_2[0], 82, "descending")
    found = next(one for one in passes if one.orbit == 39976)
    assert abs(found.sensed_at - datetime(2023, 2, 16, 14, 57, 31, tzinfo=UTC)) < timedelta(minutes=2)


def test_orbit_arithmetic_finds_a_published_sentinel_1_pass() -> None:
    """S1A_IW_GRDH_1SDV_20240419T045814: relative orbit 51, absolute 53498, at 32 N."""
    passes = _passes(HALLIN_FELLS, SENTINEL_1[0], 51, "descending")
    found = next(one for one in passes if one.orbit == 53498)
    assert abs(found.sensed_at - datetime(2024, 4, 19, 4, 58, 14, tzinfo=UTC)) < timedelta(minutes=8)


@both_parks
def test_a_full_year_has_nineteen_optical_passes_and_2017_about_half(park: Park) -> None:
    count = Counter(one.sensed_at.year for one in optical_passes(park, SEED))
    assert count == {2017: 10, **dict.fromkeys(YEARS[1:], 19)}


@both_parks
def test_passes_cover_every_month_and_none_falls_on_another(park: Park) -> None:
    passes = optical_passes(park, SEED)
    months = {(one.sensed_at.year, one.sensed_at.month) for one in passes}
    assert {month for year, month in months if year == 2020} == set(range(1, 13))
    assert len({one.sensed_at.date() for one in passes}) == len(passes)


@both_parks
def test_optical_passes_come_before_noon_and_radar_at_dawn_and_dusk(park: Park) -> None:
    assert {one.sensed_at.hour for one in optical_passes(park, SEED)} <= {10, 11}
    hours = {(one.orbit_state, one.sensed_at.hour) for one in radar_passes(park, SEED)}
    assert hours == {("ascending", 17), ("descending", 6)}


@both_parks
def test_satellites_come_and_go_on_their_days(park: Park) -> None:
    for one in (*optical_passes(park, SEED), *radar_passes(park, SEED)):
        assert one.satellite.first <= one.sensed_at.date() <= one.satellite.last
    flown = Counter((one.satellite.name, one.sensed_at.year) for one in optical_passes(park, SEED))
    assert flown["S2C", 2025]
    assert not flown["S2C", 2024]


@both_parks
def test_radar_is_halved_while_sentinel_1b_is_missing(park: Park) -> None:
    count = Counter((one.sensed_at.year, one.orbit_state) for one in radar_passes(park, SEED))
    for year in YEARS:
        expected = 5 if year in (2022, 2023, 2024) else 10
        assert count[year, "ascending"] == count[year, "descending"] == expected
    late = {one.satellite.name for one in radar_passes(park, SEED) if one.sensed_at.year == 2025}
    assert late == {"S1A", "S1C"}


@pytest.mark.parametrize(
    ("day", "baseline", "offset"),
    [
        (date(2018, 6, 1), "02.12", 0),
        (date(2022, 1, 24), "03.01", 0),
        (date(2022, 1, 25), "04.00", 1000),
        (date(2025, 12, 31), "05.11", 1000),
    ],
)
def test_the_baseline_of_a_day_decides_the_offset(day: date, baseline: str, offset: int) -> None:
    assert baseline_of(day) == baseline
    for park in PARKS:
        for product in optical_products(park, SEED):
            if product.baseline == baseline:
                assert product.offset == offset


def test_three_old_passes_are_listed_twice_the_second_time_newer_and_with_the_offset() -> None:
    copies = 0
    for park in (HALLIN_FELLS, ORRAN_WEALD):
        by_pass = Counter(product.sensing for product in optical_products(park, SEED))
        for sensing in (one for one, count in by_pass.items() if count == 2):
            first, again = [p for p in optical_products(park, SEED) if p.sensing == sensing]
            copies += 1
            assert sensing.sensed_at.year < 2022
            assert again.generated_at > first.generated_at
            assert again.baseline > first.baseline
            assert (first.offset, again.offset) == (0, 1000)
            assert first.id != again.id
    assert copies == 3


@both_parks
def test_item_ids_are_unique_and_name_their_tile(park: Park) -> None:
    ids = [product.id for product in optical_products(park, SEED)]
    assert len(set(ids)) == len(ids)
    assert all(f"_T{park.tile}_" in item_id for item_id in ids)
