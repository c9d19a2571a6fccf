"""SAFE products: what their own metadata decide, on real products and on tampered ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.sources.scenes.items import Offer, Rejected
from flows.sources.scenes.product_xml import read_xml
from flows.sources.scenes.safe_product import offer_from_safe
from flows.sources.scenes.unfit import UnfitError
from flows.sources.xml_documents import MAX_BYTES, MAX_DEPTH, MAX_ELEMENTS
from monitoring.scenes import ANGLES, CLOUD_BAND, S2_BANDS, SCL_BAND, Scene

OFFSETS = {
    "S2A_MSIL2A_20190212_N0212_T07HFE": 0,
    "S2B_MSIL2A_20220413_N0400_T33XWJ": 1000,
    "S2A_MSIL2A_20230821_N0509_T01KAB": 1000,
}
NEWEST = "S2A_MSIL2A_20230821_N0509_T01KAB"


def offered(folder: Path) -> Offer:
    decided = offer_from_safe(folder)
    assert isinstance(decided, Offer), decided
    return decided


def scene_of(folder: Path) -> Scene:
    return offered(folder).scene


@pytest.fixture
def product(shared: Path, tmp_path: Path) -> Path:
    """A copy of the newest real product's metadata."""
    copied = shutil.copytree(shared / "data" / "s2_product_metadata" / NEWEST, tmp_path / f"{NEWEST}.SAFE")
    for path in copied.rglob("*"):
        path.chmod(0o755)
    return copied


def metadata(product: Path, *pairs: tuple[str, str], name: str = "MTD_MSIL2A.xml") -> Path:
    """The product, with texts in one of its files replaced."""
    (path,) = product.rglob(name)
    text = path.read_text("utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, "utf-8")
    return product


def reason(folder: Path) -> str:
    decided = offer_from_safe(folder)
    assert isinstance(decided, Rejected), decided
    assert "\n" not in decided.reason
    return decided.reason


# --- real products


@pytest.mark.parametrize(("name", "offset_dn"), OFFSETS.items())
def test_the_offset_of_a_real_product_is_what_its_metadata_state(
    shared: Path, name: str, offset_dn: int
) -> None:
    scene = scene_of(shared / "data" / "s2_product_metadata" / name)
    assert scene.offset_dn == offset_dn
    assert "BOA_ADD_OFFSET" in scene.offset_rule
    assert f"baseline {scene.baseline}" in scene.offset_rule


@pytest.mark.parametrize("name", OFFSETS)
def test_a_real_product_is_read_as_stactools_reads_it(shared: Path, name: str) -> None:
    folder = shared / "data" / "s2_product_metadata" / name
    item = json.loads((folder / "expected_output.json").read_text("utf-8"))
    stated: dict[str, Any] = item["properties"]
    offer = offered(folder)
    scene = offer.scene
    assert scene.platform == stated["platform"]
    assert scene.acquired_at == datetime.fromisoformat(stated["datetime"])
    assert f"MGRS-{scene.tile}" == stated["grid:code"]
    assert scene.relative_orbit == stated["sat:relative_orbit"]
    assert scene.baseline == stated["s2:processing_baseline"]
    assert stated.get("proj:code", f"EPSG:{stated.get('proj:epsg')}") == f"EPSG:{scene.epsg}"
    assert f"{scene.id}.SAFE" == stated["s2:product_uri"]
    assert offer.version.processed_at == datetime.fromisoformat(stated["s2:generation_time"])
    expected = shapely.geometry.shape(item["geometry"]).buffer(0)
    assert offer.footprint.symmetric_difference(expected).area < 1e-4 * expected.area
    if "eo:cloud_cover" in stated:
        assert scene.cloud_fraction == pytest.approx(stated["eo:cloud_cover"] / 100)


@pytest.mark.parametrize("name", OFFSETS)
def test_bands_are_the_files_that_the_metadata_name(shared: Path, name: str) -> None:
    folder = shared / "data" / "s2_product_metadata" / name
    scene = scene_of(folder)
    assert [band for band, _ in scene.hrefs] == [*S2_BANDS, SCL_BAND, CLOUD_BAND, ANGLES]
    item = json.loads((folder / "expected_output.json").read_text("utf-8"))
    expected = {"B04": "red", "B8A": "nir08", "B12": "swir22", "SCL": "scl", "MTD_TL": "granule_metadata"}
    for band, key in expected.items():
        assert Path(scene.href(band)) == (folder / item["assets"][key]["href"]).resolve()
    assert Path(scene.href(ANGLES)).is_file()


def test_an_acquisition_has_the_name_it_has_in_catalogues(shared: Path) -> None:
    scene = scene_of(shared / "data" / "s2_product_metadata" / NEWEST)
    assert scene.acquisition == "S2A_20230821T221941_T01KAB"
    assert scene.acquired_at == datetime(2023, 8, 21, 22, 19, 41, 24000, tzinfo=UTC)


def test_checksums_of_esas_own_products_are_kept_and_those_of_converted_ones_are_not(shared: Path) -> None:
    root = shared / "data" / "s2_product_metadata"
    scene = scene_of(root / NEWEST)
    assert [band for band, _ in scene.checksums] == [band for band, _ in scene.hrefs]
    assert all(checksum.startswith("1620") and len(checksum) == 68 for _, checksum in scene.checksums)
    assert scene_of(root / "S2B_MSIL2A_20220413_N0400_T33XWJ").checksums == ()


# --- tampered products

OFFSET_OF_B04 = '<BOA_ADD_OFFSET band_id="3">-1000</BOA_ADD_OFFSET>'


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (OFFSET_OF_B04, OFFSET_OF_B04.replace("-1000", "-900"), "BOA_ADD_OFFSET is not the same"),
        (OFFSET_OF_B04, "", "BOA_ADD_OFFSET of band B04"),
        (OFFSET_OF_B04, OFFSET_OF_B04.replace("-1000", "-1e999"), "BOA_ADD_OFFSET of band B04"),
        ('unit="none">10000<', 'unit="none">1000<', "BOA_QUANTIFICATION_VALUE is 1000: 10000 is needed"),
        ("BOA_QUANTIFICATION_VALUE", "X", "BOA_QUANTIFICATION_VALUE is not stated"),
        ("05.09", "03.01", "baselines contradict"),
        ("BOA_ADD_OFFSET", "X", "no BOA_ADD_OFFSET in the product's metadata contradicts baseline 05.09"),
        ("-1000<", "0<", "BOA_ADD_OFFSET 0 of the product's metadata contradicts baseline 05.09"),
        ("Level-2A</PROCESSING", "Level-1C</PROCESSING", "Level-1C: surface reflectance is needed"),
        ("PROCESSING_LEVEL", "X", "no processing level"),
        ("PRODUCT_START_TIME", "X", "PRODUCT_START_TIME"),
        ("_MSIL2A_", "_MSIL9X_", "PRODUCT_URI"),
        ("EXT_POS_LIST", "X", "EXT_POS_LIST"),
        ("R10m/T01KAB_20230821T221941_B04_10m", "R10m/T01KAB_20230821T221941_B99_10m", "band B04: 0 image"),
        (
            "GRANULE/L2A_T01KAB_A042640_20230821T221944/",
            "GRANULE/../../../elsewhere/",
            "not all in 1 of GRANULE",
        ),
        ("GRANULE/L2A_T01KAB_A042640_20230821T221944/", "GRANULE/missing/", "MTD_TL.xml: cannot be read"),
        ("<Granule ", "<Granule/><Granule ", "2 granules"),
    ],
)
def test_a_product_that_is_not_as_it_must_be_is_refused(
    product: Path, old: str, new: str, named: str
) -> None:
    assert named in reason(metadata(product, (old, new)))


def test_one_band_of_another_offset_is_named(product: Path) -> None:
    changed = OFFSET_OF_B04.replace("-1000", "-900")
    assert "B04 -900, B02 -1000" in reason(metadata(product, (OFFSET_OF_B04, changed)))


def test_a_grid_without_a_code_is_refused(product: Path) -> None:
    assert "HORIZONTAL_CS_CODE" in reason(metadata(product, ("EPSG:32701", "UTM"), name="MTD_TL.xml"))


def test_a_folder_that_is_no_product_is_refused(tmp_path: Path) -> None:
    assert reason(tmp_path).startswith("MTD_MSIL2A.xml: cannot be read: No such file")
    assert "MTD_MSIL2A.xml" in reason(tmp_path / "missing")


def test_a_manifest_that_is_not_there_costs_the_checksums_only(product: Path) -> None:
    (product / "manifest.safe").unlink()
    assert scene_of(product).checksums == ()


def test_images_converted_after_delivery_are_found_under_their_suffix(product: Path) -> None:
    image = Path(scene_of(product).href("B04")).with_suffix(".tif")
    image.parent.mkdir(parents=True)
    image.touch()
    assert scene_of(product).href("B04") == str(image.resolve())
    assert scene_of(product).href("B02").endswith("_B02_10m.jp2")


def test_an_image_that_is_a_link_out_of_the_product_is_refused(product: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.jp2").touch()
    image = Path(scene_of(product).href("B04"))
    image.parent.mkdir(parents=True)
    image.symlink_to(tmp_path / "secret.jp2")
    assert "outside" in reason(product)


# --- XML that is not trusted

BOMBS: dict[str, Callable[[], bytes]] = {
    "entities": lambda: (
        b'<!DOCTYPE a [<!ENTITY b "xxxxxxxxxx"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>'
    ),
    "files": lambda: b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "elsewhere": lambda: b'<!DOCTYPE a SYSTEM "http://evil.example/a.dtd"><a/>',
    "wide": lambda: '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a><a/>'.encode("utf-16"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_document_type_is_refused_in_any_encoding(tmp_path: Path, name: str) -> None:
    path = tmp_path / "MTD_MSIL2A.xml"
    path.write_bytes(BOMBS[name]())
    assert reason(tmp_path) == "MTD_MSIL2A.xml: its XML declares a document type"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "not XML"),
        (b"<a>&b;</a>", "not XML"),
        (b"<a>" * (MAX_DEPTH + 1), "nested"),
        (b"<a>" + b"<b/>" * MAX_ELEMENTS, "elements"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "not XML"),
        (b"<a/>" + b" " * MAX_BYTES, "larger than"),
        (b"\x00" * 100, "not XML"),
    ],
)
def test_xml_beyond_the_bounds_is_refused(tmp_path: Path, content: bytes, named: str) -> None:
    path = tmp_path / "MTD_MSIL2A.xml"
    path.write_bytes(content)
    with pytest.raises(UnfitError, match=named):
        read_xml(path)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 54_000), junk=st.binary(min_size=1, max_size=12))
def test_rubbish_anywhere_in_the_metadata_is_a_scene_or_a_reason(product: Path, at: int, junk: bytes) -> None:
    path = product / "MTD_MSIL2A.xml"
    sound = path.read_bytes()
    try:
        path.write_bytes(sound[:at] + junk + sound[at + len(junk) :])
        decided = offer_from_safe(product)
        assert isinstance(decided, Offer) or decided.reason
    finally:
        path.write_bytes(sound)


def test_the_published_rule_is_refused_for_a_source_it_never_read(shared: Path) -> None:
    decided = offer_from_safe(shared / "data" / "s2_product_metadata" / NEWEST, offset_rule="as-published")
    assert isinstance(decided, Rejected)
    assert "never read source esa" in decided.reason
