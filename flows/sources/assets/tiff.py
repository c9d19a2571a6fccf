"""The header of a tiled GeoTIFF: what its tiles hold, where they lie, and when a header is believed.

Covered: the first image of a classic or Big TIFF of either byte order that has one band in square-ish tiles,
numbers of 8 to 64 bits, and its place in coded metres (TIFF 6.0; OGC GeoTIFF 1.1; GDAL's COG driver for the
sizes it writes around each tile). All else raises UncoveredError, and GDAL reads it.
"""

from __future__ import annotations

import hashlib
import math
import re
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from threading import Lock
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from flows.sources.assets.ranges import Ranges
from flows.sources.assets.rasters import Driver, Grid, check_size, north_up_grid, refuse_scaled
from monitoring.errors import PixelReadError

#: Bytes read first of a kind of asset that was not met yet: the directory of a COG, and none of its tiles,
#: which can be as small. Of the next ones as much is read as the header had (GDAL always reads 32 KiB).
FIRST_BYTES = 512
#: Most bytes at the start that are read in one piece.
MAX_HEAD_BYTES = 64 * 1024
#: Reads of parts of a header that lie elsewhere, and bytes read at least.
MAX_FAR_READS, FAR_BYTES = 16, 1024
#: Most entries of an image's directory; GDAL writes about 20.
MAX_ENTRIES = 512
#: Most internal tiles of a raster: 65,536 pixels a side in tiles of 64.
MAX_TILES = 1024 * 1024
#: Largest offset that is followed: no asset is larger.
MAX_FILE_BYTES = 2**44
#: Largest text of GDAL's own metadata that is searched.
MAX_METADATA_BYTES = 64 * 1024
#: Longest of GDAL's notes on the file's structure: it writes about 140 bytes.
MAX_GHOST_BYTES = 1024
#: Reads of one header of which two must agree.
MAX_HEADER_READS = 5

_JPEG_2000 = (b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")


class UncoveredError(PixelReadError):
    """A file that may well be sound, but is left to GDAL; its text says why."""

    def __init__(self, reason: str, driver: Driver = Driver.GEOTIFF) -> None:
        super().__init__(reason)
        self.driver = driver


class DamagedAssetError(PixelReadError):
    """A header or a tile that failed its checks each time it was read."""

    def __init__(self, message: str, attempts: int) -> None:
        super().__init__(message)
        self.attempts = attempts


class Compression(IntEnum):
    """How a tile is packed."""

    NONE = 1
    LZW = 5
    DEFLATE = 8
    ZSTD = 50_000

    @property
    def is_checked(self) -> bool:
        """True where the packed form carries a checksum of its content: deflate's Adler-32."""
        return self is Compression.DEFLATE


class Predictor(IntEnum):
    """What a tile's values were replaced by before packing."""

    NONE = 1
    HORIZONTAL = 2
    """Differences from the value to the left."""
    FLOATING_POINT = 3
    """The same of the values' bytes, most significant bytes first."""


@dataclass(frozen=True)
class Coding:
    """All it takes to turn a packed tile into values."""

    kind: str
    byte_order: str
    """`<` or `>`."""
    compression: Compression
    predictor: Predictor
    tile_shape: tuple[int, int]
    has_leaders: bool
    """GDAL's promise: each tile's length stands in the 4 bytes before it, its last 4 bytes again after it."""

    @property
    def tile_bytes(self) -> int:
        """Size of an unpacked tile."""
        return math.prod(self.tile_shape) * np.dtype(self.kind).itemsize

    @property
    def is_checked(self) -> bool:
        """True where a tile read from a wrong place would be noticed."""
        return self.compression.is_checked or self.has_leaders


@dataclass(frozen=True, eq=False)
class Directory:
    """The header of one raster."""

    grid: Grid
    coding: Coding
    nodata: float | None
    offsets: NDArray[np.uint64]
    """(tile rows, tile columns) first byte of each tile; with a length of 0, the tile is empty."""
    byte_counts: NDArray[np.uint64]
    """(tile rows, tile columns) packed length of each tile."""
    head_bytes: int
    """Bytes at the file's start that the header takes up."""

    @property
    def layout(self) -> str:
        """Names all but the place of the tiles: equal for the bands of all scenes on one grid."""
        return f"{self.grid} {self.coding} {self.nodata}"

    @property
    def index(self) -> str:
        """Names the place of the tiles."""
        return hashlib.sha256(self.offsets.tobytes() + self.byte_counts.tobytes()).hexdigest()


@dataclass
class Belief:
    """Headers are believed when two reads say the same: a byte damaged on its way could change every value.

    The layouts read so far count for all assets, so that a layout shared by many costs one read more, once.
    A header whose tiles would not betray a wrong place has its index compared as well.
    """

    _seen: Counter[str] = field(default_factory=Counter)
    _head_bytes: dict[str, int] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def head_bytes(self, kind: str) -> int:
        """Return how long the header of a kind of asset was so far."""
        with self._lock:
            return self._head_bytes.get(kind, FIRST_BYTES)

    def learn(self, kind: str, head_bytes: int) -> None:
        """Keep how long a header was."""
        with self._lock:
            self._head_bytes[kind] = max(self._head_bytes.get(kind, 0), head_bytes)

    def has_two(self, layout: str) -> bool:
        """Count one more read of a layout; True from the second on."""
        with self._lock:
            self._seen[layout] += 1
            return self._seen[layout] >= 2


def read_directory(ranges: Ranges, belief: Belief, kind: str = "") -> Directory:
    """Return the header once two reads agree on it; assets of one `kind` have headers of like length.

    UncoveredError or PixelReadError where two reads agree that it is left to GDAL or cannot be read, and
    DamagedAssetError where all reads differ; UnreachableError as `ranges` raises it.
    """
    own, head_bytes = Belief(), belief.head_bytes(kind)
    for _ in range(MAX_HEADER_READS):
        try:
            found = _parse(ranges, head_bytes)
        except _NotReadError as error:
            raise error.refusal from error.refusal.__cause__
        except PixelReadError as error:
            if own.has_two(f"refused: {error}"):
                raise
        else:
            head_bytes = found.head_bytes
            if _is_believed(found, belief, own):
                belief.learn(kind, head_bytes)
                return found
    said = f"{ranges.name}: no two of {MAX_HEADER_READS} reads of its header say the same"
    raise DamagedAssetError(said, MAX_HEADER_READS)


def _is_believed(found: Directory, belief: Belief, own: Belief) -> bool:
    if found.coding.is_checked:
        return belief.has_two(found.layout)
    return own.has_two(f"{found.layout} {found.index}")


class _NotReadError(Exception):
    """The asset itself was refused: nothing that another read of its header would settle."""

    def __init__(self, refusal: PixelReadError) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


def _parse(ranges: Ranges, head_bytes: int) -> Directory:
    """Return the header as one read gives it."""
    try:
        return _directory(_Head(ranges, head_bytes))
    except UncoveredError:
        raise
    except PixelReadError as error:
        raise PixelReadError(f"{ranges.name}: {error}") from error.__cause__


def _directory(head: _Head) -> Directory:
    form = _form(head)
    entries = _entries(head, form)
    coding = _coding(entries, head, form)
    width, height = entries.number(_WIDTH), entries.number(_HEIGHT)
    check_size(width, height, coding.tile_shape, np.dtype(coding.kind).itemsize)
    grid = _grid(entries, width, height)
    _refuse_scaled(entries.text(_GDAL_METADATA, MAX_METADATA_BYTES))
    nodata = _nodata(entries.text(_GDAL_NODATA, 64), np.dtype(coding.kind))
    shape = _tiles_in(width, height, coding.tile_shape)
    offsets, counts = entries.index(_TILE_OFFSETS, shape), entries.index(_TILE_BYTE_COUNTS, shape)
    return Directory(grid, coding, nodata, offsets, counts, head.used)


def _tiles_in(width: int, height: int, tile_shape: tuple[int, int]) -> tuple[int, int]:
    shape = -(-height // tile_shape[0]), -(-width // tile_shape[1])
    if math.prod(shape) > MAX_TILES:
        raise PixelReadError(f"{math.prod(shape)} internal tiles: at most {MAX_TILES} are read")
    return shape


def _broken(reason: str) -> NoReturn:
    raise PixelReadError(f"cannot be read as GeoTIFF: {reason}")


# --- bytes


class _Head:
    """The bytes of a header: its start, and parts that lie elsewhere as they are asked for."""

    def __init__(self, ranges: Ranges, head_bytes: int) -> None:
        self._ranges = ranges
        self._start = self._first(head_bytes)
        self._is_whole = len(self._start) < head_bytes
        self._parts: list[tuple[int, bytes]] = []
        self.used = 0
        """Bytes at the start that were asked for."""

    def _first(self, size: int) -> bytes:
        try:
            return self._ranges.read(0, size)
        except PixelReadError as error:
            raise _NotReadError(error) from error

    def at(self, start: int, size: int) -> bytes:
        """Return `size` bytes; PixelReadError where the file is shorter or they are too far apart."""
        self.reach(start + size)
        if start + size <= len(self._start):
            self.used = max(self.used, start + size)
            return self._start[start : start + size]
        for first, content in self._parts:
            if first <= start and start + size <= first + len(content):
                return content[start - first : start - first + size]
        return self._far(start, size)

    def reach(self, stop: int) -> None:
        """Read on from the start up to `stop`, unless that is too far."""
        if len(self._start) < stop <= MAX_HEAD_BYTES and not self._is_whole:
            self._start += self._ranges.read(len(self._start), stop)
            self._is_whole = len(self._start) < stop

    def _far(self, start: int, size: int) -> bytes:
        if len(self._parts) >= MAX_FAR_READS:
            _broken(f"its header lies in more than {MAX_FAR_READS} places")
        if not 0 <= start <= MAX_FILE_BYTES:
            _broken(f"its header points at byte {start}")
        content = self._ranges.read(start, start + max(size, FAR_BYTES))
        if len(content) < size:
            _broken(f"it ends within its header, before byte {start + size}")
        self._parts.append((start, content))
        return content[:size]


@dataclass(frozen=True)
class _Form:
    """Which of the four forms of TIFF a file has."""

    order: Literal["<", ">"]
    is_big: bool

    @property
    def pointer(self) -> str:
        """struct format of an offset."""
        return f"{self.order}{'Q' if self.is_big else 'I'}"


_ORDERS: Mapping[bytes, Literal["<", ">"]] = {b"II": "<", b"MM": ">"}


def _form(head: _Head) -> _Form:
    start = head.at(0, 16)
    if start.startswith(_JPEG_2000):
        raise UncoveredError("JPEG 2000", Driver.JPEG_2000)
    order = _ORDERS.get(start[:2])
    if order is None:
        raise UncoveredError("not a TIFF")
    version: int = struct.unpack(f"{order}H", start[2:4])[0]
    if version not in (42, 43):
        raise UncoveredError("not a TIFF")
    if version == 43 and struct.unpack(f"{order}HH", start[4:8]) != (8, 0):
        _broken("a BigTIFF whose offsets have no 8 bytes")
    return _Form(order, version == 43)


# --- entries

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_FILL_ORDER, _SAMPLES, _PLANAR, _PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT = 266, 277, 284, 317, 322, 323
_TILE_OFFSETS, _TILE_BYTE_COUNTS, _SAMPLE_FORMAT = 324, 325, 339
_PIXEL_SCALE, _TIE_POINTS, _TRANSFORMATION, _GEO_KEYS = 33550, 33922, 34264, 34735
_GEO_DOUBLES, _GEO_TEXTS = 34736, 34737
_GDAL_METADATA, _GDAL_NODATA = 42112, 42113
_READ = {
    *(_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _SAMPLES, _PLANAR),
    *(_PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTE_COUNTS, _SAMPLE_FORMAT),
    *(_PIXEL_SCALE, _TIE_POINTS, _TRANSFORMATION, _GEO_KEYS, _GEO_DOUBLES, _GEO_TEXTS),
    *(_GDAL_METADATA, _GDAL_NODATA),
}
#: Field types by number: ASCII, SHORT, LONG, DOUBLE, LONG8.
_TYPES = {2: "S1", 3: "u2", 4: "u4", 12: "f8", 16: "u8"}
_WHOLE = (3, 4, 16)


@dataclass(frozen=True)
class _Entry:
    kind: int
    count: int
    place: int
    """First byte of the value, in the entry itself or elsewhere."""
    stop: int


@dataclass(frozen=True)
class _Entries:
    head: _Head
    form: _Form
    found: Mapping[int, _Entry]

    def __contains__(self, tag: int) -> bool:
        return tag in self.found

    def number(self, tag: int, default: int | None = None) -> int:
        """Return a whole number, by default that of an entry that is not there."""
        entry = self.found.get(tag)
        if entry is None:
            if default is None:
                raise UncoveredError(f"tag {tag} is missing")
            return default
        if entry.kind not in _WHOLE or entry.count != 1:
            raise UncoveredError(f"tag {tag} is no single whole number")
        return int(self._values(entry)[0])

    def count(self, tag: int) -> int:
        """Return how many values an entry has that can be read, 0 where it is not there."""
        return len(self._limited(tag, (2,), MAX_METADATA_BYTES))

    def doubles(self, tag: int, most: int) -> list[float]:
        """Return numbers, none where the entry is not there."""
        return [float(value) for value in self._limited(tag, (12,), most)]

    def shorts(self, tag: int, most: int) -> list[int]:
        """Return small whole numbers, none where the entry is not there."""
        return [int(value) for value in self._limited(tag, (3,), most)]

    def text(self, tag: int, most: int) -> str:
        """Return a text, empty where the entry is not there."""
        content = self._limited(tag, (2,), most)
        return content.tobytes().partition(b"\0")[0].decode("utf-8", "replace") if len(content) else ""

    def index(self, tag: int, shape: tuple[int, int]) -> NDArray[np.uint64]:
        """Return one number for each tile."""
        values = self._limited(tag, _WHOLE, MAX_TILES)
        if len(values) != math.prod(shape):
            raise UncoveredError(f"tag {tag} has {len(values)} numbers for {math.prod(shape)} tiles")
        return values.astype(np.uint64).reshape(shape)

    def _limited(self, tag: int, kinds: tuple[int, ...], most: int) -> NDArray[np.generic]:
        entry = self.found.get(tag)
        if entry is None:
            return np.zeros(0)
        if entry.kind not in kinds or entry.count > most:
            raise UncoveredError(f"tag {tag} has {entry.count} values of type {entry.kind}")
        return self._values(entry)

    def _values(self, entry: _Entry) -> NDArray[np.generic]:
        dtype = np.dtype(_TYPES[entry.kind]).newbyteorder(self.form.order)
        return np.frombuffer(self.head.at(entry.place, entry.count * dtype.itemsize), dtype)


def _entries(head: _Head, form: _Form) -> _Entries:
    count_format, entry_format = ("Q", "HHQ8x") if form.is_big else ("H", "HHI4x")
    entry_size, value_size = struct.calcsize(f"<{entry_format}"), 8 if form.is_big else 4
    first = _unpack(head, form.pointer, 8 if form.is_big else 4)
    count = _unpack(head, form.order + count_format, first)
    if not 0 < count <= MAX_ENTRIES:
        _broken(f"{count} entries in its directory: 1 to {MAX_ENTRIES} are read")
    start = first + struct.calcsize(f"<{count_format}")
    table = head.at(start, count * entry_size)
    found: dict[int, _Entry] = {}
    before = 0
    for number, (tag, kind, values) in enumerate(struct.iter_unpack(form.order + entry_format, table)):
        if tag <= before:
            raise UncoveredError(f"tag {tag} after tag {before}")
        before = tag
        if tag not in _READ:
            continue
        inline = start + number * entry_size + entry_size - value_size
        found[tag] = _entry(head, form, kind, values, inline, value_size)
    nearest = [entry.stop for entry in found.values() if entry.stop <= MAX_HEAD_BYTES]
    head.reach(max(nearest, default=0))
    return _Entries(head, form, found)


def _entry(head: _Head, form: _Form, kind: int, count: int, inline: int, value_size: int) -> _Entry:
    size = np.dtype(_TYPES.get(kind, "u1")).itemsize * count
    place = inline if size <= value_size else _unpack(head, form.pointer, inline)
    return _Entry(kind, count, place, place + size)


def _unpack(head: _Head, number_format: str, start: int) -> int:
    number: int = struct.unpack(number_format, head.at(start, struct.calcsize(number_format)))[0]
    return number


# --- what the tiles hold

_SAMPLE_KINDS = {1: "uint", 2: "int", 3: "float"}
_OLD_DEFLATE = 32_946


def _coding(entries: _Entries, head: _Head, form: _Form) -> Coding:
    _leave_uncovered(entries)
    height, width = entries.number(_TILE_HEIGHT), entries.number(_TILE_WIDTH)
    if not height or not width or height % 16 or width % 16:
        raise UncoveredError(f"tiles of {height} x {width}: multiples of 16 are covered")
    kind, (compression, predictor) = _kind(entries), _packing(entries)
    if predictor is Predictor.FLOATING_POINT and kind not in ("float32", "float64"):
        raise UncoveredError(f"predictor 3 of {kind}")
    leaders = _has_leaders(head, 16 if form.is_big else 8)
    return Coding(kind, form.order, compression, predictor, (height, width), leaders)


def _leave_uncovered(entries: _Entries) -> None:
    """Raise UncoveredError for a first image that is no plain tiled band."""
    for tag, covered in ((_SUBFILE, 0), (_SAMPLES, 1), (_FILL_ORDER, 1), (_PHOTOMETRIC, 1), (_PLANAR, 1)):
        found = entries.number(tag, covered)
        if found != covered:
            raise UncoveredError(f"tag {tag} is {found}: {covered} is covered")
    if _TILE_OFFSETS not in entries:
        raise UncoveredError("no tiles")


def _kind(entries: _Entries) -> str:
    bits, sample_format = entries.number(_BITS, 1), entries.number(_SAMPLE_FORMAT, 1)
    kind = f"{_SAMPLE_KINDS.get(sample_format, 'format')}{bits}"
    if bits not in (8, 16, 32, 64) or kind in ("float8", "float16") or sample_format not in _SAMPLE_KINDS:
        raise UncoveredError(f"sample format {sample_format} of {bits} bits")
    return kind


def _packing(entries: _Entries) -> tuple[Compression, Predictor]:
    compression, predictor = entries.number(_COMPRESSION, 1), entries.number(_PREDICTOR, 1)
    try:
        covered = Compression(Compression.DEFLATE if compression == _OLD_DEFLATE else compression)
        if covered is Compression.NONE and predictor != 1:
            raise ValueError(predictor)
        return covered, Predictor(predictor)
    except ValueError as error:
        raise UncoveredError(f"compression {compression} with predictor {predictor}") from error


_GHOST = re.compile(rb"GDAL_STRUCTURAL_METADATA_SIZE=(\d{6}) bytes\n")
_PROMISES = (b"BLOCK_LEADER=SIZE_AS_UINT4\n", b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED\n")
_BROKEN_PROMISE = b"KNOWN_INCOMPATIBLE_EDITION=YES"


def _has_leaders(head: _Head, start: int) -> bool:
    found = _GHOST.match(head.at(start, 43))
    if found is None:
        return False
    if int(found[1]) > MAX_GHOST_BYTES:
        raise UncoveredError(f"{int(found[1])} bytes of structural metadata")
    text = head.at(start + 43, int(found[1]))
    return all(promise in text for promise in _PROMISES) and _BROKEN_PROMISE not in text


_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?|[+-]?nan|[+-]?inf")


def _nodata(text: str, dtype: np.dtype[Any]) -> float | None:
    """Return the value that stands for none, None where no value of the type can be it."""
    text = text.strip()
    if not text:
        return None
    if _NUMBER.fullmatch(text) is None:
        raise UncoveredError(f"a nodata value of {text[:20]!r}")
    value = float(text)
    if dtype.kind != "f":
        return _whole_nodata(value, dtype)
    if math.isfinite(value) and abs(value) > 3.4e38 and dtype.itemsize == 4:
        raise UncoveredError("a nodata value at the end of its type")  # GDAL rounds it
    return value


def _whole_nodata(value: float, dtype: np.dtype[Any]) -> float | None:
    if dtype.itemsize == 8:
        raise UncoveredError("a nodata value of 64 bits")
    limits = np.iinfo(dtype)
    return value if limits.min <= value <= limits.max else None


_SCALING = re.compile(r"<Item\b([^<>]*)>([^<]*)</Item>")
_ROLE = re.compile(r"""\brole\s*=\s*["'](scale|offset)["']""")


def _refuse_scaled(metadata: str) -> None:
    """Raise PixelReadError where GDAL's own metadata scale the values."""
    for attributes, content in _SCALING.findall(metadata):
        role = _ROLE.search(attributes)
        if role is None:
            continue
        if _NUMBER.fullmatch(content.strip()) is None:
            raise UncoveredError(f"a {role[1]} that is no number")
        value = float(content)
        refuse_scaled(*((value, 0.0) if role[1] == "scale" else (1.0, value)))


# --- where the raster lies

_MODEL, _RASTER_TYPE, _PROJECTED, _POINT = 1024, 1025, 3072, 2
_USER_DEFINED = 32_767
#: Keys that say nothing beyond the code of a projected system in metres on WGS 84, with the value they must
#: have for that: citations, the system it is based on, its ellipsoid, degrees and metres.
_PLAIN_KEYS: Mapping[int, float | None] = {
    _MODEL: 1,
    _RASTER_TYPE: None,
    1026: None,
    2048: 4326,
    2049: None,
    2050: 6326,
    2051: 8901,
    2054: 9102,
    2056: 7030,
    2057: 6378137.0,
    2059: 298.257223563,
    _PROJECTED: None,
    3073: None,
    3076: 9001,
}


def _grid(entries: _Entries, width: int, height: int) -> Grid:
    keys = _geo_keys(entries)
    epsg = int(keys.get(_PROJECTED, 0))
    if keys.get(_MODEL) != 1 or not 0 < epsg < _USER_DEFINED:
        raise UncoveredError("no code of a projected coordinate reference system")
    cell, shear_x, west, shear_y, minus_cell, north = _terms(entries)
    if keys.get(_RASTER_TYPE) == _POINT:  # the place given is the first cell's centre
        west -= 0.5 * (cell + shear_x)
        north -= 0.5 * (shear_y + minus_cell)
    return north_up_grid(epsg, (cell, shear_x, west, shear_y, minus_cell, north), width, height)


def _geo_keys(entries: _Entries) -> dict[int, float]:
    """Return the keys that are numbers; UncoveredError for one that could change what the code means."""
    table, doubles = entries.shorts(_GEO_KEYS, 4 * 64), entries.doubles(_GEO_DOUBLES, 64)
    texts = entries.count(_GEO_TEXTS)
    if len(table) < 4 or len(table) != 4 + 4 * table[3]:
        raise UncoveredError("no table of GeoKeys")
    keys: dict[int, float] = {}
    for start in range(4, len(table), 4):
        key, where, count, value = table[start : start + 4]
        if where == 0 and count == 1:
            keys[key] = value
        elif where == _GEO_DOUBLES and count == 1 and value < len(doubles):
            keys[key] = doubles[value]
        elif where != _GEO_TEXTS or value + count > texts:
            raise UncoveredError(f"GeoKey {key} has no value")
        needed = _PLAIN_KEYS.get(key, math.nan)
        if needed is not None and keys.get(key) != needed:
            raise UncoveredError(f"GeoKey {key} is {keys.get(key)}")
    return keys


def _terms(entries: _Entries) -> tuple[float, float, float, float, float, float]:
    """Return six affine terms as GDAL takes them from the tags."""
    scale, tie = entries.doubles(_PIXEL_SCALE, 3), entries.doubles(_TIE_POINTS, 6)
    matrix = entries.doubles(_TRANSFORMATION, 16)
    if len(matrix) == 16 and not scale:
        return (matrix[0], matrix[1], matrix[3], matrix[4], matrix[5], matrix[7])
    if matrix or len(scale) < 2 or len(tie) != 6 or not (scale[0] > 0 and scale[1] > 0):
        raise UncoveredError("no plain pixel scale and tie point")
    cell, minus_cell = scale[0], -scale[1]
    return (cell, 0.0, tie[3] - tie[0] * cell, 0.0, minus_cell, tie[4] - tie[1] * minus_cell)
