"""What the tiles of a TIFF hold: type, packing, and the value that stands for none."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from flows.sources.assets.grids import refuse_scaled
from flows.sources.assets.tiff.entries import Entries, Tag
from flows.sources.assets.tiff.head import Form, Head, UncoveredError

#: Longest of GDAL's notes on the file's structure: it writes about 140 bytes.
MAX_GHOST_BYTES = 1024


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
    """Type of the values by its numpy name."""
    byte_order: str
    """`<` or `>`."""
    compression: Compression
    predictor: Predictor
    tile_shape: tuple[int, int]
    """Rows and columns of a tile."""
    has_leaders: bool
    """GDAL's promise: each tile's length stands in the 4 bytes before it, its last 4 bytes again after it."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values, in the machine's byte order."""
        return np.dtype(self.kind)

    @property
    def tile_bytes(self) -> int:
        """Size of an unpacked tile."""
        return math.prod(self.tile_shape) * self.dtype.itemsize

    @property
    def is_checked(self) -> bool:
        """True where a tile read from a wrong place would be noticed."""
        return self.compression.is_checked or self.has_leaders


_COVERED = {Tag.SUBFILE: 0, Tag.SAMPLES: 1, Tag.FILL_ORDER: 1, Tag.PHOTOMETRIC: 1, Tag.PLANAR: 1}
_SAMPLE_KINDS = {1: "uint", 2: "int", 3: "float"}
_OLD_DEFLATE = 32_946


def coding_of(entries: Entries, head: Head, form: Form) -> Coding:
    """Return how the tiles are coded; UncoveredError for a first image that is no plain tiled band."""
    _leave_uncovered(entries)
    height, width = entries.number(Tag.TILE_HEIGHT), entries.number(Tag.TILE_WIDTH)
    if not height or not width or height % 16 or width % 16:
        raise UncoveredError(f"tiles of {height} x {width}: multiples of 16 are covered")
    kind, (compression, predictor) = _kind(entries), _packing(entries)
    if predictor is Predictor.FLOATING_POINT and kind not in ("float32", "float64"):
        raise UncoveredError(f"predictor 3 of {kind}")
    has_leaders = _has_leaders(head, form.start_bytes)
    return Coding(kind, form.order, compression, predictor, (height, width), has_leaders)


def _leave_uncovered(entries: Entries) -> None:
    for tag, covered in _COVERED.items():
        found = entries.number(tag, covered)
        if found != covered:
            raise UncoveredError(f"tag {tag:d} is {found}: {covered} is covered")
    if Tag.TILE_OFFSETS not in entries:
        raise UncoveredError("no tiles")


def _kind(entries: Entries) -> str:
    bits, sample_format = entries.number(Tag.BITS, 1), entries.number(Tag.SAMPLE_FORMAT, 1)
    kind = f"{_SAMPLE_KINDS.get(sample_format, 'format')}{bits}"
    if bits not in (8, 16, 32, 64) or kind in ("float8", "float16") or sample_format not in _SAMPLE_KINDS:
        raise UncoveredError(f"sample format {sample_format} of {bits} bits")
    return kind


def _packing(entries: Entries) -> tuple[Compression, Predictor]:
    compression, predictor = entries.number(Tag.COMPRESSION, 1), entries.number(Tag.PREDICTOR, 1)
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


def _has_leaders(head: Head, start: int) -> bool:
    found = _GHOST.match(head.at(start, 43))
    if found is None:
        return False
    if int(found[1]) > MAX_GHOST_BYTES:
        raise UncoveredError(f"{int(found[1])} bytes of structural metadata")
    text = head.at(start + 43, int(found[1]))
    return all(promise in text for promise in _PROMISES) and _BROKEN_PROMISE not in text


_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?|[+-]?nan|[+-]?inf")


def nodata_of(entries: Entries, dtype: np.dtype[Any]) -> float | None:
    """Return the value that stands for none, None where no value of the type can be it."""
    text = entries.text(Tag.GDAL_NODATA, 64).strip()
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


def refuse_scaling(entries: Entries) -> None:
    """Raise PixelReadError where GDAL's own metadata scale the values."""
    for attributes, content in _SCALING.findall(entries.text(Tag.GDAL_METADATA)):
        role = _ROLE.search(attributes)
        if role is None:
            continue
        if _NUMBER.fullmatch(content.strip()) is None:
            raise UncoveredError(f"a {role[1]} that is no number")
        value = float(content)
        refuse_scaled(*((value, 0.0) if role[1] == "scale" else (1.0, value)))
