"""Looks: what is asked again, what is new, changed or gone, and what a season freezes with."""

from __future__ import annotations

import copy
import json
import math
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from stac_world import BOX, HASTE, Api, at, s2_item, serving

from flows.sources.addresses import Place
from flows.sources.catalogues.catalogue import open_catalogue
from flows.sources.catalogues.keeping import as_record, offer_of
from flows.sources.catalogues.looks import WHOLE_EVERY, Look, look
from flows.sources.scenes.items import Offer, offer_from_item
from monitoring.errors import CatalogueError

START, END = at("2023-04-01"), at("2023-07-01")
DAYS = [f"2023-{month:02d}-{day:02d}" for month in (4, 5, 6) for day in (2, 12, 22)]


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(Api([s2_item(day, updated=f"{day}T20:00:00Z") for day in DAYS])) as found:
        yield found


def looking(api: Api, folder: Path, now: str, **more: Any) -> Look:
    catalogue = open_catalogue(api.address, "planetary-computer", patience=HASTE)
    api.forget()
    return look(catalogue, BOX, START, END, kept=folder / "kept.json", now=at(now), **more)


def counts(found: Look) -> tuple[int, int, int]:
    return found.n_new, found.n_changed, found.n_unchanged


def ids(found: Look) -> list[str]:
    return [offer.scene.id for offer in found.offers]


def test_the_first_look_is_told_everything_and_the_next_only_what_is_new(api: Api, tmp_path: Path) -> None:
    late = api.items.pop()
    first = looking(api, tmp_path, "2023-06-23")
    assert (first.is_whole, counts(first)) == (True, (8, 0, 0))
    assert "filter" not in api.searches[0]
    api.items.append(late)
    second = looking(api, tmp_path, "2023-06-24")
    assert (second.is_whole, counts(second)) == (False, (1, 0, 8))
    assert [id_ for page in api.told for id_ in page] == [late["id"]]
    assert ids(second) == sorted(one["id"] for one in api.items)


@pytest.mark.parametrize(("language", "posts"), [("filter", True), ("filter", False), ("query", True)])
def test_an_item_issued_anew_is_seen_and_nothing_else_travels(
    api: Api, tmp_path: Path, language: str, posts: bool
) -> None:
    api.language, api.posts = language, posts
    first = looking(api, tmp_path, "2023-06-25")
    api.items[2] = s2_item(DAYS[2], updated="2023-06-26T09:00:00Z", **{"eo:cloud_cover": 90.0})
    second = looking(api, tmp_path, "2023-06-28")
    assert counts(second) == (0, 1, 8)
    assert api.told == [[api.items[2]["id"]]]
    assert second.offers[2].scene.cloud_fraction == 0.9
    assert [o for n, o in enumerate(second.offers) if n != 2] == [
        o for n, o in enumerate(first.offers) if n != 2
    ]
    assert counts(looking(api, tmp_path, "2023-06-28T01:00:00")) == (0, 0, 9)


def test_looks_overlap_because_items_turn_up_some_time_after_they_were_updated(
    api: Api, tmp_path: Path
) -> None:
    slow = api.items.pop()
    slow["properties"]["updated"] = "2023-06-24T20:00:00Z"
    looking(api, tmp_path, "2023-06-26")
    api.items.append(slow)
    assert counts(looking(api, tmp_path, "2023-06-27")) == (1, 0, 8)


def test_a_server_without_a_filter_is_asked_for_everything(api: Api, tmp_path: Path) -> None:
    api.language = ""
    looking(api, tmp_path, "2023-06-25")
    api.items[2]["properties"]["updated"] = "2023-06-26T09:00:00Z"
    second = looking(api, tmp_path, "2023-06-28")
    assert (second.is_whole, counts(second)) == (True, (0, 1, 8))


@pytest.mark.parametrize("status", [400, 422, 501])
def test_a_server_that_refuses_its_filter_is_asked_for_everything(
    api: Api, tmp_path: Path, status: int
) -> None:
    looking(api, tmp_path, "2023-06-25")
    api.refuses = status
    second = looking(api, tmp_path, "2023-06-28")
    assert (second.is_whole, counts(second)) == (True, (0, 0, 9))
    assert ["filter" in search for search in api.searches] == [True, False]


def test_items_that_do_not_say_when_they_were_updated_are_all_asked_for(api: Api, tmp_path: Path) -> None:
    api.items = [s2_item(day) for day in DAYS]
    looking(api, tmp_path, "2023-06-25")
    api.items.append(s2_item("2023-06-27"))
    second = looking(api, tmp_path, "2023-06-28")
    assert (second.is_whole, counts(second)) == (True, (1, 0, 9))
    assert "filter" not in api.searches[0]


def test_changes_travel_page_by_page(api: Api, tmp_path: Path) -> None:
    api.page_size = 2
    assert counts(looking(api, tmp_path, "2023-06-25")) == (9, 0, 0)
    for one in api.items[:5]:
        one["properties"]["updated"] = "2023-06-26T09:00:00Z"
    assert counts(looking(api, tmp_path, "2023-06-28")) == (0, 5, 4)
    assert [len(page) for page in api.told] == [2, 2, 1]


def test_an_item_that_was_withdrawn_is_named_and_kept_out(api: Api, tmp_path: Path) -> None:
    looking(api, tmp_path, "2023-06-25")
    gone = api.items.pop(3)
    assert looking(api, tmp_path, "2023-06-26").withdrawn == ()  # changes do not show what is missing
    whole = looking(api, tmp_path, "2023-07-27")
    assert whole.is_whole
    assert whole.withdrawn == (gone["id"],)
    assert gone["id"] not in ids(whole)
    api.items.append(s2_item(DAYS[3], updated="2023-07-28T00:00:00Z"))
    back = looking(api, tmp_path, "2023-07-28")
    assert (back.withdrawn, counts(back)) == ((), (1, 0, 8))


def test_one_look_of_ten_is_told_everything(api: Api, tmp_path: Path) -> None:
    looks = [looking(api, tmp_path, f"2023-06-25T{hour:02d}:00:00") for hour in range(WHOLE_EVERY + 2)]
    assert [n for n, one in enumerate(looks) if one.is_whole] == [0, WHOLE_EVERY]


def test_a_look_is_told_everything_once_in_thirty_days(api: Api, tmp_path: Path) -> None:
    days = ("2023-05-01", "2023-05-20", "2023-05-31", "2023-06-01", "2023-06-20")
    assert [looking(api, tmp_path, day).is_whole for day in days] == [True, False, False, True, False]


def test_a_clock_that_ran_back_asks_for_everything(api: Api, tmp_path: Path) -> None:
    looking(api, tmp_path, "2023-06-28")
    assert looking(api, tmp_path, "2023-06-20").is_whole


def test_a_scene_that_arrives_within_the_grace_is_used_and_one_after_it_is_not(
    api: Api, tmp_path: Path
) -> None:
    within, after = api.items.pop(), api.items.pop()
    assert not looking(api, tmp_path, "2023-07-02").is_frozen
    within["properties"]["updated"] = "2023-07-20T00:00:00Z"
    api.items.append(within)
    last = looking(api, tmp_path, "2023-07-31")
    assert (last.is_frozen, last.is_whole, counts(last)) == (True, True, (1, 0, 7))
    after["properties"]["updated"] = "2023-08-01T00:00:00Z"
    api.items.append(after)
    frozen = looking(api, tmp_path, "2023-08-02")
    assert counts(frozen) == (0, 0, 8)
    assert after["id"] not in ids(frozen)


def test_a_frozen_season_is_never_asked_for_again(api: Api, tmp_path: Path) -> None:
    last = looking(api, tmp_path, "2023-08-01")
    frozen = looking(api, tmp_path, "2024-01-01")
    assert api.asked == []
    assert frozen.offers == last.offers
    assert (frozen.is_frozen, counts(frozen), frozen.looked_at) == (True, (0, 0, 9), at("2023-08-01"))


def test_a_frozen_season_can_be_looked_at_again(api: Api, tmp_path: Path) -> None:
    looking(api, tmp_path, "2023-08-01")
    api.items[0]["properties"]["updated"] = "2023-09-01T00:00:00Z"
    opened = looking(api, tmp_path, "2023-10-01", again=True)
    assert (opened.is_whole, opened.is_frozen, counts(opened)) == (True, True, (0, 1, 8))
    assert counts(looking(api, tmp_path, "2023-10-02")) == (0, 0, 9)


def test_a_season_is_not_frozen_by_a_look_before_its_grace_is_over(api: Api, tmp_path: Path) -> None:
    assert not looking(api, tmp_path, "2023-07-30T23:59:59").is_frozen
    assert looking(api, tmp_path, "2023-07-05", grace=timedelta(days=4)).is_frozen


def test_an_empty_answer_is_not_believed_where_there_was_something(api: Api, tmp_path: Path) -> None:
    looking(api, tmp_path, "2023-06-25")
    before = (tmp_path / "kept.json").read_bytes()
    api.items.clear()
    with pytest.raises(CatalogueError, match="offers nothing where it offered 9 items on 2023-06-25"):
        looking(api, tmp_path, "2023-08-01")
    assert (tmp_path / "kept.json").read_bytes() == before
    assert len(looking(api, tmp_path, "2023-08-01", again=True).withdrawn) == 9


def test_a_server_that_fails_leaves_what_was_kept(api: Api, tmp_path: Path) -> None:
    looking(api, tmp_path, "2023-06-25")
    before = (tmp_path / "kept.json").read_bytes()
    catalogue = open_catalogue(api.address, "planetary-computer", patience=HASTE)
    api.troubles = [(503, {})] * HASTE.attempts
    with pytest.raises(CatalogueError, match="503"):
        look(catalogue, BOX, START, END, kept=tmp_path / "kept.json", now=at("2023-06-26"))
    assert (tmp_path / "kept.json").read_bytes() == before
    assert counts(looking(api, tmp_path, "2023-06-26")) == (0, 0, 9)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}', '{"format": 99}', "[" * 100_000, "\x00"])
def test_a_damaged_file_is_as_if_never_looked(api: Api, tmp_path: Path, content: str) -> None:
    (tmp_path / "kept.json").write_text(content, "utf-8")
    found = looking(api, tmp_path, "2023-06-25")
    assert (found.is_whole, counts(found)) == (True, (9, 0, 0))
    assert "damaged" in found.notes[0]
    assert "\n" not in found.notes[0]
    assert looking(api, tmp_path, "2023-06-25").notes == ()


@given(cut=st.floats(0, 1, exclude_max=True))
def test_half_a_file_is_as_if_never_looked(kept_once: tuple[Any, bytes, Path], cut: float) -> None:
    catalogue, content, path = kept_once
    path.write_bytes(content[: int(cut * len(content))])
    assert counts(look(catalogue, BOX, START, END, kept=path, now=at("2023-06-25"))) == (9, 0, 0)


@pytest.fixture(scope="module")
def kept_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, bytes, Path]:
    folder = tmp_path_factory.mktemp("kept")
    items = [s2_item(day) for day in DAYS]
    (folder / "c.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}), "utf-8")
    catalogue, path = open_catalogue(str(folder / "c.json"), "planetary-computer"), folder / "kept.json"
    look(catalogue, BOX, START, END, kept=path, now=at("2023-06-25"))
    return catalogue, path.read_bytes(), path


def test_what_is_kept_for_another_place_or_source_answers_nothing(api: Api, tmp_path: Path) -> None:
    looking(api, tmp_path, "2023-08-01")
    catalogue = open_catalogue(api.address, "earth-search", patience=HASTE)
    other = look(catalogue, BOX, START, END, kept=tmp_path / "kept.json", now=at("2023-08-02"))
    assert "another question" in other.notes[0]
    assert {offer.scene.source for offer in other.offers} == {"earth-search"}


def test_a_static_catalogue_is_compared(tmp_path: Path) -> None:
    def static(items: list[Any], now: str) -> Look:
        path = tmp_path / "items.json"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": items}), "utf-8")
        catalogue = open_catalogue(str(path), "planetary-computer")
        return look(catalogue, BOX, START, END, kept=tmp_path / "kept.json", now=at(now))

    items = [s2_item(day) for day in DAYS]
    assert counts(static(items, "2023-06-25")) == (9, 0, 0)
    changed = copy.deepcopy(items[1:])
    changed[0]["properties"]["eo:cloud_cover"] = 1.0
    found = static(changed, "2023-06-26")
    assert counts(found) == (0, 1, 7)
    assert found.withdrawn == (items[0]["id"],)


@pytest.mark.parametrize("language", ["filter", ""])
def test_an_item_that_becomes_unfit_is_refused_and_not_withdrawn(
    api: Api, tmp_path: Path, language: str
) -> None:
    api.language = language
    looking(api, tmp_path, "2023-06-25")
    del api.items[0]["assets"]["B04"]
    api.items[0]["properties"]["updated"] = "2023-06-26T00:00:00Z"
    found = looking(api, tmp_path, "2023-06-27")
    assert [one.item_id for one in found.rejected] == [api.items[0]["id"]]
    assert (len(found.offers), found.withdrawn) == (8, ())
    whole = looking(api, tmp_path, "2023-08-01")
    assert ([one.item_id for one in whole.rejected], whole.withdrawn) == ([api.items[0]["id"]], ())


def test_an_unfit_item_that_is_mended_is_used(api: Api, tmp_path: Path) -> None:
    mended = copy.deepcopy(api.items[0])
    del api.items[0]["assets"]["B04"]
    assert len(looking(api, tmp_path, "2023-06-25").rejected) == 1
    mended["properties"]["updated"] = "2023-06-26T00:00:00Z"
    api.items[0] = mended
    found = looking(api, tmp_path, "2023-06-27")
    assert (found.rejected, counts(found)) == ((), (1, 0, 8))


def test_no_signature_of_an_address_is_kept_and_signed_addresses_are_asked_for_anew(
    api: Api, tmp_path: Path
) -> None:
    for one in api.items:
        for asset in one["assets"].values():
            asset["href"] += "?sig=hush"
    first = looking(api, tmp_path, "2023-06-25")
    assert first.offers[0].scene.href("B04").endswith("B04.tif?sig=hush")
    assert "hush" not in (tmp_path / "kept.json").read_text("utf-8")
    second = looking(api, tmp_path, "2023-06-25T01:00:00")
    assert (second.is_whole, counts(second)) == (True, (0, 0, 9))
    assert second.offers[0].scene.href("B04").endswith("?sig=hush")
    looking(api, tmp_path, "2023-08-01")
    assert "signatures" in looking(api, tmp_path, "2023-08-02").notes[0]


def test_two_that_look_at_once_leave_a_whole_file(api: Api, tmp_path: Path) -> None:
    catalogue = open_catalogue(api.address, "planetary-computer", patience=HASTE)
    kept = tmp_path / "kept.json"
    found: list[Look] = []

    def looks() -> None:
        for _ in range(3):
            found.append(look(catalogue, BOX, START, END, kept=kept, now=at("2023-06-25")))

    threads = [threading.Thread(target=looks) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(one.offers) for one in found] == [9] * 12
    assert [path.name for path in tmp_path.iterdir()] == ["kept.json"]
    assert counts(look(catalogue, BOX, START, END, kept=kept, now=at("2023-06-25"))) == (0, 0, 9)


def test_a_look_without_sense_is_refused(api: Api, tmp_path: Path) -> None:
    catalogue = open_catalogue(api.address, "planetary-computer", patience=HASTE)
    kept = tmp_path / "kept.json"
    with pytest.raises(CatalogueError, match="time zone"):
        look(catalogue, BOX, START, END, kept=kept, now=datetime(2023, 6, 25))  # noqa: DTZ001
    with pytest.raises(CatalogueError, match="0 or more"):
        look(catalogue, BOX, START, END, kept=kept, now=START, overlap=timedelta(days=-1))
    assert not kept.exists()


def test_real_pages_are_kept_and_rebuilt_exactly(shared: Path) -> None:
    folder = shared / "data" / "stac_items"
    documents = [json.loads(path.read_text("utf-8")) for path in sorted(folder.rglob("*.json"))]
    items = [item for one in documents for item in one.get("features", [one])]
    place = Place("https://x.example/item.json", "")
    decided = [offer_from_item(item, place, "planetary-computer") for item in items]
    offers = [one for one in decided if isinstance(one, Offer)]
    assert len(offers) > 20
    for offer in offers:
        rebuilt = offer_of(json.loads(json.dumps(as_record(offer))))
        assert rebuilt == offer
        assert rebuilt.footprint.wkb == offer.footprint.wkb


@given(
    cloud=st.floats(0, 1) | st.just(math.nan),
    west=st.floats(-179, 178),
    moment=st.datetimes(min_value=datetime(2015, 1, 1), max_value=datetime(2090, 1, 1)),  # noqa: DTZ001
    text=st.text(min_size=1),
)
def test_any_offer_is_rebuilt_exactly(cloud: float, west: float, moment: datetime, text: str) -> None:
    one = offer_from_item(s2_item("2023-06-01"), Place("https://x.example/", ""), "planetary-computer")
    assert isinstance(one, Offer)
    scene = replace(
        one.scene,
        id=text,
        cloud_fraction=math.nan if math.isnan(cloud) else cloud,
        bbox=(west, 51.0, west + 0.1, 52.0),
        acquired_at=moment.replace(tzinfo=START.tzinfo),
        checksums=(("B04", "1220ab"),),
    )
    offer = replace(one, scene=scene, footprint=shapely.box(west, 51.0, west + 0.1, 52.0))
    assert offer_of(json.loads(json.dumps(as_record(offer)))) == offer


def test_a_real_page_without_moments_is_compared_whole(shared: Path, tmp_path: Path) -> None:
    pages = shared / "data" / "stac_items" / "pages"
    content = json.loads(next(pages.glob("*.json")).read_text("utf-8"))
    with serving(Api(content["features"], page_size=5)) as api:
        catalogue = open_catalogue(api.address, "planetary-computer", patience=HASTE)
        question = ((-180.0, -90.0, 180.0, 90.0), at("2020-06-01"), at("2020-08-01"))
        found = [
            look(catalogue, *question, kept=tmp_path / "kept.json", now=at("2020-08-02")) for _ in range(2)
        ]
    assert counts(found[0]) == (13, 0, 0)
    assert (counts(found[1]), found[1].is_whole) == ((0, 0, 13), True)
    assert found[1].offers == found[0].offers
