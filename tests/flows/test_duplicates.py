"""One observation per acquisition: copies under every name they come in, and parts that are no copies."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.sources.addresses import Place
from flows.sources.catalogues.provenance import source_of
from flows.sources.scenes.duplicates import newest_copies
from flows.sources.scenes.items import Offer, offer_from_item
from monitoring.scenes import S2_BANDS

WEB = Place("https://stac.example/items/a.json", "")
TILE = (-2.0, 51.0, -1.0, 52.0)
Box = tuple[float, float, float, float]


def offered(one: dict[str, Any], source: str = "planetary-computer") -> Offer:
    decided = offer_from_item(one, WEB, source)
    assert isinstance(decided, Offer), decided
    return decided


def placed(one: dict[str, Any], box: Box) -> dict[str, Any]:
    return one | {"bbox": list(box), "geometry": json.loads(shapely.to_geojson(shapely.box(*box)))}


def optical(name: str = "a", box: Box = TILE, collection: str = "sentinel-2-l2a", **properties: Any) -> Offer:
    """An item of the pass S2A_20230607T110621 over tile 30UXC."""
    stated = {
        "datetime": "2023-06-07T11:06:21Z",
        "platform": "Sentinel-2A",
        "proj:epsg": 32630,
        "s2:mgrs_tile": "30UXC",
        "s2:datatake_id": "GS2A_20230607T110621_041566_N05.09",
        "s2:processing_baseline": "05.09",
        "s2:generation_time": "2023-06-07T18:30:00Z",
        **properties,
    }
    assets = {band: {"href": f"./{band}.tif"} for band in (*S2_BANDS, "SCL")}
    one = {"id": name, "collection": collection, "properties": stated, "assets": assets}
    return offered(placed(one, box))


def processed(baseline: str, made: str, box: Box = TILE, **properties: Any) -> Offer:
    datatake = f"GS2A_20230607T110621_041566_N{baseline}"
    stated = {"s2:processing_baseline": baseline, "s2:datatake_id": datatake, "s2:generation_time": made}
    return optical(f"{baseline}-{made}", box, **stated, **properties)


def slice_of_pass(start: str, box: Box, name: str = "", **properties: Any) -> Offer:
    """A 25 s slice of Sentinel-1A's absolute orbit 53498."""
    begins = datetime.fromisoformat(start).replace(tzinfo=UTC)
    stated = {
        "datetime": (begins + timedelta(seconds=12.5)).isoformat(),
        "start_datetime": begins.isoformat(),
        "platform": "SENTINEL-1A",
        "sat:orbit_state": "descending",
        "sat:absolute_orbit": 53498,
        "proj:epsg": 32633,
        **properties,
    }
    assets = {band: {"href": f"./{band}.tif"} for band in ("vv", "vh")}
    one = {"id": name or start, "collection": "sentinel-1-rtc", "properties": stated, "assets": assets}
    return offered(placed(one, box))


def survivors(offers: list[Offer]) -> list[str]:
    return [offer.scene.id for offer in newest_copies(offers)[0]]


# --- which copy is preferred, and what is said of the others


def test_the_newest_baseline_wins_over_the_newest_date() -> None:
    old, new = processed("04.00", "2024-01-01T00:00:00Z"), processed("05.09", "2023-06-08T00:00:00Z")
    kept, (loser,) = newest_copies([old, new])
    assert kept == (new,)
    assert (loser.item_id, loser.collection) == (old.scene.id, "sentinel-2-l2a")
    assert loser.reason == (
        f"older copy of {new.scene.id} (S2A_20230607T110621_T30UXC): baseline 04.00, not 05.09"
    )


def test_of_two_stations_products_the_last_processed_wins() -> None:
    first, last = processed("05.09", "2023-06-08T00:00:00Z"), processed("05.09", "2023-06-09T00:00:00Z")
    assert newest_copies([last, first])[0] == newest_copies([first, last])[0] == (last,)
    reason = newest_copies([first, last])[1][0].reason
    assert reason.endswith("processed 2023-06-08 00:00:00, not 2023-06-09 00:00:00")


@pytest.mark.parametrize("key", ["created", "updated"])
def test_of_one_processing_the_last_listed_wins(key: str) -> None:
    early, late = optical("z", **{key: "2023-06-08T00:00:00Z"}), optical("a", **{key: "2023-06-09T00:00:00Z"})
    assert survivors([early, late]) == ["a"]
    assert f"{key} 2023-06-08" in newest_copies([early, late])[1][0].reason


def test_sequence_numbers_of_one_tile_and_datatake_are_one_observation() -> None:
    names = [f"S2A_30UXC_20230607_{number}_L2A" for number in (0, 1)]
    kept, (loser,) = newest_copies([optical(name) for name in names])
    assert [offer.scene.id for offer in kept] == names[1:]
    assert loser.reason.endswith("alike but for the id")


def test_one_product_under_several_ids_of_real_catalogues_is_one_observation(shared: Path) -> None:
    folder = shared / "data" / "stac_items" / "earth_search_v1"
    items = [json.loads(path.read_text("utf-8")) for path in sorted(folder.rglob("*20EPT*L2A.json"))]
    kept, losers = newest_copies([offered(one, source_of({}, one)) for one in items])
    assert [(offer.scene.id, offer.scene.collection) for offer in kept] == [
        ("S2B_20EPT_20250731_0_L2A", "sentinel-2-l2a")
    ]
    assert {loser.collection: loser.reason.partition(": ")[2] for loser in losers} == {
        "sentinel-2-c1-l2a": "the same processing in collection sentinel-2-c1-l2a, not sentinel-2-l2a",
        "sentinel-s2-l2a-cogs": "processed at an unknown time, not 2025-07-31 14:39:19",
    }


def test_no_item_of_the_real_pages_is_a_copy_of_another(shared: Path) -> None:
    (page,) = (shared / "data" / "stac_items" / "pages").glob("*.json")
    items = json.loads(page.read_text("utf-8"))["features"]
    kept, losers = newest_copies([offered(one) for one in items])
    assert (len(kept), losers) == (13, ())


def test_an_item_served_twice_is_used_once() -> None:
    one = optical()
    assert newest_copies([one, one]) == ((one,), ())


# --- midnight


def test_a_datatake_that_crosses_midnight_is_named_by_its_start() -> None:
    before = {"s2:datatake_id": "GS2A_20230216T235751_039981_N04.00", "s2:processing_baseline": "04.00"}
    as_started = optical("a", datetime="2023-02-16T23:57:51Z", **before)  # as Planetary Computer dates it
    as_sensed = optical("b", datetime="2023-02-17T00:01:12Z", **before)  # as Earth Search dates it
    assert as_started.scene.acquisition == as_sensed.scene.acquisition == "S2A_20230216T235751_T30UXC"
    assert survivors([as_started, as_sensed]) == ["b"]


def test_two_days_of_one_tile_are_two_observations() -> None:
    days = [
        optical(day, **{"s2:datatake_id": f"GS2A_{day}T110621_0415_N05.09"})
        for day in ("20230607", "20230617")
    ]
    assert len(survivors(days)) == 2


# --- parts


def test_the_two_halves_of_a_tile_are_both_kept_as_parts_of_one_acquisition() -> None:
    west = processed("05.09", "2023-06-08T00:00:00Z", (-2, 51, -1.4, 52))
    east = processed("05.09", "2023-06-08T00:00:01Z", (-1.5, 51, -1, 52))
    kept, losers = newest_copies([west, east])
    assert len(kept) == 2
    assert not losers
    assert len({offer.scene.acquisition for offer in kept}) == 1


def test_a_newer_strip_of_a_tile_does_not_take_the_place_of_the_whole() -> None:
    whole = processed("05.09", "2023-06-08T00:00:00Z")
    strip = processed("05.09", "2023-06-09T00:00:00Z", (-2, 51, -1.7, 52))
    assert newest_copies([whole, strip])[0] == (whole, strip)
    older_strip = processed("04.00", "2023-06-07T00:00:00Z", (-2, 51, -1.7, 52))
    assert newest_copies([whole, older_strip])[0] == (whole,)


# --- radar


def test_neighbouring_slices_of_a_pass_are_different_observations() -> None:
    first = slice_of_pass("2024-04-19T04:58:14", (14.3, 32.0, 17.2, 33.9))
    second = slice_of_pass("2024-04-19T04:58:39", (14.0, 30.6, 16.9, 32.1))
    kept, losers = newest_copies([first, second])
    assert len(kept) == 2
    assert not losers


def test_real_slices_of_one_pass_are_all_kept(shared: Path) -> None:
    folder = shared / "data" / "stac_items" / "planetary_computer" / "sentinel-1-rtc"
    items = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]
    assert len(survivors([offered(one) for one in items])) == 3


@pytest.mark.parametrize("start", ["2024-04-19T04:58:14", "2024-04-19T04:58:15", "2024-04-19T04:58:13.9"])
def test_a_slice_processed_twice_is_one_observation_though_its_start_was_rounded(start: str) -> None:
    box = (14.3, 32.0, 17.2, 33.9)
    first = slice_of_pass("2024-04-19T04:58:14", box, "first", created="2024-04-19T08:00:00Z")
    again = slice_of_pass(start, box, "again", created="2024-04-20T08:00:00Z")
    kept, losers = newest_copies([again, first])
    assert kept == (again,)
    assert "created 2024-04-19" in losers[0].reason


def test_the_same_ground_in_another_pass_or_direction_is_another_observation() -> None:
    box = (14.3, 32.0, 17.2, 33.9)
    first = slice_of_pass("2024-04-19T04:58:14", box)
    later = slice_of_pass("2024-05-01T04:58:14", box, **{"sat:absolute_orbit": None})
    nameless = slice_of_pass("2024-05-13T04:58:14", box, **{"sat:absolute_orbit": None})
    other_way = slice_of_pass("2024-04-19T04:58:14", box, "up", **{"sat:orbit_state": "ascending"})
    assert len(survivors([first, later, nameless, other_way])) == 4


# --- what holds of any offers


def along_the_pass(second: int) -> Offer:
    """A slice of 1.5 degrees, 1 degree further south every 25 s."""
    at = f"2024-04-19T04:{second // 60 + 50:02d}:{second % 60:02d}"
    return slice_of_pass(at, (0, 50 - second / 25, 3, 51.5 - second / 25))


WEST, EAST = (-2.0, 51.0, -1.5, 52.0), (-1.5, 51.0, -1.0, 52.0)
copies = st.builds(
    lambda baseline, day, name, created: optical(
        name,
        **{
            "s2:processing_baseline": baseline,
            "s2:datatake_id": f"GS2A_20230607T110621_041566_N{baseline}",
            "s2:generation_time": f"2023-06-0{day}T00:00:00Z",
            "created": created,
        },
    ),
    st.sampled_from(["02.12", "04.00", "05.09"]),
    st.integers(1, 3),
    st.sampled_from(["a", "b", "c", "d"]),
    st.sampled_from([None, "2023-07-01T00:00:00Z", "2023-08-01T00:00:00Z"]),
)
anything = st.one_of(
    copies,
    st.builds(
        lambda box, day: processed("05.09", f"2023-06-0{day}T00:00:00Z", box),
        st.sampled_from([WEST, EAST, TILE]),
        st.integers(1, 3),
    ),
    st.builds(lambda second: along_the_pass(second), st.integers(0, 59)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(anything, max_size=7), st.randoms(use_true_random=False))
def test_the_choice_does_not_depend_on_the_order_of_items(offers: list[Offer], random: Any) -> None:
    shuffled = list(offers)
    random.shuffle(shuffled)
    assert newest_copies(offers) == newest_copies(shuffled)


@settings(max_examples=60, deadline=None)
@given(st.lists(anything, max_size=7))
def test_what_was_kept_is_kept_again_and_nothing_is_lost(offers: list[Offer]) -> None:
    kept, losers = newest_copies(offers)
    assert newest_copies(kept) == (kept, ())
    assert {offer.scene.id for offer in offers} == {o.scene.id for o in kept} | {r.item_id for r in losers}


@settings(max_examples=60, deadline=None)
@given(st.lists(copies, min_size=1, max_size=7))
def test_a_group_of_copies_has_exactly_one_survivor_and_it_is_the_newest(offers: list[Offer]) -> None:
    (kept,), losers = newest_copies(offers)
    assert kept.version.key[:2] == max(offer.version.key[:2] for offer in offers)
    assert all(kept.scene.id in loser.reason for loser in losers)


def test_slices_in_a_row_are_kept_however_many() -> None:
    row = [along_the_pass(second) for second in range(0, 250, 25)]
    kept, losers = newest_copies(row)
    assert (len(kept), losers) == (10, ())
    assert all(one.scene.acquired_at < other.scene.acquired_at for one, other in pairwise(kept))
