"""Files that only GDAL can read come over the web through the same limits and retries, and bit for bit."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from fault_server import Fault, FaultServer, serve
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.transform import Affine
from rasterio.windows import Window

from flows.sources.assets.grids import Driver
from flows.sources.assets.patience import Patience
from flows.sources.assets.pixels import ScenePixels, read_scene
from flows.sources.assets.range_files import BLOCK_BYTES, MAX_READ_BYTES, RangeFiles
from flows.sources.assets.ranges import FileRanges, Ranges
from flows.sources.assets.rasters import gdal_environment, open_ranges
from flows.sources.assets.reading import AssetFailure, UnreadScene, read_scenes
from flows.sources.assets.transport import AssetUnreachableError, Transport
from monitoring.errors import PixelReadError, UnreachableError
from monitoring.grid import PixelSet
from monitoring.scenes import S2_BANDS, SCL_BAND, Scene, Sensor

WEST, NORTH, CELLS = 500_000.0, 5_700_000.0, 256
LOSSLESS = {"driver": "JP2OpenJPEG", "REVERSIBLE": "YES", "QUALITY": "100"}
KINDS: dict[str, dict[str, Any]] = {
    "tiled.jp2": LOSSLESS | {"BLOCKXSIZE": 64, "BLOCKYSIZE": 64},
    "striped.tif": {"driver": "GTiff", "compress": "deflate", "blockysize": 16},
}
#: All that a reader can notice: a flipped bit in JPEG 2000 is not among them.
NOTICED = (Fault.BUSY, Fault.ERROR, Fault.RESET, Fault.CUT, Fault.TRUNCATED, Fault.WRONG_RANGE)
HASTE = Patience(attempts=12, first_wait_s=0.0, longest_wait_s=0.0)


def write(path: Path, values: NDArray[Any], **profile: Any) -> Path:
    cells = values.shape[0]
    cell_m = 10.0 * CELLS / cells if cells <= CELLS else 10.0
    shape = {"count": 1, "height": cells, "width": cells, "dtype": values.dtype.name, "crs": "EPSG:32630"}
    transform = Affine(cell_m, 0, WEST, 0, -cell_m, NORTH)
    with rasterio.open(path, "w", **shape, transform=transform, **profile) as file:
        file.write(values, 1)
    return path


def scene_in(folder: Path, number: int, kind: str) -> Scene:
    rng, hrefs = np.random.default_rng(number), []
    for band in (*S2_BANDS, SCL_BAND):
        cells = CELLS if band in ("B02", "B03", "B04", "B08") else CELLS // 2
        high, dtype = (12, "uint8") if band == SCL_BAND else (5000, "uint16")
        values = rng.integers(0, high, (cells, cells)).astype(dtype)
        hrefs.append((band, str(write(folder / f"{number}-{band}-{kind}", values, **KINDS[kind]))))
    return Scene(
        id=f"scene-{number}",
        collection="c",
        source="simulated",
        sensor=Sensor.S2,
        platform="p",
        acquired_at=datetime(2023, 6, 1 + number, tzinfo=UTC),
        acquisition=f"a{number}",
        baseline="05.09",
        offset_dn=0,
        offset_rule="test",
        epsg=32630,
        bbox=(-3.0, 51.0, -2.0, 52.0),
        hrefs=tuple(hrefs),
    )


@pytest.fixture(scope="module", params=KINDS)
def season(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    folder = tmp_path_factory.mktemp("season")
    return [scene_in(folder, number, request.param) for number in range(3)]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    values = np.random.default_rng(0).integers(0, 5000, (2048, 2048)).astype(np.uint16)
    folder = tmp_path_factory.mktemp("large")
    return write(folder / "a.jp2", values, **LOSSLESS, BLOCKXSIZE=512, BLOCKYSIZE=512)


def everywhere() -> PixelSet:
    row, column = np.mgrid[0:CELLS:5, 0:CELLS:3].reshape(2, -1)
    return PixelSet(32630, (column + WEST // 10).astype(np.int32), (NORTH // 10 - 1 - row).astype(np.int32))


def served(server: FaultServer, scene: Scene) -> Scene:
    hrefs = tuple((band, f"{server.address}/{Path(path).name}") for band, path in scene.hrefs)
    return replace(scene, hrefs=hrefs)


@contextmanager
def remote(server: FaultServer, name: str, **options: Any) -> Iterator[tuple[Transport, Ranges]]:
    transport = Transport(patience=HASTE, **options)
    try:
        yield transport, transport.at(f"{server.address}/{name}")
    finally:
        transport.close()


def window_of(ranges: Ranges, window: Window) -> NDArray[Any]:
    with gdal_environment(), open_ranges(ranges, Driver.JPEG_2000) as dataset:
        return np.asarray(dataset.read(1, window=window))


# --- over the web


def test_a_season_that_only_gdal_reads_is_the_same_over_a_faulty_network(season: list[Scene]) -> None:
    folder = Path(season[0].hrefs[0][1]).parent
    with serve(folder, share=0.2, kinds=NOTICED, seed=2, latency_s=0.002) as server:
        transport = Transport(patience=HASTE, seed=1)
        found = read_scenes([served(server, one) for one in season], everywhere(), transport.at, in_flight=24)
        for scene, pixels in zip(season, found, strict=True):
            assert isinstance(pixels, ScenePixels), pixels
            here = read_scene(scene, everywhere())
            np.testing.assert_array_equal(pixels.values, here.values)
            np.testing.assert_array_equal(pixels.scl, here.scl)
        assert transport.traffic.total().retried > 10
        assert transport.traffic.total().requests == len(server.asked)
        transport.close()


def test_of_a_tiled_image_only_the_tiles_under_the_window_are_fetched(large: Path) -> None:
    window = Window(600, 600, 40, 40)
    with rasterio.open(large) as dataset:
        expected = dataset.read(1, window=window)
    with serve(large.parent) as server, remote(server, large.name) as (transport, ranges):
        np.testing.assert_array_equal(window_of(ranges, window), expected)
        total = transport.traffic.total()
    assert total.bytes_received < large.stat().st_size / 5  # OpenJPEG reads 1 MiB at a time
    assert total.requests <= 6


def test_many_threads_read_one_host_beyond_its_seats_and_none_waits_for_ever(large: Path) -> None:
    windows = [Window(100 * number, 700, 900, 700) for number in range(12)]
    with rasterio.open(large) as dataset:
        expected = [dataset.read(1, window=window) for window in windows]
    with (
        serve(large.parent, latency_s=0.002) as server,
        remote(server, large.name, per_host=2) as (transport, _),
        ThreadPoolExecutor(12) as pool,
    ):
        address = f"{server.address}/{large.name}"
        found = list(pool.map(lambda window: window_of(transport.at(address), window), windows))
        assert server.peak <= 2
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_each_range_is_signed_and_no_message_tells(large: Path) -> None:
    with (
        serve(large.parent) as server,
        remote(server, large.name, sign=lambda address: f"{address}?sig=hush") as (_, ranges),
    ):
        window_of(ranges, Window(0, 0, 8, 8))
        assert {asked.query for asked in server.asked} == {"sig=hush"}
        server.broken[large.name] = Fault.FORBIDDEN
        with pytest.raises(PixelReadError, match="403") as refused:
            window_of(ranges, Window(1500, 1500, 8, 8))
    assert "hush" not in str(refused.value)
    assert "vsi" not in str(refused.value)


def test_a_scene_whose_server_goes_away_is_unread_and_its_attempts_are_told(season: list[Scene]) -> None:
    scene = season[0]
    name = Path(dict(scene.hrefs)["B04"]).name
    with serve(Path(scene.hrefs[0][1]).parent, broken={name: Fault.ERROR}) as server:
        transport = Transport(patience=replace(HASTE, attempts=3))
        (unread,) = read_scenes([served(server, scene)], everywhere(), transport.at)
        transport.close()
    assert isinstance(unread, UnreadScene)
    (failure,) = unread.failures
    assert isinstance(failure, AssetFailure)
    assert (failure.band, failure.attempts, failure.is_remote) == ("B04", 3, True)
    assert name in failure.error


def test_something_else_under_the_name_of_an_image_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.jp2").write_bytes(b"\x00\x00\x00\x0cjP  \r\n\x87\n" + b"rubbish" * 99)
    with (
        serve(tmp_path) as server,
        remote(server, "a.jp2") as (_, ranges),
        pytest.raises(PixelReadError, match=r"a\.jp2: cannot be read as JPEG 2000") as refused,
    ):
        window_of(ranges, Window(0, 0, 8, 8))
    assert "vsi" not in str(refused.value)
    assert "\n" not in str(refused.value)


# --- a read that fails


@dataclass
class Failing:
    """A file's bytes, until one read too many."""

    file: FileRanges
    good_reads: int

    @property
    def name(self) -> str:
        return self.file.name

    def read(self, start: int, stop: int) -> bytes:
        self.good_reads -= 1
        if self.good_reads < 0:
            raise AssetUnreachableError(f"{self.name}: gone", 5)
        return self.file.read(start, stop)

    def size(self) -> int:
        return self.file.size()


def test_wherever_the_reads_end_there_is_an_error_and_never_a_zero(large: Path) -> None:
    window, needed = Window(0, 0, 1200, 1200), Failing(FileRanges(large), 1000)
    with rasterio.open(large) as dataset:
        np.testing.assert_array_equal(window_of(needed, window), dataset.read(1, window=window))
    n_reads = 1000 - needed.good_reads
    assert n_reads > 4
    for good_reads in range(n_reads):
        with pytest.raises(UnreachableError, match="gone"):
            window_of(Failing(FileRanges(large), good_reads), window)


# --- the file


@given(
    size=st.integers(0, 3 * BLOCK_BYTES),
    steps=st.lists(st.tuples(st.integers(0, 4 * BLOCK_BYTES), st.integers(-1, 2 * BLOCK_BYTES)), max_size=8),
    from_end=st.integers(0, 20),
)
def test_a_range_file_reads_like_a_file(size: int, steps: list[tuple[int, int]], from_end: int) -> None:
    content = np.random.default_rng(size).bytes(size)
    mine, real = RangeFiles(Memory(content)).open("asset"), io.BytesIO(content)
    for place, wanted in steps:
        assert mine.seek(place) == real.seek(place)
        assert mine.read(wanted) == real.read(wanted)
        assert mine.tell() == real.tell()
    assert mine.seek(max(-from_end, -size), io.SEEK_END) == real.seek(max(-from_end, -size), io.SEEK_END)
    assert mine.seek(3, io.SEEK_CUR) == real.seek(3, io.SEEK_CUR)
    assert mine.read() == real.read()


@dataclass(frozen=True)
class Memory:
    content: bytes
    name: str = "memory"

    def read(self, start: int, stop: int) -> bytes:
        assert stop - start <= 64 * BLOCK_BYTES
        return self.content[start:stop]

    def size(self) -> int:
        return len(self.content)


def test_a_read_of_more_than_a_tile_can_have_is_refused() -> None:
    files = RangeFiles(Memory(b"x" * 100))
    assert files.open("asset").read(MAX_READ_BYTES + 1) == b""
    assert f"at most {MAX_READ_BYTES}" in str(files.failure)


def test_no_file_lies_beside_an_asset() -> None:
    with pytest.raises(FileNotFoundError):
        RangeFiles(Memory(b"")).open("asset.aux.xml")
