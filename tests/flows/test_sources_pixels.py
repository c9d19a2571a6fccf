"""Pixels: what is read, what is left unread, and what is refused."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT

from flows.sources.addresses import Place, place_of, resolve
from flows.sources.assets.pixels import ScenePixels, read_scene, reflectance
from flows.sources.assets.ranges import local_ranges
from flows.sources.assets.rasters import GdalTiles, gdal_environment, open_raster
from flows.sources.assets.sampling import Method, Sampled, TileSource, plan_points, sample
from flows.sources.assets.tiff.belief import Belief
from flows.sources.assets.tiles import CogTiles
from flows.sources.catalogues.documents import read_document
from flows.sources.catalogues.static import crawl
from flows.sources.scenes.items import Offer, offer_from_item
from monitoring.errors import PixelReadError
from monitoring.grid import PixelSet
from monitoring.scenes import S1_BANDS, S2_BANDS, Scene, Sensor

EPSG = 32630
WEST, NORTH = 500_000.0, 5_700_000.0
TEN_M = ("B02", "B03", "B04", "B08")


def from_origin(west: float, north: float, width: float, height: float) -> Affine:
    return Affine(width, 0, west, 0, -height, north)


def write_band(path: Path, values: NDArray[Any], cell_m: float = 10.0, **changes: Any) -> str:
    """Write a COG-like tiled GeoTIFF from (WEST, NORTH)."""
    profile = {
        "driver": "GTiff",
        "dtype": values.dtype.name,
        "count": 1,
        "height": values.shape[-2],
        "width": values.shape[-1],
        "crs": f"EPSG:{EPSG}",
        "transform": from_origin(WEST, NORTH, cell_m, cell_m),
        "tiled": True,
        "blockxsize": 16,
        "blockysize": 16,
        "compress": "deflate",
    } | changes
    with rasterio.open(path, "w", **profile) as file:
        file.write(values if values.ndim == 3 else values[None])
    return str(path)


def scene_of(hrefs: dict[str, str], sensor: Sensor = Sensor.S2, offset_dn: int = 0) -> Scene:
    return Scene(
        id="scene-1",
        collection="sentinel-2-l2a",
        source="simulated",
        sensor=sensor,
        platform="sentinel-2a",
        acquired_at=datetime(2023, 6, 1, tzinfo=UTC),
        acquisition="a",
        baseline="05.09",
        offset_dn=offset_dn,
        offset_rule="test",
        epsg=EPSG,
        bbox=(-3.0, 51.0, -2.0, 52.0),
        hrefs=tuple(hrefs.items()),
    )


def s2_scene(folder: Path, *, size: int = 48, offset_dn: int = 0, seed: int = 0) -> Scene:
    """A Sentinel-2 scene of size x size cells of 10 m with random values, some missing."""
    rng = np.random.default_rng(seed)
    hrefs = {}
    for band in S2_BANDS:
        edge = size if band in TEN_M else size // 2
        values = rng.integers(1, 5000, (edge, edge)).astype(np.uint16)
        values[rng.random((edge, edge)) < 0.1] = 0
        hrefs[band] = write_band(folder / f"{band}.tif", values, 10.0 if band in TEN_M else 20.0, nodata=0)
    scl = rng.integers(0, 12, (size // 2, size // 2)).astype(np.uint8)
    hrefs["SCL"] = write_band(folder / "SCL.tif", scl, 20.0, nodata=0)
    return scene_of(hrefs, offset_dn=offset_dn)


def s1_scene(folder: Path, power: NDArray[np.float32], **changes: Any) -> Scene:
    hrefs = {band: write_band(folder / f"{band}.tif", power, **changes) for band in S1_BANDS}
    return scene_of(hrefs, Sensor.S1_ASCENDING)


def pixels_at(*places: tuple[int, int], epsg: int = EPSG) -> PixelSet:
    """Pixels by (row from the north edge, column from the west edge) of 10 m cells."""
    rows, columns = np.array(places).T
    return PixelSet(epsg, (columns + WEST // 10).astype(np.int32), (NORTH // 10 - 1 - rows).astype(np.int32))


def every_pixel(size: int) -> PixelSet:
    return pixels_at(*[(row, column) for row in range(size) for column in range(size)])


def values_of(read: ScenePixels, band: str) -> NDArray[Any]:
    return read.values[:, read.scene.sensor.bands.index(band)]


# --- values


def test_ten_metre_bands_are_gathered_cell_by_cell(tmp_path: Path) -> None:
    scene = s2_scene(tmp_path)
    read = read_scene(scene, every_pixel(48))
    for band in TEN_M:
        with rasterio.open(scene.href(band)) as file:
            np.testing.assert_array_equal(values_of(read, band).reshape(48, 48), file.read(1))
    assert read.values.dtype == np.uint16


def test_scl_is_the_class_of_the_cell_that_holds_the_pixel(tmp_path: Path) -> None:
    scene = s2_scene(tmp_path)
    read = read_scene(scene, every_pixel(48))
    assert read.scl is not None
    with rasterio.open(scene.href("SCL")) as file:
        np.testing.assert_array_equal(
            read.scl.reshape(48, 48), np.kron(file.read(1), np.ones((2, 2), np.uint8))
        )


def test_twenty_metre_bands_agree_with_gdals_bilinear_where_nothing_is_missing(tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(1, 5000, (24, 24)).astype(np.uint16)
    path = write_band(tmp_path / "B05.tif", values, 20.0)
    ours = sampled(path, every_pixel(48), above=0)
    with (
        rasterio.open(path) as file,
        WarpedVRT(
            file,
            crs=file.crs,
            transform=from_origin(WEST, NORTH, 10, 10),
            width=48,
            height=48,
            resampling=Resampling.bilinear,
        ) as warped,
    ):
        theirs = warped.read(1)
    np.testing.assert_array_equal(reflectance(ours, 0).reshape(48, 48)[1:-1, 1:-1], theirs[1:-1, 1:-1])


def sampled(path: str, pixels: PixelSet, method: Method = Method.BILINEAR, **options: Any) -> Sampled:
    with gdal_environment(), open_raster(path) as dataset:
        through_gdal = sampled_from(GdalTiles(dataset), pixels, method, **options)
    ours = sampled_from(CogTiles(local_ranges(path), Belief()), pixels, method, **options)
    np.testing.assert_array_equal(ours.values, through_gdal.values)
    np.testing.assert_array_equal(ours.missing, through_gdal.missing)
    return ours


def sampled_from(source: TileSource, pixels: PixelSet, method: Method, **options: Any) -> Sampled:
    plan = plan_points(source.grid, source.tile_shape, pixels.easting_m, pixels.northing_m, method)
    return sample(source, plan, **options)


def test_bilinear_by_hand(tmp_path: Path) -> None:
    path = write_band(tmp_path / "B05.tif", np.array([[100, 200], [300, 400]], np.uint16), 20.0)
    found = sampled(path, pixels_at((0, 0), (1, 1), (2, 2), (3, 0)), above=0)
    # corner: clamped; (1, 1): 9/16 of its own cell, 3/16 of two, 1/16 of the far one
    assert found.values.tolist() == [
        100,
        100 * 9 / 16 + 500 * 3 / 16 + 400 / 16,
        400 * 9 / 16 + 500 * 3 / 16 + 100 / 16,
        300,
    ]


def test_missing_cells_do_not_bleed_into_their_neighbours(tmp_path: Path) -> None:
    path = write_band(tmp_path / "B05.tif", np.array([[1000, 0], [1000, 0]], np.uint16), 20.0, nodata=0)
    found = sampled(path, every_pixel(4), above=0)
    values = reflectance(found, 0).reshape(4, 4)
    assert (values[:, :2] == 1000).all()
    assert (values[:, 2:] == 0).all()


def test_pixels_outside_the_scene_are_missing(tmp_path: Path) -> None:
    read = read_scene(s2_scene(tmp_path), pixels_at((-1, 0), (0, -1), (48, 0), (0, 48), (5000, 5000)))
    assert not read.values.any()
    assert read.scl is not None
    assert not read.scl.any()
    assert read.tiles_read == 0
    radar = read_scene(s1_scene(tmp_path, np.ones((16, 16), np.float32)), pixels_at((0, 0), (0, 16)))
    assert radar.values.tolist()[0] == [1, 1]
    assert np.isnan(radar.values[1]).all()


def test_no_pixels_read_nothing(tmp_path: Path) -> None:
    none = PixelSet(EPSG, np.zeros(0, np.int32), np.zeros(0, np.int32))
    read = read_scene(s2_scene(tmp_path), none)
    assert read.values.shape == (0, 10)
    assert read.tiles_read == 0


@pytest.mark.parametrize(
    ("dn", "expected"), [(0, 0), (1, 1), (1000, 1), (1001, 1), (1002, 2), (65_535, 64_535)]
)
def test_the_offset_leaves_missing_missing_and_dark_dark(dn: int, expected: int) -> None:
    band = Sampled(np.array([dn], np.uint16), np.array([dn == 0]), 1, 1)
    assert reflectance(band, 1000).tolist() == [expected]


def test_the_offset_is_taken_from_every_optical_band(tmp_path: Path) -> None:
    plain = read_scene(s2_scene(tmp_path), every_pixel(48))
    less = read_scene(s2_scene(tmp_path, offset_dn=1000), every_pixel(48))
    expected = np.where(plain.values == 0, 0, np.maximum(plain.values.astype(int) - 1000, 1))
    # the mean of a 20 m band is taken before the offset: halves round the same way
    np.testing.assert_array_equal(less.values, expected)
    np.testing.assert_array_equal(plain.scl, less.scl)


def test_radar_power_that_is_no_power_is_missing(tmp_path: Path) -> None:
    power = np.full((16, 16), 0.25, np.float32)
    power[0, :5] = [0, -0.1, np.nan, np.inf, -32768]
    read = read_scene(s1_scene(tmp_path, power, nodata=-32768), pixels_at(*[(0, c) for c in range(6)]))
    assert read.values.dtype == np.float32
    assert np.isnan(read.values[:5]).all()
    assert read.values[5].tolist() == [0.25, 0.25]
    assert read.scl is None


def test_radar_on_a_shifted_grid_is_interpolated(tmp_path: Path) -> None:
    power = np.array([[1.0, 3.0]] * 2, np.float32)
    shifted = from_origin(WEST - 5, NORTH, 10, 10)
    read = read_scene(s1_scene(tmp_path, power, transform=shifted), pixels_at((0, 0)))
    assert read.values.tolist() == [[2.0, 2.0]]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(-4, 52), st.integers(-4, 52)), min_size=1, max_size=30, unique=True))
def test_a_sparse_read_gives_what_a_full_read_gives(
    tmp_path_factory: pytest.TempPathFactory, places: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "sparse"
    if not folder.exists():
        folder.mkdir()
        s2_scene(folder)
    scene = scene_of({band: str(folder / f"{band}.tif") for band in (*S2_BANDS, "SCL")})
    full, some = read_scene(scene, every_pixel(48)), read_scene(scene, pixels_at(*places))
    for index, (row, column) in enumerate(places):
        inside = 0 <= row < 48 and 0 <= column < 48
        expected = full.values[row * 48 + column] if inside else np.zeros(10)
        np.testing.assert_array_equal(some.values[index], expected)


# --- sparsity


def test_only_tiles_that_hold_a_pixel_are_read(tmp_path: Path) -> None:
    one = read_scene(s1_scene(tmp_path, np.ones((64, 64), np.float32)), pixels_at((20, 20), (21, 25)))
    assert one.tiles_read == 2  # one tile of each polarisation
    assert one.bytes_read == 2 * 16 * 16 * 4
    two = read_scene(s1_scene(tmp_path, np.ones((64, 64), np.float32)), pixels_at((0, 0), (0, 63), (63, 63)))
    assert two.tiles_read == 6


def test_a_bilinear_read_takes_the_neighbouring_tile_only_at_its_edge(tmp_path: Path) -> None:
    path = write_band(tmp_path / "B05.tif", np.ones((64, 64), np.uint16), 20.0)
    assert sampled(path, pixels_at((10, 10))).tiles_read == 1
    assert sampled(path, pixels_at((10, 31))).tiles_read == 2
    assert sampled(path, pixels_at((31, 31))).tiles_read == 4


def test_a_damaged_tile_that_no_pixel_needs_is_never_touched(tmp_path: Path) -> None:
    scene = s1_scene(tmp_path, np.random.default_rng(0).random((64, 64), np.float32) + 1)
    path = Path(scene.href("VV"))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 600)  # the last tile lies last
    assert np.isfinite(read_scene(scene, pixels_at((0, 0))).values).all()
    with pytest.raises(PixelReadError, match="scene-1, band VV"):
        read_scene(scene, pixels_at((63, 63)))


def test_a_striped_file_reads_the_same_as_a_tiled_one(tmp_path: Path) -> None:
    power = np.random.default_rng(0).random((50, 30), np.float32) + 1
    striped = read_scene(s1_scene(tmp_path, power, tiled=False, blockysize=7), every_pixel(30))
    tiled = read_scene(s1_scene(tmp_path, power), every_pixel(30))
    np.testing.assert_array_equal(striped.values, tiled.values)


# --- refusals

ROTATED = Affine(10, 1, WEST, 1, -10, NORTH)
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("float32", {}, "type float32: uint16 is needed"),
    ("complex64", {}, "type complex64"),
    ("int16", {}, "type int16"),
    ("uint16", {"crs": None}, "no coordinate reference system"),
    ("uint16", {"crs": "EPSG:32631"}, "EPSG:32631 on file: EPSG:32630 is needed"),
    ("uint16", {"crs": "+proj=laea +lat_0=50"}, "EPSG:none"),
    ("uint16", {"transform": ROTATED}, "rotated"),
    ("uint16", {"transform": from_origin(WEST, NORTH, 60, 60)}, "cells of 60 m: 10 or 20 m are needed"),
    ("uint16", {"transform": from_origin(WEST, NORTH, 10, 20)}, "10 x 20"),
    ("uint16", {"transform": Affine(10, 0, WEST, 0, 10, NORTH)}, "north-up"),
    ("uint16", {"count": 2}, "2 bands in one file"),
]


@pytest.mark.parametrize(("dtype", "changes", "said"), REFUSED, ids=[said for _, _, said in REFUSED])
def test_a_band_of_the_wrong_kind_is_refused_by_name(
    tmp_path: Path, dtype: str, changes: dict[str, Any], said: str
) -> None:
    scene = s2_scene(tmp_path)
    values = np.ones((changes.get("count", 1), 48, 48), dtype)
    write_band(tmp_path / "B04.tif", values, **changes)
    with pytest.raises(PixelReadError, match=said) as caught:
        read_scene(scene, pixels_at((0, 0)))
    assert str(caught.value).startswith("scene scene-1, band B04: ")
    assert "\n" not in str(caught.value)


def test_another_zone_than_the_blocks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PixelReadError, match="EPSG:32630 on file: EPSG:32631 is needed"):
        read_scene(s2_scene(tmp_path), pixels_at((0, 0), epsg=32631))


def test_a_scene_without_the_band_is_refused(tmp_path: Path) -> None:
    scene = s2_scene(tmp_path)
    with pytest.raises(PixelReadError, match="band SCL: the scene has no address"):
        read_scene(replace(scene, hrefs=scene.hrefs[:-1]), pixels_at((0, 0)))


@pytest.mark.parametrize(
    "content", [b"", b"II*\x00", b"not a tiff at all", b"\x89PNG\r\n\x1a\n" + b"\0" * 64]
)
def test_a_file_that_is_no_geotiff_is_refused(tmp_path: Path, content: bytes) -> None:
    scene = s2_scene(tmp_path)
    (tmp_path / "B04.tif").write_bytes(content)
    with pytest.raises(PixelReadError, match="cannot be read as GeoTIFF"):
        read_scene(scene, pixels_at((0, 0)))


def test_a_file_that_points_at_another_file_is_refused(tmp_path: Path) -> None:
    scene = s2_scene(tmp_path)
    source = f"<SourceFilename>{tmp_path / 'B08.tif'}</SourceFilename><SourceBand>1</SourceBand>"
    band = f'<VRTRasterBand dataType="UInt16" band="1"><SimpleSource>{source}</SimpleSource></VRTRasterBand>'
    (tmp_path / "B04.tif").write_text(f'<VRTDataset rasterXSize="48" rasterYSize="48">{band}</VRTDataset>')
    with pytest.raises(PixelReadError, match="cannot be read as GeoTIFF"):
        read_scene(scene, pixels_at((0, 0)))


@pytest.mark.parametrize(
    "address",
    ["/nowhere/B04.tif", "GTIFF_DIR:1:B04.tif", "/vsimem/a.tif", "https://127.0.0.1:9/B04.tif?sig=hush"],
)
def test_an_address_without_a_file_is_one_clear_line(tmp_path: Path, address: str) -> None:
    scene = s2_scene(tmp_path)
    hrefs = dict(scene.hrefs) | {"B04": address}
    with pytest.raises(PixelReadError) as caught, rasterio.Env(GDAL_HTTP_MAX_RETRY=0):
        read_scene(replace(scene, hrefs=tuple(hrefs.items())), pixels_at((0, 0)))
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_header_that_asks_for_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tif"
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "width": 200_000, "height": 200_000}
    place = {"crs": f"EPSG:{EPSG}", "transform": from_origin(WEST, NORTH, 10, 10)}
    with rasterio.open(path, "w", **profile, **place, tiled=True, SPARSE_OK=True):
        pass
    with pytest.raises(PixelReadError, match="200000 x 200000 pixels: at most 65536"), open_raster(str(path)):
        pass


def test_a_tile_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = write_band(tmp_path / "bomb.tif", np.zeros((16, 16), np.uint16), blockxsize=8192, blockysize=8192)
    with pytest.raises(PixelReadError, match="internal tiles of 134217728 bytes"), open_raster(path):
        pass


# --- files that others wrote


def fault_files(shared: Path) -> list[dict[str, str]]:
    with (shared / "data" / "faults" / "MANIFEST.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if not row["file"].endswith(".json")]


#: Files of the collection that are sound GeoTIFFs, whatever else is odd about them.
SOUND = {"all-nodata.tif", "nocog.tif", "cog_nonearth.tif"}


def test_every_fault_is_a_clear_error_or_a_correct_read(shared: Path) -> None:
    faults = fault_files(shared)
    assert len(faults) >= 15
    read = {row["file"] for row in faults if _reads_correctly(shared / "data" / "faults" / row["file"])}
    assert read == SOUND


def _is_unclear(error: PixelReadError, path: Path) -> bool:
    named = path.name in str(error) or "reference system" in str(error)
    return not named or "\n" in str(error)


def _reads_correctly(path: Path) -> bool:
    """True for a read equal to GDAL's own, False for a clear refusal; anything else fails the test."""
    try:
        with gdal_environment(), open_raster(str(path)) as dataset:
            source = GdalTiles(dataset)
            rows, columns = np.mgrid[0 : source.grid.height : 5, 0 : source.grid.width : 3].reshape(2, -1)
            found = _at_cells(source, rows, columns)
            whole, valid = dataset.read(1)[rows, columns], dataset.read_masks(1)[rows, columns] > 0
    except PixelReadError as error:
        return _is_unclear(error, path)
    np.testing.assert_array_equal(found.missing, ~valid)
    np.testing.assert_array_equal(found.values, whole)
    return True


def _at_cells(source: TileSource, rows: NDArray[Any], columns: NDArray[Any]) -> Sampled:
    grid = source.grid
    easting = grid.west_m + (columns + 0.5) * grid.cell_m
    northing = grid.north_m - (rows + 0.5) * grid.cell_m
    return sample(source, plan_points(grid, source.tile_shape, easting, northing, Method.NEAREST))


def test_every_fault_is_refused_or_left_to_gdal_by_our_own_reader(shared: Path) -> None:
    for row in fault_files(shared):
        with pytest.raises(PixelReadError) as caught:
            CogTiles(local_ranges(str(shared / "data" / "faults" / row["file"])), Belief())
        assert "\n" not in str(caught.value)


def test_every_fault_is_refused_as_a_band_of_a_scene(shared: Path, tmp_path: Path) -> None:
    scene = s2_scene(tmp_path)
    for row in fault_files(shared):
        hrefs = dict(scene.hrefs) | {"B04": str(shared / "data" / "faults" / row["file"])}
        with pytest.raises(PixelReadError, match="scene-1, band B04"):
            read_scene(replace(scene, hrefs=tuple(hrefs.items())), pixels_at((0, 0)))


# --- real scenes


def real_scene(shared: Path) -> Scene:
    """The scene of the item beside its decimated bands."""
    folder = (shared / "data" / "s2_l2a_scene_cog").resolve()
    item = json.loads((folder / "S2A_29RKH_20200219_0_L2A.json").read_text("utf-8"))
    names = {"red": "B04", "green": "B03", "blue": "B02", "nir": "B08", "nir08": "B8A", "scl": "SCL"}
    names |= {"rededge1": "B05", "rededge2": "B06", "rededge3": "B07", "swir16": "B11", "swir22": "B12"}
    for key, band in names.items():
        item["assets"][key]["href"] = f"./{band}.tif"
    offer = offer_from_item(item, Place(str(folder / "item.json"), str(folder)), "earth-search")
    assert isinstance(offer, Offer)
    return offer.scene


def test_a_decimated_product_is_refused_at_the_resolution_it_claims(shared: Path) -> None:
    scene = real_scene(shared)
    pixels = PixelSet(32629, np.array([25_000], np.int32), np.array([275_000], np.int32))
    with pytest.raises(PixelReadError, match="cells of 100 m: 10 or 20 m are needed"):
        read_scene(scene, pixels)


def test_a_real_scene_is_read_from_item_to_pixels(shared: Path) -> None:
    scene = real_scene(shared)
    with rasterio.open(scene.href("B04")) as file:
        red, transform = file.read(1), file.transform
    with rasterio.open(scene.href("SCL")) as file:
        classes = file.read(1)
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(0, 1098, 300), rng.integers(0, 1098, 300)
    # a 10 m pixel just south-east of the middle of each 100 m cell
    easting, northing = transform.c + columns * 100 + 50, transform.f - rows * 100 - 60
    pixels = PixelSet(32629, (easting // 10).astype(np.int32), (northing // 10).astype(np.int32))
    read = read_scene(scene, pixels, resolutions_m=(100, 200))
    assert read.scl is not None
    np.testing.assert_array_equal(read.scl, classes[rows // 2, columns // 2])
    np.testing.assert_array_equal(values_of(read, "B04") == 0, red[rows, columns] == 0)
    assert abs(values_of(read, "B04").astype(int) - red[rows, columns]).mean() < 20
    # desert: brighter in the near infrared than in the blue
    assert np.median(values_of(read, "B8A")) > np.median(values_of(read, "B02")) > 0


def test_a_real_mini_catalogue_is_read_from_collection_to_pixels(shared: Path) -> None:
    place = place_of(str(shared / "data" / "stac_mini_catalogue_openeo" / "collection.json"))
    documents = list(crawl(read_document(place.document), place))
    assert len(documents) == 3
    for document in documents:
        (asset,) = document.content["assets"].values()
        with gdal_environment(), open_raster(resolve(asset["href"], document.place)) as dataset:
            whole, grid = dataset.read(), GdalTiles(dataset).grid
            assert (grid.epsg, grid.cell_m, dataset.dtypes[0]) == (32631, 10, "int16")
            rows, columns = np.mgrid[-1 : grid.height + 1, -1 : grid.width + 1].reshape(2, -1)
            for band in (1, 2, 3):
                found = _at_cells(GdalTiles(dataset, band), rows, columns)
                expected = np.pad(whole[band - 1], 1, constant_values=-32768).ravel()
                np.testing.assert_array_equal(found.missing, expected == -32768)
                np.testing.assert_array_equal(found.values[~found.missing], expected[~found.missing])
