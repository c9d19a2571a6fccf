from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pystac
import pytest
import rasterio

from flows.archive import ARCHIVE_VERSION, DEFAULT_SEED, Archive, make_archive, read_archive
from flows.archive.items import SCL_SHARES
from flows.archive.orbits import optical_passes, radar_passes
from flows.archive.parks import HALLIN_FELLS, ORRAN_WEALD, PARKS, YEARS
from flows.archive.products import optical_products
from flows.archive.scenes import SceneOrder, make_scene, scene_orders
from flows.archive.stac import item_folder
from flows.archive.world import build_world
from flows.sources.assets.angles import parse_angles
from monitoring.errors import SourceError

SEED = DEFAULT_SEED


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """One year only: 2017 has the fewest scenes."""
    return make_archive(tmp_path_factory.mktemp("archive") / "world", years=[2017], processes=1)


@pytest.fixture(scope="module")
def items(archive: Archive) -> list[pystac.Item]:
    return list(pystac.Catalog.from_file(str(archive.catalogue)).get_items(recursive=True))


def band(item: pystac.Item, name: str) -> np.ndarray[Any, Any]:
    with rasterio.open(item.assets[name].get_absolute_href()) as source:
        return source.read(1)


def made(product: Any, root: Path) -> dict[str, Any]:
    order = SceneOrder(root, SEED, product)
    collection, year, item_id = make_scene(order)
    folder = item_folder(root, collection, year, item_id)
    return {"folder": folder, **json.loads((folder / f"{item_id}.json").read_text())}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as source:
        return list(csv.DictReader(source))


def digests(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def pixels(item: dict[str, Any], name: str) -> np.ndarray[Any, Any]:
    with rasterio.open(item["folder"] / item["assets"][name]["href"]) as source:
        return source.read(1)


def test_pystac_walks_the_static_catalogue(archive: Archive, items: list[pystac.Item]) -> None:
    root = pystac.Catalog.from_file(str(archive.catalogue))
    assert root.extra_fields["underwood:source"] == "simulated"
    assert {child.id for child in root.get_children()} == {"sentinel-2-l2a", "sentinel-1-rtc"}
    assert len(items) == archive.items == 10 * 2 + 20 * 2
    assert {item.collection_id for item in items} == {"sentinel-2-l2a", "sentinel-1-rtc"}
    assert all(item.get_collection() is not None for item in items)


def test_every_address_is_relative_and_every_asset_is_there_as_stated(archive: Archive) -> None:
    for path in archive.directory.glob("*/*/*/*.json"):
        for asset in json.loads(path.read_text())["assets"].values():
            file = path.parent / asset["href"]
            assert asset["href"].startswith("./")
            assert file.stat().st_size == asset["file:size"]
            assert asset["file:checksum"] == "1220" + hashlib.sha256(file.read_bytes()).hexdigest()


def test_assets_are_small_cogs_on_the_grid_their_item_states(items: list[pystac.Item]) -> None:
    for item in items[::7]:
        for asset in item.assets.values():
            if asset.media_type == "application/xml":
                continue
            with rasterio.open(asset.get_absolute_href()) as source:
                assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
                assert source.block_shapes == [(128, 128)]
                if item.collection_id == "sentinel-2-l2a":
                    assert list(source.shape) == asset.extra_fields["proj:shape"]
                    assert list(source.transform)[:6] == asset.extra_fields["proj:transform"]
                    assert source.nodata == 0
                else:
                    assert source.dtypes == ("float32",)
                    assert source.nodata == -32768


def test_sentinel_2_bands_keep_their_native_resolution(items: list[pystac.Item]) -> None:
    item = next(item for item in items if item.collection_id == "sentinel-2-l2a")
    for name, side in {"B02": 320, "B08": 320, "B05": 160, "B12": 160, "SCL": 160}.items():
        assert band(item, name).shape == (side, side)
    assert band(item, "SCL").dtype == np.uint8
    assert band(item, "B02").dtype == np.uint16


def test_items_carry_what_planetary_computers_items_carry(shared: Path, archive: Archive) -> None:
    folder = shared / "data" / "stac_items" / "planetary_computer"
    real = {
        "sentinel-2-l2a": folder
        / "sentinel-2-l2a/S2A_MSIL2A_20190101T000001_R116_T58UFF_20201007T214659.json",
        "sentinel-1-rtc": next((folder / "sentinel-1-rtc").glob("S1A*.json")),
    }
    #: Slices, timeliness and browsing helpers mean nothing here.
    absent = {"s1:slice_number", "s1:total_slices", "product:timeliness", "product:timeliness_category"}
    for collection, path in real.items():
        theirs = json.loads(path.read_text())
        ours = json.loads(next((archive.directory / collection / "2017").glob("*/*.json")).read_text())
        assert set(theirs["properties"]) - set(ours["properties"]) <= absent
        assert set(ours["assets"]) <= set(theirs["assets"])
        for name, asset in ours["assets"].items():
            keys = set(theirs["assets"][name]) - {"file:checksum", "file:size"}
            assert keys <= set(asset)
        assert shape_of(ours["id"]) == shape_of(theirs["id"])


def shape_of(item_id: str) -> str:
    """The id with tile, hexadecimal datatake and digits blanked."""
    return re.sub(
        r"\d", "0", re.sub(r"_T\w{5}_", "_tile_", re.sub(r"_[0-9A-F]{6}_rtc", "_hex_rtc", item_id[3:]))
    )


def test_every_optical_product_has_its_angles_and_no_radar_product(items: list[pystac.Item]) -> None:
    for item in items:
        asset = item.assets.get("granule-metadata")
        assert (asset is not None) == (item.collection_id == "sentinel-2-l2a")
        if asset is not None:
            text = Path(str(asset.get_absolute_href())).read_text("utf-8")
            assert (asset.media_type, asset.roles) == ("application/xml", ["metadata"])
            assert "Simulated" in text
            assert item.properties["s2:granule_id"] in text
            sun = parse_angles(text.encode()).sun
            assert sun.zenith.mean() == pytest.approx(item.properties["s2:mean_solar_zenith"], abs=0.05)
            assert sun.azimuth.mean() == pytest.approx(item.properties["s2:mean_solar_azimuth"], abs=0.2)


#: Means over all products of 2017 as the first version of the archive had them.
MEANS_2017 = {
    "B04": 2623.55305859375,
    "B08": 4011.5098383789064,
    "SCL": 5.7440546875,
    "vh": 0.014088860852234953,
}


@pytest.mark.parametrize("name", MEANS_2017)
def test_pixels_are_those_of_the_first_version(items: list[pystac.Item], name: str) -> None:
    layers = [band(item, name) for item in items if name in item.assets]
    values = np.concatenate([layer[layer > -1] for layer in layers]).astype(np.float64)
    assert values.mean() == pytest.approx(MEANS_2017[name], rel=1e-6)


def test_item_cloud_cover_counts_the_scene_classes(items: list[pystac.Item]) -> None:
    for item in items:
        if item.collection_id == "sentinel-2-l2a":
            scl = band(item, "SCL")
            cloudy = 100 * np.isin(scl, (8, 9, 10)).sum() / max((scl > 0).sum(), 1)
            assert item.properties["eo:cloud_cover"] == pytest.approx(cloudy, abs=1e-5)
            assert sum(item.properties[name] for name in SCL_SHARES) == pytest.approx(100, abs=1e-3)


def test_clouds_are_bright_and_shadows_dark_where_scl_says_so(items: list[pystac.Item]) -> None:
    for item in items:
        if item.collection_id != "sentinel-2-l2a":
            continue
        blue, scl = band(item, "B02")[::2, ::2], band(item, "SCL")
        clear, cloud, shadow = (np.isin(scl, classes) for classes in ((4, 5), (9,), (3,)))
        if clear.sum() > 500 and cloud.sum() > 500:
            assert np.median(blue[cloud]) > 3 * np.median(blue[clear])
        if clear.sum() > 500 and shadow.sum() > 500:
            nir = band(item, "B08")[::2, ::2]
            assert np.median(nir[shadow]) < 0.9 * np.median(nir[clear])


def test_radar_woods_have_the_levels_of_real_ones(items: list[pystac.Item]) -> None:
    for park, land in zip(PARKS, build_world(SEED), strict=True):
        inside = land.stand.share >= 1.0
        cells = land.stand.row[inside], land.stand.column[inside]
        mine = [
            item
            for item in items
            if item.collection_id == "sentinel-1-rtc"
            and item.bbox is not None
            and abs(item.bbox[0] - park.bbox[0]) < 1
        ]
        for name, level in (("vv", -11.3), ("vh", -17.3)):
            power = np.concatenate([band(item, name)[cells] for item in mine])
            assert 10 * np.log10(power[power > 0].mean()) == pytest.approx(level, abs=0.7)


def test_the_first_ascending_products_have_a_rim_of_zeros(tmp_path: Path) -> None:
    first = next(one for one in radar_passes(HALLIN_FELLS, SEED) if one.orbit_state == "ascending")
    power = pixels(made(first, tmp_path), "vv")
    assert not power[:, :24].any()
    assert (power[:, 24:] != 0).all()


def test_a_reprocessed_copy_holds_the_same_reflectance_plus_the_offset(tmp_path: Path) -> None:
    products = optical_products(HALLIN_FELLS, SEED)
    again = next(product for product in products if product.baseline == "05.00")
    first = next(p for p in products if p.sensing == again.sensing and p != again)
    old, new = made(first, tmp_path), made(again, tmp_path)
    stem = r"_N\d\d\.\d\d$"
    datatakes = [item["properties"]["s2:datatake_id"] for item in (old, new)]
    assert re.sub(stem, "", datatakes[0]) == re.sub(stem, "", datatakes[1])
    assert old["properties"]["datetime"] == new["properties"]["datetime"]
    for name in ("B02", "B08", "B12"):
        before, after = pixels(old, name).astype(int), pixels(new, name).astype(int)
        assert np.array_equal(before[before > 0] + 1000, after[before > 0])
        assert not after[before == 0].any()
    assert np.array_equal(pixels(old, "SCL"), pixels(new, "SCL"))


def test_a_scene_beyond_the_swath_has_no_data_in_bands_and_classes(tmp_path: Path) -> None:
    """One pass in twenty is cut; find the first and look."""
    for product in optical_products(ORRAN_WEALD, SEED)[60:110]:
        item = made(product, tmp_path)
        missing = pixels(item, "SCL") == 0
        if missing.any():
            assert np.array_equal(pixels(item, "B12") == 0, missing)
            assert item["properties"]["s2:nodata_pixel_percentage"] > 0
            return
    pytest.fail("no pass was cut by the swath")


def test_a_beech_wood_is_green_in_june_and_not_in_january(tmp_path: Path) -> None:
    land = build_world(SEED)[1]
    beech = (land.stand.mix[:, 1] > 0.6) & (land.stand.share >= 1.0)
    cells = land.stand.row[beech], land.stand.column[beech]
    seen: dict[int, float] = {}
    for product in optical_products(ORRAN_WEALD, SEED)[10:70]:
        month = product.sensing.sensed_at.month
        if month not in (1, 6) or month in seen:
            continue
        item = made(product, tmp_path)
        clear = np.isin(pixels(item, "SCL")[cells[0] // 2, cells[1] // 2], (4, 5))
        if clear.sum() > 50:
            red, nir = (pixels(item, name)[cells][clear].astype(float) for name in ("B04", "B08"))
            seen[month] = float(np.median((nir - red) / (nir + red)))
    assert seen[6] > 0.75
    assert seen[1] < 0.6


def test_boundaries_are_in_british_grid_with_the_agreed_columns(archive: Archive) -> None:
    woods = gpd.read_file(archive.woodlands, layer="woodlands")
    assert woods.crs.to_epsg() == 27700
    assert list(woods.columns) == ["wood_id", "name", "park", "status", "area_ha", "geometry"]
    assert np.allclose(woods.area / 10_000, woods.area_ha, rtol=1e-3)
    assert set(woods.status) == {"ASNW", "PAWS", "other"}


def test_truth_names_every_wood_and_year(archive: Archive) -> None:
    woods = {row["wood_id"]: row for row in table(archive.truth / "woodlands.csv")}
    richness = table(archive.truth / "richness.csv")
    assert len(woods) == 66
    assert {row["kind"] for row in woods.values()} == {"stable", "decline", "step"}
    assert len(richness) == 66 * len(YEARS)
    assert {row["wood_id"] for row in richness} == set(woods)
    assert all((row["start_year"] == "") == (row["kind"] == "stable") for row in woods.values())


def test_the_sample_table_has_the_agreed_columns(archive: Archive) -> None:
    rows = table(archive.samples)
    assert list(rows[0]) == ["sample_id", "longitude", "latitude", "year", "richness", "reads"]
    assert len(rows) >= 500


def test_the_readme_says_it_is_simulated_and_every_document_too(archive: Archive) -> None:
    assert "simulated" in (archive.directory / "README.md").read_text().splitlines()[2]
    for path in (archive.catalogue, archive.directory / "sentinel-2-l2a" / "collection.json"):
        assert "Simulated" in json.loads(path.read_text())["description"]


def test_an_existing_archive_is_left_as_it_is(archive: Archive) -> None:
    before = {path: path.stat().st_mtime_ns for path in archive.directory.rglob("*")}
    assert make_archive(archive.directory, years=[2017]) == archive == read_archive(archive.directory)
    assert {path: path.stat().st_mtime_ns for path in archive.directory.rglob("*")} == before


def test_an_archive_of_another_seed_is_not_overwritten(archive: Archive) -> None:
    with pytest.raises(SourceError, match=rf"holds seed {SEED} version {ARCHIVE_VERSION}"):
        make_archive(archive.directory, seed=1, years=[2017])


def test_a_directory_of_something_else_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("keep me")
    with pytest.raises(SourceError, match="no simulated archive"):
        make_archive(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "world").write_text("not a folder")
    with pytest.raises(SourceError, match="no simulated archive"):
        make_archive(tmp_path / "world")
    assert (tmp_path / "world").read_text() == "not a folder"


def test_a_damaged_record_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "archive.json").write_text('{"seed": 1')
    assert read_archive(tmp_path) is None
    with pytest.raises(SourceError, match="no simulated archive"):
        make_archive(tmp_path)


@pytest.mark.parametrize("years", [[], [2016], [2024, 2026]])
def test_years_outside_the_world_are_refused(tmp_path: Path, years: list[int]) -> None:
    with pytest.raises(SourceError, match="must be among 2017-2025"):
        make_archive(tmp_path / "world", years=years)
    assert not (tmp_path / "world").exists()


def test_a_folder_below_a_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="Not a directory"):
        make_archive(tmp_path / "file" / "world", years=[2017], processes=1)


def test_the_draft_of_a_killed_maker_is_swept_and_that_of_a_living_one_kept(tmp_path: Path) -> None:
    finished = subprocess.Popen([sys.executable, "-c", ""])
    finished.wait()
    dead = tmp_path / f".world.{finished.pid}.draft"
    living = tmp_path / f".world.{os.getppid()}.draft"
    dead.mkdir()
    living.mkdir()
    (tmp_path / "no").write_text("")
    with pytest.raises(SourceError, match="stop here"):
        make_archive(tmp_path / "world", years=[2017], processes=1, progress=_stop)
    assert not dead.exists()
    assert living.exists()
    assert not (tmp_path / "world").exists()


def _stop(done: int, total: int) -> None:
    raise SourceError("stop here")


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path; from flows.archive import make_archive\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))\n"
        "make_archive(Path(sys.argv[1]), years=[2017], processes=1)\n"
    )
    assert resource.RLIMIT_FSIZE
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "world")], capture_output=True, text=True, check=False
    )
    assert "SourceError: archive" in done.stderr
    assert "File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_orders_cover_each_listed_product_once() -> None:
    orders = scene_orders(Path("/nowhere"), SEED)
    listed = [order.listing for order in orders]
    expected = sum(len(optical_products(park, SEED)) + len(radar_passes(park, SEED)) for park in PARKS)
    assert len(listed) == len(set(listed)) == expected
    assert len(optical_passes(PARKS[0], SEED)) == 162


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_number_of_processes(archive: Archive, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    other = make_archive(
        tmp_path / "world", years=[2017], processes=2, progress=lambda done, total: seen.append((done, total))
    )
    assert digests(other.directory) == digests(archive.directory)
    assert seen == [(done, archive.items) for done in range(1, archive.items + 1)]


@pytest.mark.slow
def test_a_killed_make_leaves_no_half_archive_no_orphan_and_can_be_repeated(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; import sys; from flows.archive import make_archive\n"
        "if __name__ == '__main__': make_archive(Path(sys.argv[1]), years=[2017], processes=2)\n"
    )
    maker = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "world")], stderr=subprocess.DEVNULL)
    _wait_for(lambda: any(tmp_path.glob(".world.*.draft/*/*/*/*.json")))
    workers = _children(maker.pid)
    maker.send_signal(signal.SIGKILL)
    maker.wait()
    assert len(workers) >= 2
    assert not (tmp_path / "world").exists()
    _wait_for(lambda: not any(map(_runs, workers)))
    assert make_archive(tmp_path / "world", years=[2017], processes=1).items == 60
    assert [path.name for path in tmp_path.iterdir()] == ["world"]


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _wait_for(condition: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds} s in vain")
        time.sleep(0.05)
