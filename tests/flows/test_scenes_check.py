"""`underwood scenes check`: every file is answered with a scene, facts or a reason."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import typer
from affine import Affine
from typer.testing import CliRunner, Result

from flows.commands.scenes import BRIEF, COLUMNS, add_commands

#: What each odd or broken file of others is answered with: the start of the reason, or of the facts.
FAULTS = {
    "all-nodata.tif": "EPSG:32628, 71 x 2475 cells",
    "cog_nonearth.tif": "its coordinate reference system has no EPSG code",
    "corrupt.tif": "cannot be read as GeoTIFF",
    "crash-0c7e0e8e11ce787078f00b5b0ca409a167f070e0.tif": "no coordinate reference system",
    "crash-1152ec2d1a1a71395b6f2ce6721c38924d025bf3.tif": "no coordinate reference system",
    "crash-338516dbd2f0e83caddb8ce256c22db3bd6dc40f.tif": "no coordinate reference system",
    "crash-74d2a78403a5a59db1fb0a2b8735ac068a75f6e3.tif": "no coordinate reference system",
    "imagetiff_divide_by_zero_id000000.tif": "cannot be read as GeoTIFF",
    "imagetiff_divide_by_zero_id000018.tif": "cannot be read as GeoTIFF",
    "imagetiff_divide_by_zero_id000036.tif": "cannot be read as GeoTIFF",
    "imagetiff_inf_loop_id000033.tif": "no coordinate reference system",
    "imagetiff_oom_crash_id000009.tif": "cannot be read as GeoTIFF",
    "imagetiff_oom_crash_id000034.tif": "cannot be read as GeoTIFF",
    "imagetiff_oom_crash_id000058.tif": "no coordinate reference system",
    "imagetiff_oor_panic_id000050.tif": "cannot be read as GeoTIFF",
    "nocog.tif": "EPSG:32621, 2658 x 2667 cells of 100.011 m, 1 of uint16, tiles of 2658 x 1",
    "nontiff.jpg": "cannot be read as GeoTIFF",
    "oom-225817ca0f8c663be7ab4b9e717b02c661e66834.tif": "cannot be read as GeoTIFF",
    "rotated.tif": "no coordinate reference system",
    "stac_cdse_issue1043_proj_code.json": "sentinel-2b 2020-03-22 07:46:09 T36NYH R135, subtract 1000",
    "stac_invalid_catalog.json": "a STAC Catalog",
    "stac_no_ext.json": "no collection",
    "stac_wrong_stats.json": "no collection",
}


def app() -> typer.Typer:
    one = typer.Typer()
    add_commands(one)
    return one


def check(*arguments: object) -> Result:
    return CliRunner().invoke(app(), ["scenes", "check", *map(str, arguments)])


def rows_of(*paths: Path) -> list[dict[str, Any]]:
    result = check(*paths, "--format", "json")
    assert result.exit_code in (0, 1), result.output
    rows: list[dict[str, Any]] = json.loads(result.stdout)
    assert all(list(row) == list(COLUMNS) for row in rows)
    assert result.exit_code == any(row["outcome"] == "refused" for row in rows)
    return rows


def written(path: Path, values: np.ndarray[Any, Any], **profile: Any) -> Path:
    """A GeoTIFF of 10 m cells in zone 30."""
    height, width = values.shape
    settings = {"driver": "GTiff", "count": 1, "dtype": values.dtype, "crs": "EPSG:32630"} | profile
    transform = Affine(10, 0, 500_000, 0, -10, 5_700_000)
    with rasterio.open(path, "w", width=width, height=height, transform=transform, **settings) as file:
        file.write(values, 1)
    return path


# --- faults


def test_every_fault_has_an_answer(shared: Path) -> None:
    folder = shared / "data" / "faults"
    assert {path.name for path in folder.iterdir()} - {"README.md", "MANIFEST.csv"} == set(FAULTS)
    for name, expected in FAULTS.items():
        (row,) = rows_of(folder / name)
        assert row["said"].startswith(expected), row
        assert "\n" not in row["said"]
        assert str(folder) not in row["said"]


def test_a_folder_of_faults_is_answered_file_by_file(shared: Path) -> None:
    rows = rows_of(shared / "data" / "faults")
    assert {Path(row["path"]).name for row in rows} == set(FAULTS) - {"nontiff.jpg"}
    assert len(rows) == len(FAULTS) - 1


def test_a_file_where_nothing_is_present_says_so(shared: Path) -> None:
    (row,) = rows_of(shared / "data" / "faults" / "all-nodata.tif")
    assert (row["outcome"], row["present"]) == ("raster", 0.0)


def test_radar_on_control_points_is_refused_as_not_terrain_corrected(shared: Path) -> None:
    row, _ = rows_of(*sorted((shared / "data" / "s1_grd_gcp_only").glob("*.tiff")))
    assert row["reason"] == "210 ground control points in place of a grid: not terrain-corrected"


# --- what is fine


def test_every_real_item_has_a_row(shared: Path) -> None:
    folder = shared / "data" / "stac_items"
    rows = rows_of(folder)
    assert len(rows) == 58
    assert {row["outcome"] for row in rows} == {"scene", "refused"}
    assert all(bool(row["reason"]) == (row["outcome"] == "refused") for row in rows)


def test_a_scene_shows_its_decisions_and_where_its_assets_lie(shared: Path) -> None:
    (row,) = rows_of(shared / "data" / "s2_l2a_scene_cog" / "S2A_29RKH_20200219_0_L2A.json")
    expected = {
        "outcome": "scene",
        "id": "S2A_29RKH_20200219_0_L2A",
        "sensor": "s2",
        "platform": "sentinel-2a",
        "acquired_at": "2020-02-19T11:34:25.405000+00:00",
        "tile": "29RKH",
        "relative_orbit": 37,
        "baseline": "02.14",
        "offset_dn": 0,
        "n_bands": 10,
        "epsg": 32629,
    }
    assert {key: row[key] for key in expected} == expected
    assert row["assets"]["B04"].startswith("https://sentinel-cogs.s3.us-west-2.amazonaws.com/")


def test_a_product_is_the_same_by_its_folder_and_by_its_metadata(shared: Path) -> None:
    folder = shared / "data" / "s2_product_metadata" / "S2A_MSIL2A_20230821_N0509_T01KAB"
    for paths in ([folder], [folder / "MTD_MSIL2A.xml"], [folder / "manifest.safe"]):
        (row,) = rows_of(*paths)
        assert (row["outcome"], row["offset_dn"], row["tile"]) == ("scene", 1000, "01KAB")
    assert len(rows_of(folder.parent)) == 3


def test_bands_of_a_real_scene_are_facts(shared: Path) -> None:
    (row,) = rows_of(shared / "data" / "s2_l2a_scene_cog" / "B04.tif")
    facts = [row[key] for key in ("epsg", "shape", "kind", "tile_shape", "n_bands", "cell_m")]
    assert facts == [32629, [1098, 1098], "uint16", [512, 512], 1, 100.0]


def test_a_jpeg_2000_is_facts_too(tmp_path: Path) -> None:
    values = np.arange(1, 64 * 64 + 1, dtype=np.uint16).reshape(64, 64)
    path = written(tmp_path / "b04.jp2", values, driver="JP2OpenJPEG")
    (row,) = rows_of(path)
    assert (row["outcome"], row["epsg"], row["shape"]) == ("raster", 32630, [64, 64])


def test_the_share_present_counts_every_tile(tmp_path: Path) -> None:
    values = np.zeros((96, 64), np.uint16)
    values[90:, :32] = 7
    path = written(tmp_path / "a.tif", values, nodata=0, tiled=True, blockxsize=32, blockysize=32)
    (row,) = rows_of(path)
    assert row["present"] == pytest.approx(6 * 32 / (96 * 64))


def test_an_item_may_point_at_files_of_its_own_catalogue_only(tmp_path: Path, shared: Path) -> None:
    item = json.loads((shared / "data" / "s2_l2a_scene_cog" / "S2A_29RKH_20200219_0_L2A.json").read_text())
    for asset in item["assets"].values():
        asset["href"] = "../cogs/a.tif"
    item["links"] = [{"rel": "root", "href": "../catalog.json"}]
    (tmp_path / "items").mkdir()
    path = tmp_path / "items" / "a.json"
    path.write_text(json.dumps(item))
    assert "outside" in rows_of(path)[0]["reason"]  # no such root
    (tmp_path / "catalog.json").write_text("{}")
    (row,) = rows_of(path)
    assert row["assets"]["B04"] == str((tmp_path / "cogs" / "a.tif").resolve())


def test_no_address_is_shown_with_its_secrets(tmp_path: Path, shared: Path) -> None:
    item = json.loads((shared / "data" / "s2_l2a_scene_cog" / "S2A_29RKH_20200219_0_L2A.json").read_text())
    for asset in item["assets"].values():
        asset["href"] += "?sig=secret"
    path = tmp_path / "a.json"
    path.write_text(json.dumps(item))
    for form in ("table", "json", "csv"):
        result = check(path, "--format", form)
        assert result.exit_code == 0
        assert "secret" not in result.output


# --- rubbish


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, ""),
        (b"[]", "not a STAC item"),
        (b"1e999", "not a STAC item"),
        (b'{"type": "FeatureCollection", "features": []}', "a collection of no items"),
        (b'{"type": "FeatureCollection", "features": [1, null]}', "not a STAC item"),
        (b'{"type": "Feature", "id": "a", "links": [{"rel": "root", "href": "\\u0000"}]}', "no properties"),
        (b'{"type": "Collection"}', "a STAC Collection"),
    ],
)
def test_rubbish_in_place_of_an_item_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    rows = rows_of(path)
    assert rows
    assert all(row["outcome"] == "refused" and reason in row["reason"] for row in rows), rows


def test_a_truncated_raster_is_refused(tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(1, 9000, (256, 256)).astype(np.uint16)
    path = written(tmp_path / "a.tif", values, tiled=True, blockxsize=64, blockysize=64)
    os.truncate(path, path.stat().st_size // 2)
    (row,) = rows_of(path)
    assert row["outcome"] == "refused"
    assert row["reason"].startswith("cannot be read as GeoTIFF")


def test_a_raster_too_large_to_be_decoded_is_refused_without_trying(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    sides = {"width": 60_000, "height": 60_000}
    profile = {"count": 1, "dtype": "uint8", "crs": "EPSG:32630", "tiled": True, "sparse_ok": True}
    transform = Affine(10, 0, 500_000, 0, -10, 5_700_000)
    with rasterio.open(path, "w", driver="GTiff", transform=transform, **sides, **profile):
        pass
    (row,) = rows_of(path)
    assert "at most 2147483648" in row["reason"]


def test_links_out_of_a_folder_are_not_followed(tmp_path: Path, shared: Path) -> None:
    (tmp_path / "linked").symlink_to(shared / "data" / "stac_items", target_is_directory=True)
    result = check(tmp_path)
    assert result.exit_code == 0
    assert result.stdout.strip() == "no item, product or raster"


# --- how it comes out


def test_several_paths_make_one_table(shared: Path) -> None:
    good = shared / "data" / "s2_l2a_scene_cog" / "SCL.tif"
    product = shared / "data" / "s2_product_metadata" / "S2A_MSIL2A_20190212_N0212_T07HFE"
    assert check(good, product).exit_code == 0
    bad = shared / "data" / "faults" / "rotated.tif"
    result = check(good, product, bad)
    assert result.exit_code == 1
    assert all(column in result.stdout for column in BRIEF)


def test_csv_holds_every_column(shared: Path) -> None:
    result = check(shared / "data" / "faults", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert list(rows[0]) == list(COLUMNS)
    assert len(rows) == len(FAULTS) - 1


def test_a_path_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    result = check(tmp_path / "missing.json")
    assert result.exit_code == 2


def test_no_settings_are_needed(tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(shared / "data" / "s2_l2a_scene_cog" / "SCL.tif", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UNDERWOOD_CONFIG", raising=False)
    assert check("SCL.tif").exit_code == 0
