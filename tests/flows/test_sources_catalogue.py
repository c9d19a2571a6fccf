"""Catalogues: static ones on disk, and what is no catalogue."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows.sources.assets.patience import Patience
from flows.sources.catalogues.api import choose_collections
from flows.sources.catalogues.catalogue import Catalogue, open_catalogue
from monitoring.errors import CatalogueError
from monitoring.scenes import S2_BANDS, Sensor

BOX = (-2.0, 51.0, -1.0, 52.0)
YEAR = (datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))


def s2_item(day: str, *, west: float = -2.0, baseline: str = "05.09", made: str = "") -> dict[str, Any]:
    """A Sentinel-2 item of a day, one degree square from (west, 51)."""
    taken = f"{day.replace('-', '')}T110621"
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": f"S2A_{taken}_{baseline}",
        "collection": "sentinel-2-l2a",
        "bbox": [west, 51.0, west + 1, 52.0],
        "geometry": None,
        "properties": {
            "datetime": f"{day}T11:06:21Z",
            "platform": "Sentinel-2A",
            "proj:epsg": 32630,
            "s2:mgrs_tile": "30UXC",
            "s2:datatake_id": f"GS2A_{taken}_041566_N{baseline}",
            "s2:processing_baseline": baseline,
            "s2:generation_time": made or f"{day}T18:00:00Z",
            "updated": made or f"{day}T19:00:00Z",
        },
        "links": [],
        "assets": {band: {"href": f"./{band}.tif"} for band in [*S2_BANDS, "SCL"]},
    }


def write_catalogue(folder: Path, items: list[Any], **root: Any) -> Path:
    """Write catalog.json > sentinel-2-l2a/collection.json > items; text is written as it is."""
    below = folder / "sentinel-2-l2a"
    below.mkdir(parents=True)
    links = []
    for number, one in enumerate(items):
        path = below / f"item-{number}.json"
        path.write_text(one if isinstance(one, str) else json.dumps(one), "utf-8")
        links.append({"rel": "item", "href": f"./{path.name}"})
    collection = {"type": "Collection", "stac_version": "1.0.0", "id": "sentinel-2-l2a", "links": links}
    (below / "collection.json").write_text(json.dumps(collection), "utf-8")
    child = {"rel": "child", "href": "./sentinel-2-l2a/collection.json"}
    catalog = {"type": "Catalog", "stac_version": "1.0.0", "id": "c", "links": [child], **root}
    path = folder / "catalog.json"
    path.write_text(json.dumps(catalog), "utf-8")
    return path


def opened(folder: Path, items: list[Any]) -> Catalogue:
    return open_catalogue(str(write_catalogue(folder, items, **{"underwood:source": "simulated"})))


def test_scenes_of_a_static_catalogue_come_in_time_order(tmp_path: Path) -> None:
    catalogue = opened(tmp_path, [s2_item("2023-08-01"), s2_item("2023-02-01"), s2_item("2023-05-01")])
    scenes = catalogue.scenes(BOX, *YEAR)
    assert [scene.acquired_at.month for scene in scenes] == [2, 5, 8]
    assert scenes[0].href("B04") == str(tmp_path / "sentinel-2-l2a" / "B04.tif")
    assert {scene.source for scene in scenes} == {"simulated"} == {catalogue.source}
    assert catalogue.updated == datetime(2023, 8, 1, 19, tzinfo=UTC)


@pytest.mark.parametrize("address", ["catalog.json", "", "sentinel-2-l2a", "sentinel-2-l2a/item-0.json"])
def test_a_catalogue_is_opened_by_file_folder_or_collection(tmp_path: Path, address: str) -> None:
    write_catalogue(tmp_path, [s2_item("2023-02-01")], **{"underwood:source": "simulated"})
    assert len(open_catalogue(str(tmp_path / address), "simulated").scenes(BOX, *YEAR)) == 1
    assert len(open_catalogue((tmp_path / "catalog.json").as_uri()).scenes(BOX, *YEAR)) == 1


def test_the_time_window_is_half_open(tmp_path: Path) -> None:
    catalogue = opened(tmp_path, [s2_item("2023-02-01"), s2_item("2023-05-01")])
    first, second = (scene.acquired_at for scene in catalogue.scenes(BOX, *YEAR))
    assert len(catalogue.scenes(BOX, first, second)) == 1
    assert catalogue.scenes(BOX, first, second)[0].acquired_at == first


def test_only_scenes_that_touch_the_box_are_returned(tmp_path: Path) -> None:
    catalogue = opened(tmp_path, [s2_item("2023-02-01"), s2_item("2023-05-01", west=3.0)])
    assert len(catalogue.scenes(BOX, *YEAR)) == 1
    assert len(catalogue.scenes((-1.0, 51.0, 0.0, 52.0), *YEAR)) == 0  # a common edge is no overlap
    assert len(catalogue.scenes((-180.0, -90.0, 180.0, 90.0), *YEAR)) == 2


def test_only_the_sensors_asked_for_are_returned(tmp_path: Path) -> None:
    catalogue = opened(tmp_path, [s2_item("2023-02-01")])
    assert catalogue.scenes(BOX, *YEAR, sensors=[Sensor.S1_ASCENDING]) == ()
    assert len(catalogue.scenes(BOX, *YEAR, sensors=[Sensor.S2])) == 1


def test_a_scene_processed_anew_replaces_the_older_copy(tmp_path: Path) -> None:
    old = s2_item("2023-02-01", baseline="04.00")
    new = s2_item("2023-02-01", baseline="05.09", made="2024-06-01T00:00:00Z")
    kept, rejected = opened(tmp_path, [old, new]).scenes_and_rejects(BOX, *YEAR)
    assert [scene.baseline for scene in kept] == ["05.09"]
    assert [one.item_id for one in rejected] == [old["id"]]
    assert new["id"] in rejected[0].reason


def test_a_copy_outside_the_window_does_not_hide_the_scene_inside(tmp_path: Path) -> None:
    shifted = s2_item("2023-02-01", baseline="05.09")
    shifted["properties"]["datetime"] = "2024-02-01T00:00:00Z"
    catalogue = opened(tmp_path, [s2_item("2023-02-01", baseline="04.00"), shifted])
    assert [scene.baseline for scene in catalogue.scenes(BOX, *YEAR)] == ["04.00"]


def test_a_broken_item_costs_itself_and_is_named(tmp_path: Path) -> None:
    items = [s2_item("2023-02-01"), '{"type": "Feat', '{"type": "Feature"}', "[1, 2]"]
    kept, rejected = opened(tmp_path, items).scenes_and_rejects(BOX, *YEAR)
    assert len(kept) == 1
    assert [one.item_id for one in rejected] == ["item-1.json", "item-2.json", "item-3.json"]
    assert all(one.reason and "\n" not in one.reason for one in rejected)


def test_links_that_lead_nowhere_out_or_round_are_survived(tmp_path: Path) -> None:
    path = write_catalogue(tmp_path / "world", [s2_item("2023-02-01")])
    (tmp_path / "outside.json").write_text(json.dumps(s2_item("2023-03-01")), "utf-8")
    catalog = json.loads(path.read_text("utf-8"))
    hrefs = ["./none.json", "../outside.json", "./catalog.json", "/vsicurl/http://h/x.json", None, 7]
    catalog["links"] += [{"rel": "child", "href": href} for href in hrefs] + ["rubbish", {"rel": "item"}]
    path.write_text(json.dumps(catalog), "utf-8")
    kept, rejected = open_catalogue(str(path), "simulated").scenes_and_rejects(BOX, *YEAR)
    assert len(kept) == 1
    assert len(rejected) == 6
    assert any("outside the catalogue" in one.reason for one in rejected)


def test_an_item_that_points_out_of_the_folder_is_rejected(tmp_path: Path) -> None:
    one = s2_item("2023-02-01")
    one["assets"]["B04"]["href"] = "../../../etc/passwd"
    kept, rejected = opened(tmp_path / "world", [one]).scenes_and_rejects(BOX, *YEAR)
    assert not kept
    assert rejected[0].reason == "band B04: an address outside the catalogue's own folder is not followed"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "no STAC"),
        ("3", "no STAC"),
        ('{"hello": "world"}', "no STAC"),
        ('{"type": "Catalog", "id": "x", "links": []}', "no STAC"),
        ('{"type": "Catalog", "stac_version": "rubbish", "id": "x", "links": []}', "no"),
        ('{"type": "Catalog", "stac_version": "1.0.0", "id": "x", "links": []}', "no items"),
        ('{"type": "Catalog", "stac_version": "1.0.0", "id": "x"}', "no items"),
        ('{"type": "FeatureCollection", "features": []}', "no items"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_what_is_no_catalogue_is_one_clear_line(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "catalog.json"
    path.write_text(content, "utf-8")
    with pytest.raises(CatalogueError, match=said) as caught:
        open_catalogue(str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "/nowhere/catalog.json",
        "http://127.0.0.1:9/?token=hush",
        "https://me:hush@h.example/catalog.json",
        "s3://bucket/catalog.json",
        "/vsizip/a.zip/catalog.json",
        "",
    ],
)
def test_an_address_that_cannot_be_opened_is_one_clear_line(address: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        open_catalogue(address, patience=Patience(first_wait_s=0.0))
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_folder_is_no_catalogue(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"no catalog\.json"):
        open_catalogue(str(tmp_path))


def test_a_search_without_sense_is_refused(tmp_path: Path) -> None:
    catalogue = opened(tmp_path, [s2_item("2023-02-01")])
    with pytest.raises(CatalogueError, match="west < east"):
        catalogue.scenes((1.0, 51.0, -1.0, 52.0), *YEAR)
    with pytest.raises(CatalogueError, match="west < east"):
        catalogue.scenes((float("nan"), 51.0, -1.0, 52.0), *YEAR)
    with pytest.raises(CatalogueError, match="in order"):
        catalogue.scenes(BOX, *YEAR[::-1])
    with pytest.raises(CatalogueError, match="time zone"):
        catalogue.scenes(BOX, datetime(2023, 1, 1), YEAR[1])  # noqa: DTZ001


def test_one_collection_per_product_is_searched() -> None:
    both = ["sentinel-2-c1-l2a", "sentinel-2-l2a", "sentinel-1-rtc", "sentinel-1-grd"]
    assert choose_collections(both, tuple(Sensor)) == (["sentinel-2-l2a", "sentinel-1-rtc"], [])
    assert choose_collections(both, [Sensor.S2]) == (["sentinel-2-l2a"], [])
    wanted, unfit = choose_collections(["sentinel-2-c1-l2a", "sentinel-1-grd"], tuple(Sensor))
    assert wanted == ["sentinel-2-c1-l2a"]
    assert "radiometric terrain correction is needed" in unfit[0].reason


def test_seven_hundred_items_are_catalogued_in_under_two_seconds(tmp_path: Path) -> None:
    days = [
        f"{year}-{month:02d}-{day:02d}"
        for year in range(2017, 2020)
        for month in range(1, 13)
        for day in range(1, 21)
    ]
    path = write_catalogue(tmp_path, [s2_item(day) for day in days[:700]])
    start = time.process_time()
    catalogue = open_catalogue(str(path), "simulated")
    assert time.process_time() - start < 2
    window = (datetime(2017, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC))
    assert len(catalogue.scenes(BOX, *window)) == 700


def test_an_invalid_catalogue_of_others_is_refused(shared: Path) -> None:
    with pytest.raises(CatalogueError, match="no STAC"):
        open_catalogue(str(shared / "data" / "faults" / "stac_invalid_catalog.json"))


@pytest.mark.parametrize("name", ["stac_wrong_stats", "stac_no_ext"])
def test_odd_items_of_others_are_rejected_with_a_reason(shared: Path, name: str) -> None:
    window = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
    catalogue = open_catalogue(str(shared / "data" / "faults" / f"{name}.json"))
    kept, rejected = catalogue.scenes_and_rejects((-180.0, -90.0, 180.0, 90.0), *window)
    assert not kept
    assert [bool(one.reason) for one in rejected] == [True]


def test_a_real_item_beside_its_bands_becomes_a_scene(shared: Path) -> None:
    item = shared / "data" / "s2_l2a_scene_cog" / "S2A_29RKH_20200219_0_L2A.json"
    window = (datetime(2020, 2, 1, tzinfo=UTC), datetime(2020, 3, 1, tzinfo=UTC))
    (scene,) = open_catalogue(str(item)).scenes((-12.0, 24.0, -10.0, 26.0), *window)
    assert (scene.source, scene.baseline, scene.offset_dn) == ("earth-search", "02.14", 0)
    assert scene.epsg == 32629
    assert scene.acquisition == "S2A_20200219T112111_T29RKH"
    assert scene.cloud_fraction == pytest.approx(0.04051854)


def test_a_real_item_of_copernicus_becomes_a_scene_whose_assets_are_read_over_https(shared: Path) -> None:
    window = (datetime(2020, 3, 1, tzinfo=UTC), datetime(2020, 4, 1, tzinfo=UTC))
    path = shared / "data" / "faults" / "stac_cdse_issue1043_proj_code.json"
    (scene,) = open_catalogue(str(path)).scenes((34.0, 1.0, 36.0, 3.0), *window)
    assert (scene.source, scene.baseline, scene.epsg) == ("cdse", "05.00", 32636)
    assert all(href.startswith("https://eodata.dataspace.copernicus.eu/eodata/") for _, href in scene.hrefs)
