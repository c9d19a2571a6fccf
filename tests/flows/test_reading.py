"""Many scenes in flight: in order, bounded, and a failed asset fails nothing else."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from fault_server import MIXED, Fault, serve
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.transform import Affine

from flows.sources.assets.patience import Patience
from flows.sources.assets.pixels import CLOUD_UNKNOWN, ScenePixels, read_scene
from flows.sources.assets.ranges import FileRanges, Ranges
from flows.sources.assets.reading import AssetFailure, UnreadScene, read_scenes
from flows.sources.assets.transport import Transport
from flows.sources.checksums import verify_asset
from monitoring.errors import PixelReadError, UnreachableError
from monitoring.grid import PixelSet
from monitoring.scenes import CLOUD_BAND, S1_BANDS, S2_BANDS, Scene, Sensor

EPSG = 32630
WEST, NORTH = 500_000.0, 5_700_000.0
SIZE = 256
TEN_M = ("B02", "B03", "B04", "B08")
WEB = "https://archive.test"


def write(path: Path, values: NDArray[Any], cell_m: float, **changes: Any) -> str:
    profile = {
        "driver": "COG",
        "dtype": values.dtype.name,
        "count": 1,
        "height": values.shape[0],
        "width": values.shape[1],
        "crs": f"EPSG:{EPSG}",
        "transform": Affine(cell_m, 0, WEST, 0, -cell_m, NORTH),
        "nodata": 0,
    } | changes
    if profile["driver"] == "COG":
        profile |= {"blocksize": 128, "compress": "deflate", "overviews": "NONE"}
    with rasterio.open(path, "w", **profile) as file:
        file.write(values, 1)
    return str(path)


def scene_at(folder: Path, number: int, sensor: Sensor = Sensor.S2, **hrefs: str) -> Scene:
    folder.mkdir(exist_ok=True)
    return Scene(
        id=f"scene-{number}",
        collection="c",
        source="simulated",
        sensor=sensor,
        platform="p",
        acquired_at=datetime(2023, 6, 1 + number, tzinfo=UTC),
        acquisition=f"a{number}",
        baseline="05.09",
        offset_dn=0,
        offset_rule="test",
        epsg=EPSG,
        bbox=(-3.0, 51.0, -2.0, 52.0),
        hrefs=tuple((hrefs or optical(folder, number)).items()),
    )


def optical(folder: Path, number: int, suffix: str = "tif", **changes: Any) -> dict[str, str]:
    rng = np.random.default_rng(number)
    hrefs = {}
    for band in S2_BANDS:
        cells, cell_m = (SIZE, 10.0) if band in TEN_M else (SIZE // 2, 20.0)
        values = rng.integers(0, 5000, (cells, cells)).astype(np.uint16)
        hrefs[band] = write(folder / f"{number}-{band}.{suffix}", values, cell_m, **changes)
    classes = rng.integers(0, 12, (SIZE // 2, SIZE // 2)).astype(np.uint8)
    hrefs["SCL"] = write(folder / f"{number}-SCL.{suffix}", classes, 20.0, **changes)
    return hrefs


def some_pixels(count: int = 300, seed: int = 0, epsg: int = EPSG) -> PixelSet:
    rng = np.random.default_rng(seed)
    column, row = rng.integers(0, SIZE, count), rng.integers(0, SIZE, count)
    return PixelSet(epsg, (column + WEST // 10).astype(np.int32), (NORTH // 10 - 1 - row).astype(np.int32))


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    folder = tmp_path_factory.mktemp("season")
    return [scene_at(folder, number) for number in range(6)]


def on_the_web(scene: Scene) -> Scene:
    return replace(scene, hrefs=tuple((band, f"{WEB}{href}?token=hush") for band, href in scene.hrefs))


def at(address: str, scene: Scene) -> Scene:
    return replace(scene, hrefs=tuple((band, f"{address}/{Path(path).name}") for band, path in scene.hrefs))


@dataclass
class Web:
    """Files as if they were far away: how many are asked at once, and which of them do not answer."""

    silent: tuple[str, ...] = ()
    wait_s: float = 0.0
    now: int = 0
    most: int = 0
    headers: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def at(self, address: str) -> Ranges:
        return _WebFile(self, FileRanges(Path(address.removeprefix(WEB).partition("?")[0])))


@dataclass
class _WebFile:
    web: Web
    file: FileRanges

    @property
    def name(self) -> str:
        return f"{WEB}{self.file.path}"

    def read(self, start: int, stop: int) -> bytes:
        with self.web.lock:
            self.web.now += 1
            self.web.most = max(self.web.most, self.web.now)
            self.web.headers += start == 0
            self.web.asked[self.file.path.name] += 1
        try:
            time.sleep(self.web.wait_s)
            if self.file.path.name in self.web.silent:
                error = UnreachableError(f"{self.name}: no answer")
                error.attempts = 4  # type: ignore[attr-defined]
                raise error
            return self.file.read(start, stop)
        finally:
            with self.web.lock:
                self.web.now -= 1


def assert_same(one: ScenePixels | UnreadScene, other: ScenePixels) -> None:
    assert isinstance(one, ScenePixels)
    assert one.scene.id == other.scene.id
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.scl, other.scl)
    assert (one.tiles_read, one.bytes_read) == (other.tiles_read, other.bytes_read)


# --- order, limits


def test_many_scenes_come_in_their_order_as_each_alone(season: list[Scene]) -> None:
    pixels = some_pixels()
    found = list(read_scenes(season, pixels))
    assert len(found) == len(season)
    for one, scene in zip(found, season, strict=True):
        assert_same(one, read_scene(scene, pixels))


def test_remote_scenes_come_as_local_ones(season: list[Scene]) -> None:
    pixels, web = some_pixels(), Web(wait_s=0.001)
    found = list(read_scenes(map(on_the_web, season), pixels, web.at))
    for one, scene in zip(found, season, strict=True):
        assert_same(one, read_scene(scene, pixels))


def test_no_more_requests_than_allowed_are_on_their_way(season: list[Scene]) -> None:
    web = Web(wait_s=0.002)
    assert len(list(read_scenes(map(on_the_web, season), some_pixels(), web.at, in_flight=5))) == 6
    assert 3 <= web.most <= 5


def test_a_reader_that_pauses_is_not_overtaken_by_more_than_a_few_scenes(season: list[Scene]) -> None:
    web = Web()
    reading = read_scenes(map(on_the_web, season), some_pixels(), web.at, in_flight=4)
    next(reading)
    time.sleep(0.3)
    assert {name.partition("-")[0] for name in web.asked} <= {"0", "1"}
    reading.close()  # type: ignore[attr-defined]


def test_a_reader_that_leaves_stops_the_reading(season: list[Scene]) -> None:
    before = threading.active_count()
    reading = read_scenes(map(on_the_web, season), some_pixels(), Web(wait_s=0.01).at)
    next(reading)
    reading.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_a_season_on_one_grid_reads_one_header_more_for_each_layout(season: list[Scene]) -> None:
    web = Web()
    list(read_scenes(map(on_the_web, season), some_pixels(4), web.at, in_flight=1))
    layouts = 3  # 10 m, 20 m, and the classes
    assert web.headers == sum(len(scene.hrefs) for scene in season) + layouts


def test_no_scenes_give_nothing() -> None:
    assert list(read_scenes([], some_pixels())) == []


# --- failures


def test_a_failed_asset_fails_its_scene_alone_and_every_one_is_named(season: list[Scene]) -> None:
    pixels, web = some_pixels(), Web(silent=("2-B05.tif", "2-SCL.tif"))
    found = list(read_scenes(map(on_the_web, season), pixels, web.at))
    lost = found[2]
    assert isinstance(lost, UnreadScene)
    assert lost.scene.id == "scene-2"
    assert [(one.band, one.attempts, one.is_remote) for one in lost.failures] == [
        ("B05", 4, True),
        ("SCL", 4, True),
    ]
    assert all("hush" not in one.error and "\n" not in one.error for one in lost.failures)
    for number in (0, 1, 3, 4, 5):
        assert_same(found[number], read_scene(season[number], pixels))


def test_a_damaged_local_asset_is_named_with_its_tile_and_its_reads(
    season: list[Scene], tmp_path: Path
) -> None:
    content = bytearray(Path(season[0].href("B04")).read_bytes())
    content[-3000] ^= 8
    (tmp_path / "B04.tif").write_bytes(content)
    hrefs = dict(season[0].hrefs) | {"B04": str(tmp_path / "B04.tif"), "B03": str(tmp_path / "none.tif")}
    (lost,) = read_scenes([replace(season[0], hrefs=tuple(hrefs.items()))], some_pixels())
    assert isinstance(lost, UnreadScene)
    red, green = lost.failures
    assert red.error.startswith("scene scene-0, band B04: ")
    assert "tile at row 1, column 1" in red.error
    assert (red.attempts, red.is_remote) == (3, False)
    assert green == AssetFailure(
        "scene-0", "B03", 1, f"scene scene-0, band B03: {tmp_path / 'none.tif'}: no such file", False
    )


def test_a_web_address_without_a_transport_is_refused(season: list[Scene]) -> None:
    (lost,) = read_scenes([on_the_web(season[0])], some_pixels())
    assert isinstance(lost, UnreadScene)
    assert len(lost.failures) == 11
    assert "a web address, but only files are read here" in lost.failures[0].error
    assert "hush" not in lost.failures[0].error


@pytest.mark.parametrize("kinds", [MIXED, (Fault.CORRUPT,)])
def test_a_disturbed_archive_gives_the_undisturbed_values_or_names_what_is_lost(
    season: list[Scene], kinds: tuple[Fault, ...]
) -> None:
    pixels, folder = some_pixels(), Path(season[0].href("B04")).parent
    patience = Patience(first_wait_s=0.01, longest_wait_s=0.05, answer_s=0.3)
    with serve(folder, share=0.2, seed=7, stall_s=0.5, kinds=kinds) as server:
        served = [at(server.address, scene) for scene in season]
        transport = Transport(patience=patience, seed=1)
        found = list(read_scenes(served, pixels, transport.at))
        assert sum(count for fault, count in server.faults().items() if fault) > 10
        transport.close()
    whole = [one for one in found if isinstance(one, ScenePixels)]
    assert len(whole) >= 5
    for one, scene in zip(found, season, strict=True):
        if isinstance(one, ScenePixels):
            assert_same(one, read_scene(scene, pixels))
        else:
            assert all(failure.attempts > 1 for failure in one.failures)


# --- checksums of whole files


def test_a_file_unlike_its_stated_checksum_is_refused_where_that_is_asked(season: list[Scene]) -> None:
    scene = season[0]
    right = "1220" + hashlib.sha256(Path(scene.href("B04")).read_bytes()).hexdigest()
    checked = replace(scene, checksums=(("B04", right), ("B03", "1220" + "00" * 32)))
    (lost,) = read_scenes([checked], some_pixels(), verify=True)
    assert isinstance(lost, UnreadScene)
    assert [one.band for one in lost.failures] == ["B03"]
    assert "the catalogue states 0000000000000000" in lost.failures[0].error
    (read,) = read_scenes([checked], some_pixels())
    assert isinstance(read, ScenePixels)


@pytest.mark.parametrize(
    ("name", "prefix"),
    [("md5", "d50110"), ("sha1", "1114"), ("sha256", "1220"), ("sha512", "1340"), ("sha3_384", "1530")],
)
def test_the_multihashes_that_catalogues_state_are_known(tmp_path: Path, name: str, prefix: str) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"content")
    verify_asset(path, prefix + hashlib.new(name, b"content").hexdigest().upper())
    with pytest.raises(PixelReadError, match=f"{name} is"):
        verify_asset(path, prefix + hashlib.new(name, b"other").hexdigest())


@pytest.mark.parametrize("multihash", ["", "1220", "1220abcd", "9999" + "00" * 32, "no hash"])
def test_a_checksum_of_unknown_kind_is_refused(tmp_path: Path, multihash: str) -> None:
    (tmp_path / "a.tif").write_bytes(b"content")
    with pytest.raises(PixelReadError, match="checksum of unknown kind"):
        verify_asset(tmp_path / "a.tif", multihash)


# --- probability of cloud


def test_cloud_is_read_where_asked_and_offered_and_unknown_where_nothing_is(
    season: list[Scene], tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    percent = rng.integers(0, 120, (SIZE // 2, SIZE // 2)).astype(np.uint8)
    hrefs = dict(season[0].hrefs) | {CLOUD_BAND: write(tmp_path / "CLD.tif", percent, 20.0, nodata=0)}
    scene, pixels = replace(season[0], hrefs=tuple(hrefs.items())), some_pixels()
    read = read_scene(scene, pixels, optional=(CLOUD_BAND,))
    row, column = (NORTH // 10 - 1 - pixels.row).astype(int), (pixels.column - WEST // 10).astype(int)
    there = percent[row // 2, column // 2]
    assert read.scl is not None
    expected = np.where((there <= 100) & (read.scl > 0), there, CLOUD_UNKNOWN)
    np.testing.assert_array_equal(read.cloud, expected)
    assert (expected == 0).any()
    assert read_scene(scene, pixels).cloud is None
    assert read_scene(season[0], pixels, optional=(CLOUD_BAND,)).cloud is None


# --- other formats, other zones


def test_jpeg_2000_gives_the_values_of_the_same_geotiffs(tmp_path: Path, season: list[Scene]) -> None:
    lossless = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES", "nodata": None}
    hrefs = optical(tmp_path, 0, "jp2", **lossless)
    pixels = some_pixels()
    (found,) = read_scenes([replace(season[0], hrefs=tuple(hrefs.items()))], pixels)
    expected = read_scene(season[0], pixels)
    assert isinstance(found, ScenePixels)
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.scl, expected.scl)


def test_a_damaged_jpeg_2000_is_refused_by_its_name(tmp_path: Path, season: list[Scene]) -> None:
    lossless = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES", "nodata": None}
    path = Path(write(tmp_path / "B04.jp2", np.ones((64, 64), np.uint16), 10.0, **lossless))
    path.write_bytes(path.read_bytes()[:60])
    hrefs = dict(season[0].hrefs) | {"B04": str(path)}
    with pytest.raises(PixelReadError, match=r"band B04: .*B04\.jp2: cannot be read as JPEG 2000"):
        read_scene(replace(season[0], hrefs=tuple(hrefs.items())), some_pixels())


def ramp(path: Path, epsg: int, centre: tuple[float, float], by: str) -> str:
    """A radar raster around a place of its zone whose power is the easting or northing, in tens of km."""
    west, north = (round(centre[0] / 10) * 10 - 5000.0, round(centre[1] / 10) * 10 + 5000.0)
    easting, northing = west + 10 * np.arange(1000) + 5, north - 10 * np.arange(1000) - 5
    values = easting[None, :].repeat(1000, 0) if by == "easting" else northing[:, None].repeat(1000, 1)
    power = ((values - (west if by == "easting" else north - 10_000)) / 1e4 + 1).astype(np.float32)
    transform = Affine(10, 0, west, 0, -10, north)
    return write(path, power, 10.0, crs=f"EPSG:{epsg}", transform=transform, nodata=-32768)


def test_radar_in_the_neighbouring_zone_is_interpolated_where_the_pixels_lie(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    column, row = rng.integers(79_950, 80_000, 200), rng.integers(569_950, 570_000, 200)
    pixels = PixelSet(EPSG, column.astype(np.int32), row.astype(np.int32))  # 3 degrees east of the middle
    to_next = Transformer.from_crs(EPSG, 32631, always_xy=True)
    x, y = to_next.transform(pixels.easting_m, pixels.northing_m)
    hrefs = {
        "VV": ramp(tmp_path / "vv.tif", 32631, (x.mean(), y.mean()), "easting"),
        "VH": ramp(tmp_path / "vh.tif", 32631, (x.mean(), y.mean()), "northing"),
    }
    read = read_scene(scene_at(tmp_path, 0, Sensor.S1_ASCENDING, **hrefs), pixels)
    for values, at in ((read.values[:, 0], x), (read.values[:, 1], y)):
        step = values.astype(np.float64) * 1e4 - at
        assert np.ptp(step) < 0.05  # metres
    assert len(S1_BANDS) == read.values.shape[1]


def test_radar_that_lies_in_no_utm_zone_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "vv.tif", np.ones((64, 64), np.float32), 10.0, crs="EPSG:3035")
    scene = scene_at(tmp_path, 0, Sensor.S1_DESCENDING, VV=path, VH=path)
    with pytest.raises(PixelReadError, match="EPSG:3035 on file: a UTM zone is needed"):
        read_scene(scene, some_pixels())


def test_an_optical_scene_of_the_neighbouring_zone_is_refused(season: list[Scene]) -> None:
    with pytest.raises(PixelReadError, match="EPSG:32630 on file: EPSG:32631 is needed"):
        read_scene(season[0], some_pixels(epsg=32631))
