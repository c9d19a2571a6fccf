"""From STAC item to scene: the decisions, on real items and on rubbish."""

from __future__ import annotations

import copy
import csv
import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.sources.addresses import AddressRefusedError, Place, resolve, shown, without_secrets
from flows.sources.catalogues.provenance import source_of
from flows.sources.scenes.duplicates import newest_copies
from flows.sources.scenes.items import Offer, Rejected, offer_from_item
from flows.sources.scenes.offsets import offset_of
from monitoring.scenes import S2_BANDS, Sensor

WEB = Place("https://stac.example/items/a.json", "")


def item(**properties: Any) -> dict[str, Any]:
    """A Planetary Computer style Sentinel-2 item on one square degree."""
    bands = [*S2_BANDS, "SCL"]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "S2A_MSIL2A_20230607T110621_R137_T30UXC_20230607T183000",
        "collection": "sentinel-2-l2a",
        "bbox": [-2, 51, -1, 52],
        "geometry": json.loads(shapely.to_geojson(shapely.box(-2, 51, -1, 52))),
        "properties": {
            "datetime": "2023-06-07T11:06:21.024000Z",
            "platform": "Sentinel-2A",
            "proj:epsg": 32630,
            "eo:cloud_cover": 12.5,
            "s2:mgrs_tile": "30UXC",
            "s2:datatake_id": "GS2A_20230607T110621_041566_N05.09",
            "s2:processing_baseline": "05.09",
            "s2:generation_time": "2023-06-07T18:30:00.000000Z",
            **properties,
        },
        "assets": {band: {"href": f"./{band}.tif"} for band in bands},
    }


def radar(**properties: Any) -> dict[str, Any]:
    one = item(
        **{
            "sat:orbit_state": "ascending",
            "sat:absolute_orbit": 53134,
            "start_datetime": "2023-06-07 06:30:38.146465+00:00",
            **properties,
        }
    )
    one |= {"id": "S1A_rtc", "collection": "sentinel-1-rtc"}
    one["assets"] = {key: {"href": f"./{key}.tif"} for key in ("vv", "vh")}
    return one


def offer(one: dict[str, Any], source: str = "planetary-computer") -> Offer:
    decided = offer_from_item(one, WEB, source)
    assert isinstance(decided, Offer), decided
    return decided


def reason(one: Any, source: str = "planetary-computer") -> str:
    decided = offer_from_item(one, WEB, source)
    assert isinstance(decided, Rejected), decided
    assert "\n" not in decided.reason
    return decided.reason


# --- what a good item becomes


def test_an_optical_item_becomes_a_scene() -> None:
    scene = offer(item()).scene
    assert (scene.sensor, scene.platform, scene.epsg, scene.baseline) == (
        Sensor.S2,
        "sentinel-2a",
        32630,
        "05.09",
    )
    assert scene.acquired_at == datetime(2023, 6, 7, 11, 6, 21, 24000, tzinfo=UTC)
    assert scene.acquisition == "S2A_20230607T110621_T30UXC"
    assert scene.cloud_fraction == 0.125
    assert scene.href("B8A") == "https://stac.example/items/B8A.tif"
    assert [band for band, _ in scene.hrefs] == [*S2_BANDS, "SCL"]


def test_a_radar_item_becomes_a_scene_of_its_orbit_direction() -> None:
    scene = offer(radar()).scene
    assert scene.sensor is Sensor.S1_ASCENDING
    assert offer(radar(**{"sat:orbit_state": "descending"})).scene.sensor is Sensor.S1_DESCENDING
    assert (scene.offset_dn, scene.baseline) == (0, "")
    assert math.isnan(offer(radar(**{"eo:cloud_cover": None})).scene.cloud_fraction)


@pytest.mark.parametrize("asset_level", [False, True])
@pytest.mark.parametrize("key", [{"proj:epsg": 32631}, {"proj:code": "EPSG:32631"}])
def test_the_zone_is_found_in_both_spellings_and_both_places(key: dict[str, Any], asset_level: bool) -> None:
    one = item()
    del one["properties"]["proj:epsg"]
    (one["assets"]["B04"] if asset_level else one["properties"]).update(key)
    assert offer(one).scene.epsg == 32631


@pytest.mark.parametrize(
    "keys",
    [
        (
            "red",
            "blue",
            "green",
            "nir",
            "nir08",
            "rededge1",
            "rededge2",
            "rededge3",
            "swir16",
            "swir22",
            "scl",
        ),
        tuple(f"{band}_10m" for band in ("B04", "B02", "B03", "B08"))
        + tuple(f"{band}_20m" for band in ("B8A", "B05", "B06", "B07", "B11", "B12", "SCL")),
    ],
)
def test_every_catalogue_names_its_bands_differently(keys: tuple[str, ...]) -> None:
    one = item()
    one["assets"] = {key: {"href": f"./{key}.tif"} for key in keys}
    found = offer(one).scene.hrefs
    assert [href.rsplit("/", 1)[1].removesuffix(".tif") for _, href in found] == list(keys)


# --- the offset


@pytest.mark.parametrize(
    ("source", "properties", "href", "offset"),
    [
        ("planetary-computer", {"s2:processing_baseline": "03.01"}, "https://x/B04.tif", 0),
        ("planetary-computer", {"s2:processing_baseline": "04.00"}, "https://x/B04.tif", 1000),
        ("simulated", {"s2:processing_baseline": "05.10"}, "https://x/B04.tif", 1000),
        ("planetary-computer", {"earthsearch:boa_offset_applied": True}, "https://x/B04.tif", 1000),
        ("earth-search", {"earthsearch:boa_offset_applied": True}, "https://x/B04.tif", 0),
        ("earth-search", {"earthsearch:boa_offset_applied": False}, "https://x/B04.tif", 1000),
        ("earth-search", {}, "https://sentinel-cogs.s3.us-west-2.amazonaws.com/B04.tif", 0),
        ("earth-search", {"earthsearch:s3_path": "s3://sentinel-cogs/a"}, "./B04.tif", 0),
        ("cdse", {"s2:processing_baseline": None, "processing:version": "02.14"}, "https://x/B04.tif", 0),
        ("cdse", {"s2:processing_baseline": None, "processing:version": "05.00"}, "https://x/B04.tif", 1000),
    ],
)
def test_the_offset_follows_source_location_and_baseline(
    source: str, properties: dict[str, Any], href: str, offset: int
) -> None:
    one = item(**properties)
    one["assets"]["B04"]["href"] = href
    scene = offer(one, source).scene
    assert scene.offset_dn == offset
    assert scene.offset_rule


def test_an_old_scene_processed_anew_carries_the_offset() -> None:
    one = item(datetime="2018-06-07T11:06:21Z", **{"s2:processing_baseline": "05.00"})
    assert offer(one).scene.offset_dn == 1000


@pytest.mark.parametrize(("day", "offset"), [("2022-01-24T23:59:59Z", 0), ("2022-01-25T00:00:00Z", 1000)])
def test_without_a_baseline_the_day_decides_on_planetary_computer(day: str, offset: int) -> None:
    acquired = datetime.fromisoformat(day)
    decided = offset_of("planetary-computer", "", acquired, {}, "https://x/B04.tif")
    assert decided is not None
    assert decided.dn == offset
    assert "no baseline" in decided.why


def test_without_a_baseline_an_unknown_source_is_refused() -> None:
    one = item(**{"s2:processing_baseline": None, "s2:datatake_id": None})
    one["id"] = "scene-1"
    assert "baseline" in reason(one, "unknown")


@pytest.mark.parametrize(
    ("properties", "item_id"),
    [
        ({"s2:product_uri": "S2A_MSIL2A_20230607T110621_N0509_R137_T30UXC_20230607T183000.SAFE"}, "x"),
        ({"sentinel:product_id": "S2A_MSIL2A_20230607T110621_N0509_R137_T30UXC_20230607T183000"}, "x"),
        ({"s2:datatake_id": "GS2A_20230607T110621_041566_N05.09"}, "x"),
        ({}, "S2A_MSIL2A_20230607T110621_N0509_R137_T30UXC_20230607T183000"),
    ],
)
def test_the_baseline_is_read_from_names_where_no_property_states_it(
    properties: dict[str, Any], item_id: str
) -> None:
    nothing = {"s2:processing_baseline": None, "s2:datatake_id": None}
    scene = offer(item(**(nothing | properties)) | {"id": item_id}).scene
    assert scene.baseline == "05.09"
    assert scene.acquisition == "S2A_20230607T110621_T30UXC"


# --- what is refused, by name


def test_detected_radar_is_refused_because_terrain_correction_is_needed() -> None:
    one = radar() | {"collection": "sentinel-1-grd"}
    assert reason(one).startswith("sentinel-1-grd: radiometric terrain correction is needed")


def test_a_missing_band_is_named() -> None:
    one = item()
    del one["assets"]["B8A"]
    assert reason(one) == "band B8A is missing"
    two = radar()
    del two["assets"]["vh"]
    assert reason(two) == "band VH is missing"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda one: one["properties"].update(datetime=None), "datetime"),
        (lambda one: one["properties"].update(datetime="yesterday"), "datetime"),
        (lambda one: one["properties"].pop("proj:epsg"), "proj:code"),
        (lambda one: one.pop("properties"), "properties"),
        (lambda one: one.update(assets=[]), "assets"),
        (lambda one: one.update(id=""), "id"),
        (lambda one: (one.pop("bbox"), one.pop("geometry")), "bbox"),
        (lambda one: one.update(collection="landsat-c2-l2"), "landsat-c2-l2"),
        (lambda one: one.update(collection="sentinel-2-l1c"), "surface reflectance"),
        (lambda one: one["assets"]["B04"].update(type="image/jp2"), "JPEG 2000"),
    ],
)
def test_an_item_that_lacks_something_says_what(change: Any, named: str) -> None:
    one = item()
    change(one)
    assert named in reason(one)


def test_radar_without_a_direction_is_refused() -> None:
    assert "sat:orbit_state" in reason(radar(**{"sat:orbit_state": "sideways"}))


rubbish = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_rubbish_in_any_place_of_an_item_never_breaks_the_reading(data: st.DataObject) -> None:
    one = copy.deepcopy(data.draw(st.sampled_from([item(), radar()])))
    where = data.draw(
        st.sampled_from(
            [one, one["properties"], one["assets"], one["assets"]["B04" if "B04" in one["assets"] else "vv"]]
        )
    )
    key = data.draw(st.sampled_from([*where, "proj:epsg", "proj:code", "type", "sat:absolute_orbit"]))
    where[key] = data.draw(rubbish)
    decided = offer_from_item(one, WEB, source_of({}, one))
    assert isinstance(decided, Offer | Rejected)
    if isinstance(decided, Offer):
        assert decided.scene.acquired_at.tzinfo is not None
        assert all(map(math.isfinite, decided.scene.bbox))


@given(rubbish)
def test_rubbish_instead_of_an_item_is_refused(value: Any) -> None:
    assert isinstance(offer_from_item(value, WEB, "unknown"), Rejected)


# --- addresses


@pytest.mark.parametrize(
    "href",
    [
        "/vsicurl/https://evil.example/a.tif",
        "/vsizip//data/a.zip/a.tif",
        "s3://eodata/a.tif",
        "ftp://h/a.tif",
        "GTIFF_DIR:1:/data/a.tif",
        "https://user:secret@h.example/a.tif",
        "https:///a.tif",
        "../outside.tif",
        "sub/../../outside.tif",
        "/etc/passwd",
        "file:///etc/passwd",
        "file://localhost/%2e%2e/etc/passwd",
        "",
        "a\nb.tif",
        "http://[::1/a.tif",
    ],
)
def test_an_address_that_leads_astray_is_not_followed(tmp_path: Path, href: str) -> None:
    place = Place(str(tmp_path / "world" / "item.json"), str(tmp_path / "world"))
    with pytest.raises(AddressRefusedError) as caught:
        resolve(href, place)
    assert "secret" not in str(caught.value)


def test_a_link_out_of_the_catalogues_folder_is_not_followed(tmp_path: Path) -> None:
    world = tmp_path / "world"
    world.mkdir()
    (tmp_path / "secret.tif").write_text("x")
    (world / "innocent.tif").symlink_to(tmp_path / "secret.tif")
    with pytest.raises(AddressRefusedError, match="outside"):
        resolve("./innocent.tif", Place(str(world / "item.json"), str(world)))


def test_a_local_address_inside_the_folder_is_made_absolute(tmp_path: Path) -> None:
    place = Place(str(tmp_path / "items" / "item.json"), str(tmp_path))
    assert resolve("../cogs/a.tif", place) == str(tmp_path / "cogs" / "a.tif")
    assert resolve((tmp_path / "cogs" / "a.tif").as_uri(), place) == str(tmp_path / "cogs" / "a.tif")
    assert resolve("https://h.example/a.tif?sig=1", place) == "https://h.example/a.tif?sig=1"


def test_a_catalogue_on_the_web_cannot_name_files() -> None:
    with pytest.raises(AddressRefusedError, match="file addresses"):
        resolve("file:///etc/passwd", WEB)
    assert resolve("/etc/passwd", WEB) == "https://stac.example/etc/passwd"


def test_messages_hold_no_secret() -> None:
    signed = "https://me:pw@h.example/a.tif?sig=abc#frag"
    assert shown(signed) == "https://h.example/a.tif"
    line = without_secrets(f"HTTP 403 for '{signed}'\n  retry")
    assert line == "HTTP 403 for 'https://h.example/a.tif' retry"


# --- copies


def copy_of(baseline: str, made: str, box: tuple[float, float, float, float] = (-2, 51, -1, 52)) -> Offer:
    one = item(
        **{
            "s2:processing_baseline": baseline,
            "s2:datatake_id": f"GS2A_20230607T110621_041566_N{baseline}",
            "s2:generation_time": made,
        }
    )
    one |= {"id": f"{baseline}-{made}", "bbox": list(box)}
    one["geometry"] = json.loads(shapely.to_geojson(shapely.box(*box)))
    return offer(one)


def test_the_newest_baseline_wins_over_the_newest_date() -> None:
    old, new = copy_of("04.00", "2024-01-01T00:00:00Z"), copy_of("05.09", "2023-06-08T00:00:00Z")
    kept, losers = newest_copies([old, new])
    assert [one.scene.id for one in kept] == [new.scene.id]
    assert [loser.item_id for loser in losers] == [old.scene.id]
    assert new.scene.id in losers[0].reason


def test_of_one_baseline_the_last_made_wins() -> None:
    first, last = copy_of("05.09", "2023-06-08T00:00:00Z"), copy_of("05.09", "2023-06-09T00:00:00Z")
    assert newest_copies([last, first])[0] == (last,)
    assert newest_copies([first, last])[0] == (last,)


def test_the_two_halves_of_a_tile_are_both_kept() -> None:
    west = copy_of("05.09", "2023-06-08T00:00:00Z", (-2, 51, -1.4, 52))
    east = copy_of("05.09", "2023-06-08T00:00:01Z", (-1.5, 51, -1, 52))
    kept, losers = newest_copies([west, east])
    assert len(kept) == 2
    assert not losers


def test_an_item_served_twice_is_used_once() -> None:
    one = copy_of("05.09", "2023-06-08T00:00:00Z")
    assert newest_copies([one, one]) == ((one,), ())


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["02.12", "04.00", "05.09"]), st.integers(0, 5)), max_size=6),
    st.randoms(),
)
def test_the_choice_does_not_depend_on_the_order_of_items(pairs: list[tuple[str, int]], random: Any) -> None:
    start = datetime(2023, 7, 1, tzinfo=UTC)
    offers = [copy_of(b, (start + timedelta(days=d)).isoformat()) for b, d in pairs]
    shuffled = list(offers)
    random.shuffle(shuffled)
    assert newest_copies(offers) == newest_copies(shuffled)
    assert len(newest_copies(offers)[0]) == min(len(offers), 1)


# --- real items


def real_items(shared: Path) -> list[tuple[str, dict[str, Any]]]:
    folder = shared / "data" / "stac_items"
    with (folder / "MANIFEST.csv").open(newline="") as file:
        names = [row["file"] for row in csv.DictReader(file)]
    documents = [(name, json.loads((folder / name).read_text("utf-8"))) for name in names]
    return [(name, one) for name, document in documents for one in document.get("features", [document])]


def test_real_items_of_every_provider_are_read_or_refused_with_a_reason(shared: Path) -> None:
    for name, one in real_items(shared):
        decided = offer_from_item(one, WEB, source_of({}, one))
        if isinstance(decided, Rejected):
            assert "grd" in name or "l1c" in name.lower() or "cdse" in name or "sentinel-s2-l2a/" in name, (
                decided
            )
            continue
        provider = name.split("/")[0]
        expected = {"planetary_computer": "planetary-computer", "pages": "planetary-computer"}
        assert decided.scene.source == expected.get(provider, "earth-search")
        baseline = one["properties"].get("s2:processing_baseline", decided.scene.baseline)
        assert decided.scene.baseline == baseline


def test_the_same_acquisition_has_one_name_in_both_of_earth_searchs_collections(shared: Path) -> None:
    found = [
        decided.scene
        for name, one in real_items(shared)
        if isinstance(decided := offer_from_item(one, WEB, source_of({}, one)), Offer) and "20EPT" in name
    ]
    assert len(found) == 3
    assert {scene.acquisition for scene in found} == {"S2B_20250731T131909_T20EPT"}
    assert {scene.collection: scene.offset_dn for scene in found} == {
        "sentinel-2-l2a": 0,
        "sentinel-2-c1-l2a": 1000,
        "sentinel-s2-l2a-cogs": 0,
    }


def test_items_of_copernicus_data_space_are_understood_but_for_their_file_format(shared: Path) -> None:
    folder = shared / "data" / "stac_items" / "cdse" / "sentinel-2-l2a"
    for path in sorted(folder.glob("*.json")):
        one = json.loads(path.read_text("utf-8"))
        assert "JPEG 2000" in reason(one, source_of({}, one))
        for asset in one["assets"].values():
            asset |= {"href": "https://h.example/a.tif", "type": "image/tiff"}
        scene = offer(one, "cdse").scene
        assert scene.baseline == one["properties"]["processing:version"]
        assert scene.offset_dn == 1000
        assert f"EPSG:{scene.epsg}" == one["assets"]["B04_10m"]["proj:code"]
