"""From STAC item to scene: the decisions, on real items and on rubbish."""

from __future__ import annotations

import copy
import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.sources.addresses import AddressRefusedError, Place, resolve, shown, without_secrets
from flows.sources.catalogues.provenance import source_of
from flows.sources.scenes.items import Offer, Rejected, offer_from_item
from flows.sources.scenes.offsets import offset_of
from monitoring.scenes import ANGLES, CLOUD_BAND, S2_BANDS, Scene, Sensor

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
    one = item(**{"s2:datatake_id": None, **properties}) | {"id": "scene-1"}
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


@pytest.mark.parametrize("huge", [10**400, -(10**400), 1e308, float("inf"), float("nan")])
def test_a_number_beyond_measure_never_breaks_the_reading(huge: float) -> None:
    ring = [[huge, 0], [0, 1], [1, 1], [huge, 0]]
    shape = {"geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": [0, 0, huge, 1]}
    assert "neither bbox nor geometry" in reason(item() | shape)
    assert "proj:epsg" in reason(item(**{"proj:epsg": huge}))
    numbers = {"eo:cloud_cover": huge, "sat:relative_orbit": huge}
    assert offer(with_offset(item(**numbers), huge), "planetary-computer").scene.relative_orbit == 137


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
        "s3://elsewhere/a.tif",
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


# --- real items

#: Every real item that becomes a scene, by folder: id, tile, relative orbit, baseline, digital number to
#: subtract, EPSG, optional assets (cloud probability, angles), checksums, what decided the offset.
REAL_SCENES = """
[cdse/sentinel-2-l2a]
S2B_MSIL2A_20200322T074609_N0500_R135_T36NYH_20230612T214223 36NYH 135 05.00 1000 32636 1 11 assets
S2C_MSIL2A_20260527T014651_N0512_R017_T55WFR_20260527T042005 55WFR 17 05.12 1000 32655 2 12 assets
[earth_search_v1/sentinel-2-c1-l2a]
S2A_T13TDE_20240402T174230_L2A 13TDE 98 05.10 1000 32613 2 13 assets
S2A_T13TDE_20240412T175055_L2A 13TDE 98 05.10 1000 32613 2 13 assets
S2A_T13TDE_20240422T174753_L2A 13TDE 98 05.10 1000 32613 2 13 assets
S2B_T13TDE_20240407T174209_L2A 13TDE 98 05.10 1000 32613 2 13 assets
S2B_T13TDE_20240417T174407_L2A 13TDE 98 05.10 1000 32613 2 13 assets
S2B_T20EPT_20250731T131905_L2A 20EPT 95 05.11 1000 32720 2 13 assets
S2B_T24MUV_20250731T130245_L2A 24MUV 95 05.11 1000 32724 2 13 assets
S2B_T24MWV_20250731T130245_L2A 24MWV 95 05.11 1000 32724 2 13 assets
[earth_search_v1/sentinel-2-l2a]
S2A_13TDE_20231008_0_L2A 13TDE 141 05.09 0 32613 1 0 place
S2B_20EPT_20250731_0_L2A 20EPT 95 05.11 0 32720 1 0 place
S2B_24MUV_20250731_0_L2A 24MUV 95 05.11 0 32724 1 0 place
S2B_24MWV_20250731_0_L2A 24MWV 95 05.11 0 32724 1 0 place
[earth_search_v1/sentinel-s2-l2a-cogs]
S2B_20EPT_20250731_0_L2A 20EPT 95 05.11 0 32720 0 0 place
[other/sentinel-2-l2a]
S2A_29RKH_20200219_0_L2A 29RKH 37 02.14 0 32629 1 0 place
[other/sentinel-s2-l2a-cogs]
S2A_31NBJ_20190524_0_L2A 31NBJ 22 02.12 0 32631 0 0 place
[pages]
S2A_MSIL2A_20200731T080611_R078_T35MNM_20200818T062751 35MNM 78 02.12 0 32735 1 0 baseline
S2B_MSIL2A_20200726T080609_R078_T35MNM_20200908T180357 35MNM 78 02.12 0 32735 1 0 baseline
S2A_MSIL2A_20200721T080611_R078_T35MNM_20200908T180356 35MNM 78 02.12 0 32735 1 0 baseline
S2B_MSIL2A_20200716T080609_R078_T35MNM_20200816T092511 35MNM 78 02.12 0 32735 1 0 baseline
S2A_MSIL2A_20200711T080611_R078_T35MNM_20201101T145944 35MNM 78 02.12 0 32735 1 0 baseline
S2B_MSIL2A_20200706T080609_R078_T35MNM_20201027T081700 35MNM 78 02.12 0 32735 1 0 baseline
S2A_MSIL2A_20200701T080611_R078_T35MNM_20200824T191001 35MNM 78 02.12 0 32735 1 0 baseline
S2B_MSIL2A_20200626T080609_R078_T35MNM_20200824T052748 35MNM 78 02.12 0 32735 1 0 baseline
S2A_MSIL2A_20200621T080611_R078_T35MNM_20200823T125142 35MNM 78 02.12 0 32735 1 0 baseline
S2B_MSIL2A_20200616T080609_R078_T35MNM_20201027T073925 35MNM 78 02.12 0 32735 1 0 baseline
S2A_MSIL2A_20200611T080611_R078_T35MNM_20200826T230619 35MNM 78 02.12 0 32735 1 0 baseline
S2B_MSIL2A_20200606T080609_R078_T35MNM_20200826T094900 35MNM 78 02.12 0 32735 1 0 baseline
S2A_MSIL2A_20200601T080611_R078_T35MNM_20201027T072253 35MNM 78 02.12 0 32735 1 0 baseline
[planetary_computer/sentinel-1-rtc]
S1A_IW_GRDH_1SDV_20240325T055038_20240325T055103_053134_066FC4_rtc - 37 - 0 32632 0 0 radar
S1A_IW_GRDH_1SDV_20240419T045814_20240419T045839_053498_067DF2_rtc - 51 - 0 32633 0 0 radar
S1A_IW_GRDH_1SDV_20240419T045904_20240419T045916_053498_067DF2_rtc - 51 - 0 32633 0 0 radar
[planetary_computer/sentinel-2-l2a]
S2A_MSIL2A_20150704T101006_R022_T35XQA_20210411T133707 35XQA 22 02.12 0 32635 1 0 baseline
S2A_MSIL2A_20190101T000001_R116_T58UFF_20201007T214659 58UFF 116 02.12 0 32658 1 0 baseline
S2A_MSIL2A_20190101T000001_R116_T58UGE_20201007T214656 58UGE 116 02.12 0 32658 1 0 baseline
S2A_MSIL2A_20190101T000001_R116_T58VFJ_20201007T214649 58VFJ 116 02.12 0 32658 1 0 baseline
S2A_MSIL2A_20190101T000001_R116_T59ULB_20201007T214700 59ULB 116 02.12 0 32659 1 0 baseline
S2A_MSIL2A_20190101T000001_R116_T59UMA_20201007T214658 59UMA 116 02.12 0 32659 1 0 baseline
S2A_MSIL2A_20230216T145731_R082_T21UYT_20230217T083102 21UYT 82 04.00 1000 32621 1 0 baseline
S2A_MSIL2A_20230216T235751_R087_T52CDV_20230217T134828 52CDV 87 04.00 1000 32752 1 0 baseline
S2A_MSIL2A_20240823T174901_R141_T13TDE_20240824T013055 13TDE 141 05.11 1000 32613 1 0 baseline
S2B_MSIL2A_20220612T182919_R027_T24XWR_20220613T123251 24XWR 27 04.00 1000 32624 1 0 baseline
S2B_MSIL2A_20240419T095549_R122_T46XER_20240419T124342 46XER 122 05.10 1000 32646 1 0 baseline
S2B_MSIL2A_20240419T095549_R122_T47XMJ_20240419T122756 47XMJ 122 05.10 1000 32647 1 0 baseline
S2B_MSIL2A_20250312T014549_R074_T53NKG_20250312T041213 53NKG 74 05.11 1000 32653 1 0 baseline
"""
#: And every one that does not, by reason.
REAL_REFUSALS = """
[sentinel-1-grd: radiometric terrain correction is needed (sentinel-1-rtc)]
S1A_EW_GRDM_1SDH_20240325T094655_20240325T094811_053136_066FDB
S1A_IW_GRDH_1SSH_20250731T135637_20250731T135702_060328_077F7E
S1A_EW_GRDM_1SSH_20150129T081916_20150129T081938_004383_005598
S1A_IW_GRDH_1SDV_20220428T034417_20220428T034442_042968_05213C
S1A_IW_GRDH_1SDV_20250312T052236_20250312T052301_058267_073394
[sentinel-2-l1c: surface reflectance is needed (sentinel-2-l2a)]
S2B_20EPT_20250731_0_L1C
S2B_24MVV_20250731_0_L1C
S2B_24MXV_20250731_0_L1C
S2B_27VWK_20240206_0_L1C
[PEPS_S2_L1C: surface reflectance is needed (sentinel-2-l2a)]
URN:FEATURE:DATA:gdh:25416e3f-1a7f-379a-9b65-a6539b1fd95b:V1
[sentinel-s1-l1c: radiometric terrain correction is needed (sentinel-1-rtc)]
S1A_IW_GRDH_1SDH_20181010T113841_20181010T113906_024073_02A190
[band SCL is missing]
S2B_23VMF_20200102_0_L2A
"""
EVIDENCE = {
    "assets": "raster offset -0.1 of its assets; baseline {baseline} is 04.00 or later",
    "place": "files of sentinel-cogs are already corrected",
    "baseline": "baseline {baseline} is ",
    "radar": "radar: linear power, no offset",
}


def real_items(shared: Path) -> list[tuple[str, dict[str, Any]]]:
    """(folder, item) of every item, those of whole pages of an answer included."""
    folder = shared / "data" / "stac_items"
    paths = sorted(folder.rglob("*.json"))
    documents = [(path, json.loads(path.read_text("utf-8"))) for path in paths]
    return [
        ("/".join(path.relative_to(folder).parent.parts), one)
        for path, document in documents
        for one in document.get("features", [document])
    ]


def decided(one: dict[str, Any]) -> Offer | Rejected:
    return offer_from_item(one, WEB, source_of({}, one))


def sections(text: str) -> set[tuple[str, str]]:
    """(heading, line) of a text with headings in brackets."""
    heading, found = "", set()
    for line in text.strip().splitlines():
        if line.startswith("["):
            heading = line[1:-1]
        else:
            found.add((heading, line))
    return found


def facts(scene: Scene) -> str:
    extra = sum(band in (CLOUD_BAND, ANGLES) for band, _ in scene.hrefs)
    how = next(
        name
        for name, words in EVIDENCE.items()
        if scene.offset_rule.startswith(words.format(baseline=scene.baseline))
    )
    known = (scene.id, scene.tile or "-", scene.relative_orbit, scene.baseline or "-", scene.offset_dn)
    return " ".join(map(str, (*known, scene.epsg, extra, len(scene.checksums), how)))


def test_every_real_item_becomes_a_known_scene_or_is_refused_for_a_known_reason(shared: Path) -> None:
    scenes, refusals = set(), set()
    for folder, one in real_items(shared):
        result = decided(one)
        if isinstance(result, Offer):
            scenes.add((folder, facts(result.scene)))
        else:
            refusals.add((result.reason, result.item_id))
    assert scenes == sections(REAL_SCENES)
    assert refusals == sections(REAL_REFUSALS)


def test_scenes_of_real_items_repeat_what_the_items_state(shared: Path) -> None:
    for _, one in real_items(shared):
        result, stated = decided(one), one["properties"]
        if isinstance(result, Rejected):
            continue
        scene = result.scene
        assert scene.acquired_at == datetime.fromisoformat(stated["datetime"]).astimezone(UTC)
        assert scene.platform == stated["platform"].lower()
        assert scene.relative_orbit == stated.get("sat:relative_orbit", scene.relative_orbit)
        assert [band for band, _ in scene.hrefs][: len(scene.sensor.bands)] == list(scene.sensor.bands)
        checksums = {asset.get("file:checksum") for asset in one["assets"].values()}
        assert {checksum for _, checksum in scene.checksums} <= checksums


def test_the_orbit_reckoned_from_a_radar_items_absolute_orbit_is_the_one_it_states(shared: Path) -> None:
    for _, one in real_items(shared):
        if one.get("collection") == "sentinel-1-rtc":
            stated = one["properties"].pop("sat:relative_orbit")
            result = decided(one)
            assert isinstance(result, Offer)
            assert result.scene.relative_orbit == stated


def test_the_same_acquisition_has_one_name_in_both_of_earth_searchs_collections(shared: Path) -> None:
    found = [
        result.scene
        for _, one in real_items(shared)
        if isinstance(result := decided(one), Offer) and result.scene.tile == "20EPT"
    ]
    assert len(found) == 3
    assert {scene.acquisition for scene in found} == {"S2B_20250731T131909_T20EPT"}
    assert {scene.collection: scene.offset_dn for scene in found} == {
        "sentinel-2-l2a": 0,
        "sentinel-2-c1-l2a": 1000,
        "sentinel-s2-l2a-cogs": 0,
    }


def test_items_of_copernicus_data_space_are_read_from_its_bucket_as_jpeg_2000(shared: Path) -> None:
    for folder, one in real_items(shared):
        if folder.startswith("cdse"):
            result = decided(one)
            assert isinstance(result, Offer)
            key = one["assets"]["B04_10m"]["href"].removeprefix("s3://")
            assert result.scene.href("B04").endswith(key)
            assert f"EPSG:{result.scene.epsg}" == one["assets"]["B04_10m"]["proj:code"]


# --- the offset, by evidence


def with_offset(
    one: dict[str, Any], offset: object, scale: object = 0.0001, *, at: str = "raster:bands"
) -> dict[str, Any]:
    """The item with the offset stated by its ten optical assets, as STAC 1.0 or 1.1 has it."""
    for band in S2_BANDS:
        flat = {"raster:offset": offset, "raster:scale": scale}
        nested = {at: [{"offset": offset, "scale": scale} if at == "raster:bands" else flat]}
        one["assets"][band] |= flat if at == "asset" else nested
    return one


@pytest.mark.parametrize("at", ["raster:bands", "bands", "asset"])
def test_an_offset_that_the_assets_state_is_taken_with_the_baseline(at: str) -> None:
    scene = offer(with_offset(item(), -0.1, at=at), "cdse").scene
    assert scene.offset_dn == 1000
    assert scene.offset_rule == EVIDENCE["assets"].format(baseline="05.09")


def test_an_offset_that_contradicts_the_baseline_is_refused_with_both_named() -> None:
    old = {"s2:processing_baseline": "03.01", "s2:datatake_id": None}
    text = reason(with_offset(item(**old) | {"id": "scene-1"}, -0.1), "cdse")
    assert "raster offset -0.1" in text
    assert "baseline 03.01 is before 04.00" in text
    assert "raster offset 0 of its assets contradicts baseline 05.09" in reason(
        with_offset(item(), 0), "cdse"
    )


def test_an_offset_stated_without_a_baseline_decides() -> None:
    nothing = {"s2:processing_baseline": None, "s2:datatake_id": None}
    assert offer(with_offset(item(**nothing) | {"id": "scene-1"}, -0.1), "unknown").scene.offset_dn == 1000


def test_where_files_lie_goes_before_what_their_assets_list() -> None:
    one = with_offset(item(**{"earthsearch:boa_offset_applied": True}), -0.1)
    one["assets"]["B04"]["href"] = "https://sentinel-cogs.s3.us-west-2.amazonaws.com/B04.tif"
    assert offer(one, "earth-search").scene.offset_dn == 0
    one["assets"]["B04"]["href"] = "https://e84-earth-search-sentinel-data.s3.us-west-2.amazonaws.com/B04.tif"
    assert offer(one, "earth-search").scene.offset_dn == 1000


def test_a_flag_against_an_offset_is_refused_where_the_place_settles_nothing() -> None:
    one = with_offset(item(**{"earthsearch:boa_offset_applied": True}), -0.1)
    assert "boa_offset_applied contradicts raster offset -0.1" in reason(one, "earth-search")


def test_bands_of_one_item_cannot_have_different_offsets() -> None:
    one = with_offset(item(), -0.1)
    one["assets"]["B12"]["raster:bands"][0]["offset"] = 0
    assert "0 and 1000" in reason(one, "cdse")


@pytest.mark.parametrize("scale", [0.001, 0, -0.0001, "0.0001"])
def test_a_scale_other_than_a_ten_thousandth_is_refused(scale: object) -> None:
    assert "raster scale" in reason(with_offset(item(), -0.1, scale), "cdse")


def test_baselines_on_both_sides_of_the_offset_are_refused() -> None:
    text = reason(item(**{"s2:processing_baseline": "03.01"}))
    assert "03.01 (property)" in text
    assert "05.09 (datatake)" in text


# --- orbit, tile, platform, checksums, optional assets


@pytest.mark.parametrize(
    ("satellite", "absolute", "relative"),
    [
        ("SENTINEL-1A", 53134, 37),
        ("SENTINEL-1A", 73, 1),
        ("SENTINEL-1A", 72, 175),
        ("SENTINEL-1B", 28179, 153),
        ("SENTINEL-1C", 1681, 110),
        ("SENTINEL-1C", 8018, 147),
        ("SENTINEL-1C", 8019, 46),
        ("SENTINEL-1D", 2389, 73),
        ("SENTINEL-1E", 100, 0),
        ("SENTINEL-1A", True, 0),
    ],
)
def test_the_relative_orbit_of_radar_is_reckoned_by_satellite(
    satellite: str, absolute: int, relative: int
) -> None:
    scene = offer(radar(**{"platform": satellite, "sat:absolute_orbit": absolute})).scene
    assert scene.relative_orbit == relative


@pytest.mark.parametrize("stated", [0, 144, -1, "137", True, 1.5])
def test_an_orbit_that_cannot_be_gives_way_to_the_products_name(stated: object) -> None:
    assert offer(item(**{"sat:relative_orbit": stated})).scene.relative_orbit == 137


def test_platform_and_tile_are_read_from_the_id_where_nothing_states_them() -> None:
    bare = {"platform": None, "s2:mgrs_tile": None, "s2:datatake_id": None}
    one = item(**bare) | {"id": "S2B_7VEG_20230607_0_L2A"}
    assert (offer(one).scene.platform, offer(one).scene.tile) == ("sentinel-2b", "07VEG")


def test_checksums_that_cannot_be_checked_are_left_out() -> None:
    one = item()
    sound = "1220" + "ab" * 32
    one["assets"]["B04"]["file:checksum"] = sound.upper()
    one["assets"]["B02"]["file:checksum"] = "a48477aea0f62f33a5d43cc565743222"  # a bare digest
    one["assets"]["B03"]["file:checksum"] = "d50120" + "ab" * 32  # MD5 of 32 bytes
    one["assets"]["B08"]["file:checksum"] = ["1220"]
    assert offer(one).scene.checksums == (("B04", sound),)


def test_cloud_probability_and_angles_come_after_the_bands_and_only_where_they_can_be_read() -> None:
    one = item()
    one["assets"]["granule-metadata"] = {"href": "./MTD_TL.xml"}
    one["assets"]["cloud"] = {"href": "s3://sentinel-s2-l2a/qi/CLD_20m.jp2", "type": "image/jp2"}
    assert [band for band, _ in offer(one).scene.hrefs][11:] == [ANGLES]
    one["assets"]["cloud"] = {"href": "./CLD_20m.tif"}
    assert [band for band, _ in offer(one).scene.hrefs][11:] == [CLOUD_BAND, ANGLES]


def test_an_outline_across_the_antimeridian_is_cut_in_two() -> None:
    one = item()
    ring = [[179.5, 0], [-179.5, 0], [-179.5, 1], [179.5, 1], [179.5, 0]]
    one |= {"bbox": None, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    footprint = offer(one).footprint
    assert footprint.area == pytest.approx(1.0)
    assert not footprint.contains(shapely.Point(0, 0.5))


# --- radar that is refused


@pytest.mark.parametrize("mode", ["EW", "SM", "WV", "S3"])
def test_radar_of_another_mode_is_refused(mode: str) -> None:
    assert f"radar mode {mode}" in reason(radar(**{"sar:instrument_mode": mode}))


def test_the_mode_is_read_from_the_id_where_nothing_states_it() -> None:
    assert "radar mode EW" in reason(radar() | {"id": "S1A_EW_GRDM_1SDH_20240325T094655_rtc"})


def test_radar_of_one_polarisation_is_refused_with_those_it_has() -> None:
    one = radar(**{"sar:polarizations": ["VV"]})
    del one["assets"]["vh"]
    assert reason(one) == "band VH is missing: polarisations are VV"
