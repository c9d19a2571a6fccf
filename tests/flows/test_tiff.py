"""Our own reader of cloud-optimised GeoTIFFs: the values GDAL reads, or a clear refusal, whatever happens."""

from __future__ import annotations

import struct
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine

from flows.sources.assets.ranges import FileRanges, Ranges
from flows.sources.assets.rasters import GdalTiles, gdal_environment, open_raster
from flows.sources.assets.sampling import Method, Sampled, TileSource, plan_points, sample
from flows.sources.assets.tiff.belief import FIRST_BYTES, Belief, DamagedAssetError, read_directory
from flows.sources.assets.tiff.coding import Compression
from flows.sources.assets.tiff.head import UncoveredError
from flows.sources.assets.tiles import (
    MAX_GAP_BYTES,
    MAX_TILE_READS,
    CogTiles,
    Extent,
    merged,
)
from monitoring.errors import PixelReadError

WEST, NORTH = 500_000.0, 5_700_000.0
DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")


@dataclass
class Watched:
    """A file's bytes, with each range that was read of them; `change` may damage one on its way."""

    path: Path
    change: Callable[[int, int, bytes], bytes] = lambda start, stop, content: content
    reads: list[tuple[int, int]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.path)

    def read(self, start: int, stop: int) -> bytes:
        self.reads.append((start, stop))
        return self.change(start, stop, FileRanges(self.path).read(start, stop))


def write(path: Path, values: NDArray[Any], **changes: Any) -> Path:
    profile = {
        "driver": "GTiff",
        "dtype": values.dtype.name,
        "count": 1,
        "height": values.shape[0],
        "width": values.shape[1],
        "crs": "EPSG:32630",
        "transform": Affine(10, 0, WEST, 0, -10, NORTH),
        "tiled": True,
        "blockxsize": 16,
        "blockysize": 16,
        "compress": "deflate",
    } | changes
    if profile["driver"] == "COG":
        for key in ("tiled", "blockysize", "interleave"):
            profile.pop(key, None)
        profile["blocksize"] = profile.pop("blockxsize")
    with rasterio.open(path, "w", **profile) as file:
        file.write(values, 1)
    return path


def cog(path: Path, values: NDArray[Any], **changes: Any) -> Path:
    """A COG with GDAL's sizes around each tile, in tiles of 128."""
    options = {"driver": "COG", "blockxsize": 128, "predictor": "STANDARD", "overviews": "NONE"}
    return write(path, values, **options | changes)


def noise(shape: tuple[int, int], dtype: str, seed: int = 0) -> NDArray[Any]:
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        values = rng.normal(size=shape).astype(dtype)
        values[rng.random(shape) < 0.05] = np.nan
        return values
    limits = np.iinfo(dtype)
    values = rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    values[rng.random(shape) < 0.1] = 0
    return values


def some_points(source: TileSource, seed: int, shift: float) -> tuple[NDArray[Any], NDArray[Any]]:
    rng, grid = np.random.default_rng(seed), source.grid
    columns = rng.integers(-2, grid.width + 2, 60) + shift
    rows = rng.integers(-2, grid.height + 2, 60) + shift
    return grid.west_m + columns * grid.cell_m, grid.north_m - rows * grid.cell_m


def sampled(source: TileSource, seed: int, shift: float = 0.5, method: Method = Method.BILINEAR) -> Sampled:
    points = some_points(source, seed, shift)
    return sample(source, plan_points(source.grid, source.tile_shape, *points, method))


def by_gdal(path: Path, *arguments: Any) -> Sampled:
    with gdal_environment(), open_raster(str(path)) as dataset:
        return sampled(GdalTiles(dataset), *arguments)


def ours(path: Path, *arguments: Any) -> Sampled:
    return sampled(CogTiles(FileRanges(path), Belief()), *arguments)


def assert_same(one: Sampled, other: Sampled) -> None:
    np.testing.assert_array_equal(one.missing, other.missing)
    np.testing.assert_array_equal(one.values, other.values)
    assert one.values.dtype == other.values.dtype
    assert (one.tiles_read, one.bytes_read) == (other.tiles_read, other.bytes_read)


def whole(source: TileSource) -> NDArray[Any]:
    """All cells of a raster by the tiles of a source."""
    grid, (height, width) = source.grid, source.tile_shape
    shape = (-(-grid.height // height), -(-grid.width // width))
    tiles = source.read_tiles(*(axis.ravel() for axis in np.indices(shape)))
    rows = tiles.reshape(*shape, height, width).swapaxes(1, 2).reshape(shape[0] * height, -1)
    return np.asarray(rows[: grid.height, : grid.width])


def tiles_of(path: Path) -> CogTiles:
    return CogTiles(FileRanges(path), Belief())


# --- the values that GDAL reads


@settings(max_examples=60, deadline=None)
@given(choice=st.data())
def test_our_reader_gives_what_gdal_gives(
    tmp_path_factory: pytest.TempPathFactory, choice: st.DataObject
) -> None:
    dtype = choice.draw(st.sampled_from(DTYPES))
    is_float = np.dtype(dtype).kind == "f"
    driver = choice.draw(st.sampled_from(["GTiff", "COG"]))
    compress = choice.draw(st.sampled_from(["none", "deflate", "lzw", "zstd"]))
    tile = choice.draw(st.sampled_from([16, 48, 64] if driver == "GTiff" else [128]))
    predictors = {"GTiff": [1, 2, *([3] * is_float)], "COG": ["NO", "STANDARD"]}[driver]
    options: dict[str, Any] = {"driver": driver, "compress": compress, "blockxsize": tile, "blockysize": tile}
    if compress != "none":
        options["predictor"] = choice.draw(st.sampled_from(predictors))
    if driver == "GTiff":
        options["endianness"] = choice.draw(st.sampled_from(["LITTLE", "BIG"]))
        options["SPARSE_OK"] = choice.draw(st.booleans())
    options["BIGTIFF"] = choice.draw(st.sampled_from(["YES", "NO"]))
    nodata = choice.draw(st.sampled_from([None, 0, 7, *([float("nan"), -9999.5] if is_float else [])]))
    shape = choice.draw(st.tuples(st.integers(1, 150), st.integers(1, 150)))
    seed = choice.draw(st.integers(0, 99))
    path = tmp_path_factory.getbasetemp() / "random.tif"
    write(path, noise(shape, dtype, seed), nodata=nodata, **options)
    for shift, method in ((0.5, Method.BILINEAR), (0.2, Method.BILINEAR), (0.7, Method.NEAREST)):
        assert_same(ours(path, seed, shift, method), by_gdal(path, seed, shift, method))


def test_every_tiff_among_the_real_files_reads_as_gdal_reads_it(shared: Path) -> None:
    covered = 0
    for path in sorted((shared / "data").glob("**/*.tif*")):
        if "faults" in path.parts or path.suffix == ".json":
            continue
        try:
            mine = ours(path, 1, 0.3)
        except UncoveredError:
            continue
        except PixelReadError:
            with pytest.raises(PixelReadError):
                by_gdal(path, 1, 0.3)
            continue
        assert_same(mine, by_gdal(path, 1, 0.3))
        covered += 1
    assert covered >= 11


def test_an_empty_tile_is_nodata_and_0_without_one(tmp_path: Path) -> None:
    values = np.zeros((64, 64), np.float32)
    values[:16, :16] = 3
    for nodata, expected in ((None, 0.0), (-5, -5.0)):
        options = {"nodata": nodata} if nodata else {}
        whole_values = np.where(values == 0, expected, values).astype(np.float32)
        path = write(tmp_path / "sparse.tif", whole_values, SPARSE_OK=True, **options)
        found = tiles_of(path)
        assert (read_directory(FileRanges(path), Belief()).byte_counts == 0).sum() == 15
        np.testing.assert_array_equal(whole(found), whole_values)


def test_a_raster_placed_by_its_first_cells_centre_or_by_a_matrix(tmp_path: Path) -> None:
    values = noise((40, 40), "uint16")
    point = write(tmp_path / "point.tif", values)
    with rasterio.open(point, "r+") as file:
        file.update_tags(AREA_OR_POINT="Point")
    assert_same(ours(point, 3, 0.3), by_gdal(point, 3, 0.3))
    matrix = tmp_path / "matrix.tif"
    matrix.write_bytes(with_matrix(write(tmp_path / "plain.tif", values).read_bytes(), shear=0))
    assert_same(ours(matrix, 3, 0.3), by_gdal(matrix, 3, 0.3))
    matrix.write_bytes(with_matrix((tmp_path / "plain.tif").read_bytes(), shear=1))
    with pytest.raises(PixelReadError, match="rotated"):
        tiles_of(matrix)


def with_matrix(content: bytes, shear: float) -> bytes:
    """A classic TIFF whose pixel scale becomes a transformation and whose tie point disappears."""
    changed = bytearray(content)
    terms = (10, shear, 0, WEST, shear, -10, 0, NORTH, 0, 0, 0, 0, 0, 0, 0, 1)
    for start in entry_places(content):
        tag = struct.unpack_from("<H", content, start)[0]
        if tag == 33922:
            struct.pack_into("<HHII", changed, start, 34264, 12, 16, len(changed))
            changed += struct.pack("<16d", *map(float, terms))
        elif tag == 33550:
            struct.pack_into("<H", changed, start, 33551)
    return bytes(changed)


def entry_places(content: bytes) -> list[int]:
    (first,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, first)
    return [first + 2 + 12 * number for number in range(count)]


def test_a_transposed_read_of_few_tiles_is_put_in_order(tmp_path: Path) -> None:
    values = noise((300, 400), "uint16")
    source = tiles_of(cog(tmp_path / "a.tif", values))
    found = source.read_tiles(np.array([2, 0]), np.array([1, 3]))
    np.testing.assert_array_equal(found[0, :44], values[256:300, 128:256])
    np.testing.assert_array_equal(found[1, :, :16], values[:128, 384:400])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"crs": None}, "GeoKey"),
        ({"crs": "+proj=laea +lat_0=50"}, "coordinate reference system|GeoKey"),
        ({"crs": "EPSG:4326"}, "GeoKey 1024 is 2"),
        ({"tiled": False}, "no tiles"),
        ({"compress": "packbits"}, "compression 32773"),
        ({"photometric": "miniswhite"}, "tag 262 is 0"),
    ],
)
def test_what_is_not_covered_is_left_to_gdal(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    if changes.get("tiled") is False:
        changes = changes | {"blockysize": 8}
    path = write(tmp_path / "odd.tif", noise((40, 40), "uint16"), **changes)
    with pytest.raises(UncoveredError, match=said):
        tiles_of(path)


def test_scaled_values_are_refused_by_both_ways(tmp_path: Path) -> None:
    path = write(tmp_path / "scaled.tif", noise((40, 40), "uint16"))
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.0001,), (-0.1,)
    for read in (ours, by_gdal):
        with pytest.raises(PixelReadError, match="values scaled by"):
            read(path, 0)


# --- only what is needed is fetched


def test_no_byte_of_a_tile_that_is_not_asked_for_is_fetched(tmp_path: Path) -> None:
    path = cog(tmp_path / "a.tif", noise((640, 640), "uint16"))
    directory = read_directory(FileRanges(path), Belief())
    rng = np.random.default_rng(5)
    for _ in range(20):
        asked = rng.random((5, 5)) < 0.4
        file = Watched(path)
        source = CogTiles(file, Belief())
        header_reads = len(file.reads)
        source.read_tiles(*np.nonzero(asked))
        fetched = np.zeros(path.stat().st_size + 8, int)
        for start, stop in file.reads[header_reads:]:
            fetched[start:stop] += 1
        assert fetched.max(initial=0) <= 1
        for row, column in np.ndindex(5, 5):
            first = int(directory.offsets[row, column])
            last = first + int(directory.byte_counts[row, column])
            assert (fetched[first:last] == asked[row, column]).all()


def test_a_header_is_read_to_its_end_and_not_into_the_tiles(tmp_path: Path) -> None:
    for changes in ({}, {"BIGTIFF": "YES"}, {"overviews": "AUTO"}):
        path = cog(tmp_path / "a.tif", noise((640, 640), "uint16"), **changes)
        file = Watched(path)
        CogTiles(file, Belief())
        first_tile = int(read_directory(FileRanges(path), Belief()).offsets.min())
        assert max(stop for _, stop in file.reads) <= first_tile - 4


def test_neighbouring_tiles_come_in_one_range(tmp_path: Path) -> None:
    file = Watched(cog(tmp_path / "a.tif", noise((640, 640), "uint16")))
    source = CogTiles(file, Belief())
    file.reads.clear()
    source.read_tiles(np.array([1, 1, 1, 3]), np.array([1, 2, 3, 0]))
    assert len(file.reads) == 2


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(0, 30), st.booleans()), max_size=30),
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
)
def test_ranges_hold_every_tile_wanted_once_and_start_no_other(
    tiles: list[tuple[int, int, bool]], margin: tuple[int, int]
) -> None:
    place, wanted, others = 16, [], []
    for slot, (size, gap, is_wanted) in enumerate(tiles):
        if is_wanted:
            wanted.append(Extent(slot, place, place + size))
        else:
            others.append(place)
        place += size + gap
    runs = merged(reversed(wanted), others, margin)
    assert sorted(e.slot for run in runs for e in run.extents) == [e.slot for e in wanted]
    for run in runs:
        assert all(run.start <= e.start and e.stop <= run.stop for e in run.extents)
        inner = range(run.start + margin[0], run.stop - margin[1])
        assert not any(other in inner for other in others)
    ordered = sorted(wanted, key=lambda e: e.start)
    for one, next_one in pairwise(ordered):
        touching = next_one.start - one.stop <= MAX_GAP_BYTES
        between = any(one.stop <= other < next_one.start for other in others)
        together = any(one in run.extents and next_one in run.extents for run in runs)
        assert together == (touching and not between)


# --- headers are believed when two reads agree


def test_a_layout_seen_before_costs_no_second_read(tmp_path: Path) -> None:
    files = [Watched(cog(tmp_path / f"{n}.tif", noise((200, 200), "uint16", n))) for n in range(3)]
    belief = Belief()
    for file in files:
        CogTiles(file, belief)
    first, again = files[0].reads[:2], files[0].reads[2]
    assert first == [(0, FIRST_BYTES), (FIRST_BYTES, again[1])]
    assert [file.reads for file in files[1:]] == [[again], [again]]


def test_tiles_that_would_not_betray_a_wrong_place_have_their_index_read_twice(tmp_path: Path) -> None:
    files = [
        Watched(write(tmp_path / f"{n}.tif", noise((200, 200), "uint16"), compress="lzw")) for n in (1, 2)
    ]
    belief = Belief()
    for file in files:
        CogTiles(file, belief)
    assert [sum(start == 0 for start, _ in file.reads) for file in files] == [2, 2]


def test_a_header_damaged_once_is_read_a_third_time(tmp_path: Path) -> None:
    path = cog(tmp_path / "a.tif", noise((200, 200), "uint16"), nodata=7)
    place = path.read_bytes().index(b"7\0", 200)
    file = Watched(path)

    def damage(start: int, stop: int, content: bytes) -> bytes:
        is_first = len(file.reads) == 1 and start == 0
        return content[:place] + b"9" + content[place + 1 :] if is_first else content

    file.change = damage
    assert CogTiles(file, Belief()).nodata == 7
    assert [start for start, _ in file.reads].count(0) == 3


def test_a_header_that_never_reads_the_same_is_refused(tmp_path: Path) -> None:
    path = cog(tmp_path / "a.tif", noise((200, 200), "uint16"), nodata=7)
    place = path.read_bytes().index(b"7\0", 200)
    file = Watched(path)
    file.change = lambda start, stop, content: (
        content if start else content[:place] + str(len(file.reads)).encode() + content[place + 1 :]
    )
    with pytest.raises(PixelReadError, match="no two of 5 reads of its header"):
        CogTiles(file, Belief())


# --- bytes that change on their way


def test_a_damaged_tile_is_fetched_again(tmp_path: Path) -> None:
    values = noise((256, 256), "uint16")
    file = Watched(cog(tmp_path / "a.tif", values))
    source = CogTiles(file, Belief())
    file.reads.clear()
    file.change = lambda start, stop, content: (
        content[:-900] + bytes([content[-900] ^ 1]) + content[-899:] if len(file.reads) == 1 else content
    )
    np.testing.assert_array_equal(whole(source), values)
    assert len(file.reads) == 3  # the range; the header that says where its tile is; the tile


def test_a_tile_that_stays_damaged_is_named_after_three_reads(tmp_path: Path) -> None:
    path = cog(tmp_path / "a.tif", noise((256, 256), "uint16"))
    place = int(read_directory(FileRanges(path), Belief()).offsets[1, 0]) + 50
    content = bytearray(path.read_bytes())
    content[place] ^= 64
    path.write_bytes(content)
    with pytest.raises(
        DamagedAssetError, match=r"a\.tif: tile at row 1, column 0: cannot be unpacked"
    ) as caught:
        whole(tiles_of(path))
    assert caught.value.attempts == MAX_TILE_READS


def test_every_changed_byte_of_a_deflated_tile_is_noticed_or_means_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", noise((16, 16), "uint16"))
    content, rng = path.read_bytes(), np.random.default_rng(0)
    directory = read_directory(FileRanges(path), Belief())
    first, size = int(directory.offsets[0, 0]), int(directory.byte_counts[0, 0])
    right, unnoticed = whole(tiles_of(path)), []
    for place in range(first, first + size):
        damaged = bytearray(content)
        damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            np.testing.assert_array_equal(whole(tiles_of(path)), right)
            unnoticed.append(place - first)
        except PixelReadError:
            pass
    assert len(unnoticed) <= 2  # the bits that say with what effort it was packed, and padding


@pytest.mark.parametrize("compress", ["none", "lzw", "zstd"])
def test_the_length_before_a_tile_and_its_end_after_it_must_hold(tmp_path: Path, compress: str) -> None:
    path = cog(tmp_path / "a.tif", noise((200, 200), "uint16"), compress=compress, predictor="NO")
    directory = read_directory(FileRanges(path), Belief())
    first, size = int(directory.offsets[0, 1]), int(directory.byte_counts[0, 1])
    content = path.read_bytes()
    for place, said in ((first - 4, "length before it"), (first + size, "do not repeat")):
        damaged = bytearray(content)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(DamagedAssetError, match=said):
            tiles_of(path).read_tiles(np.array([0]), np.array([1]))


@pytest.mark.parametrize("seed", range(6))
def test_bytes_damaged_at_a_fifth_of_reads_never_give_a_wrong_value(tmp_path: Path, seed: int) -> None:
    path = cog(tmp_path / "a.tif", noise((400, 400), "uint16"), nodata=0)
    right, rng, read = by_gdal(path, 1, 0.3), np.random.default_rng(seed), 0
    belief = Belief()
    for _ in range(25):
        file = Watched(path, lambda start, stop, content: sometimes_damaged(rng, content, 0.2))
        try:
            assert_same(sampled(CogTiles(file, belief), 1, 0.3), right)
            read += 1
        except PixelReadError:
            pass
    assert read >= 18


def sometimes_damaged(rng: np.random.Generator, content: bytes, share: float) -> bytes:
    """Flip, blank or cut some bytes of a share of the reads."""
    if rng.random() > share or not content:
        return content
    damaged = bytearray(content)
    start = int(rng.integers(len(content)))
    kind = rng.integers(3)
    if kind == 0:
        damaged[start] ^= int(rng.integers(1, 256))
    elif kind == 1:
        damaged[start : start + 64] = bytes(len(damaged[start : start + 64]))
    else:
        del damaged[start:]
    return bytes(damaged)


def test_a_tile_blanked_out_of_the_index_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    values = noise((256, 256), "uint16")
    path = cog(tmp_path / "a.tif", values)
    belief = Belief()
    CogTiles(FileRanges(path), belief)
    content, file = path.read_bytes(), Watched(path)
    places = [e for e in entry_places(content) if struct.unpack_from("<H", content, e)[0] in (324, 325)]
    blanked = bytearray(content)
    for entry in places:
        kind, count, start = struct.unpack_from("<HII", content, entry + 2)
        size = {3: 2, 4: 4}[kind]
        blanked[start + size : start + 2 * size] = bytes(size)
        assert count == 4
    file.change = lambda start, stop, good: bytes(blanked[start:stop]) if len(file.reads) == 1 else good
    np.testing.assert_array_equal(whole(CogTiles(file, belief)), values)


def test_an_index_that_points_beyond_the_end_is_read_again(tmp_path: Path) -> None:
    """As over HTTP: what begins beyond the end is refused, not short."""
    values = noise((256, 256), "uint16")
    path = cog(tmp_path / "a.tif", values)
    belief = Belief()
    CogTiles(FileRanges(path), belief)
    content, file = path.read_bytes(), Watched(path)
    index = next(e for e in entry_places(content) if struct.unpack_from("<H", content, e)[0] == 324)
    (place,) = struct.unpack_from("<I", content, index + 8)
    damaged = content[: place + 3] + b"\x7f" + content[place + 4 :]

    def answer(start: int, stop: int, good: bytes) -> bytes:
        if start >= len(content):
            raise PixelReadError("answered 416 (no such range)")
        return damaged[start:stop] if len(file.reads) == 1 else good

    file.change = answer
    np.testing.assert_array_equal(whole(CogTiles(file, belief)), values)


# --- headers made to do harm


def test_300_damaged_headers_give_gdals_values_or_a_refusal(tmp_path: Path) -> None:
    """What is damaged on disk cannot be told from what was meant: GDAL's reading of it is the right one."""
    path = cog(tmp_path / "a.tif", noise((300, 300), "uint16"), nodata=0)
    content, rng, began = path.read_bytes(), np.random.default_rng(11), time.monotonic()
    right, first_tile = by_gdal(path, 2, 0.3), int(read_directory(FileRanges(path), Belief()).offsets.min())
    refusals: list[str] = []
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(rng.integers(1, 4)):
            damaged[int(rng.integers(first_tile - 4))] = int(rng.integers(256))
        path.write_bytes(damaged)
        try:
            found = ours(path, 2, 0.3)
        except PixelReadError as error:
            refusals.append(str(error))
        else:
            assert any(_equal(found, one) for one in (right, *_gdals(path)))
    assert 100 < len(refusals) < 280
    assert not any("\n" in line for line in refusals)
    assert time.monotonic() - began < 30


def _gdals(path: Path) -> list[Sampled]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            return [by_gdal(path, 2, 0.3)]
        except PixelReadError:
            return []


def _equal(one: Sampled, other: Sampled) -> bool:
    same = np.array_equal(one.missing, other.missing)
    return same and np.array_equal(one.values[~one.missing], other.values[~one.missing])


def header(*entries: tuple[int, int, int, int], count: int | None = None) -> bytes:
    """A classic little-endian TIFF with one directory of (tag, type, count, value) entries."""
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries) if count is None else count) + table + bytes(64)


PLAIN = ((256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 16), (322, 3, 1, 16), (323, 3, 1, 16))
HARMFUL = {
    "no entries": (header(), "0 entries"),
    "more entries than there are": (header(*PLAIN, count=500), "ends within its header"),
    "entries without end": (header(*PLAIN, count=65_535), "65535 entries"),
    "a directory beyond the end": (b"II*\0\xff\xff\xff\x7f" + bytes(40), "ends within its header"),
    "a huge index": (header(*PLAIN, (324, 4, 0xFFFFFFFF, 8), (325, 4, 0xFFFFFFFF, 8)), "GeoKeys"),
    "tiles without size": (header(*PLAIN[:3], (322, 3, 1, 0), (323, 3, 1, 16), (324, 4, 1, 8)), "tiles of"),
    "a huge tile": (
        header(*PLAIN[:3], (322, 4, 1, 2**30), (323, 4, 1, 2**30), (324, 4, 1, 8)),
        "internal tiles of",
    ),
    "a huge raster": (header((256, 4, 1, 2**31), *PLAIN[1:], (324, 4, 1, 8)), "at most 65536 on a side"),
    "an entry twice": (header(*PLAIN, PLAIN[0]), "after tag 323"),
    "a BigTIFF of odd offsets": (b"II+\0\x04\0\0\0" + bytes(40), "offsets have no 8 bytes"),
    "a BigTIFF that points at itself": (
        b"II+\0\x08\0\0\0" + struct.pack("<Q", 2**63) + bytes(40),
        "points at",
    ),
}


@pytest.mark.parametrize(("content", "said"), HARMFUL.values(), ids=HARMFUL.keys())
def test_a_header_made_to_do_harm_is_refused_at_once(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "harm.tif"
    path.write_bytes(content)
    with pytest.raises(PixelReadError, match=said):
        tiles_of(path)


def test_a_tile_that_unpacks_to_more_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.zeros((64, 64), np.uint16), blockxsize=64, blockysize=64)
    content = bytearray(path.read_bytes())
    for entry in entry_places(bytes(content)):
        if struct.unpack_from("<H", content, entry)[0] in (322, 323):
            struct.pack_into("<H", content, entry + 8, 32)
    for entry in entry_places(bytes(content)):
        if struct.unpack_from("<H", content, entry)[0] in (256, 257):
            struct.pack_into("<H", content, entry + 8, 32)
    path.write_bytes(content)
    with pytest.raises(DamagedAssetError, match="cannot be unpacked"):
        whole(tiles_of(path))


def test_many_threads_share_one_belief(tmp_path: Path) -> None:
    values = noise((300, 300), "uint16")
    path, belief, wrong = cog(tmp_path / "a.tif", values), Belief(), []

    def read() -> None:
        if not np.array_equal(whole(CogTiles(FileRanges(path), belief)), values):
            wrong.append(1)

    threads = [threading.Thread(target=read) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_an_asset_refuses_is_not_asked_for_again(tmp_path: Path) -> None:
    file: Ranges = FileRanges(tmp_path / "none.tif")
    with pytest.raises(PixelReadError, match=r"none\.tif: cannot be read: No such file"):
        CogTiles(file, Belief())


def test_only_deflate_carries_a_checksum() -> None:
    assert [one for one in Compression if one.is_checked] == [Compression.DEFLATE]
