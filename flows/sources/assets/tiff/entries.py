"""The entries of a TIFF's first directory: each tag's values, read where they lie and bounded."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from flows.sources.assets.tiff.head import MAX_HEAD_BYTES, Form, Head, UncoveredError, broken

#: Most entries of an image's directory; GDAL writes about 20.
MAX_ENTRIES = 512
#: Most internal tiles of a raster: 65,536 pixels a side in tiles of 64.
MAX_TILES = 1024 * 1024
#: Largest text that is read, such as GDAL's own metadata.
MAX_TEXT_BYTES = 64 * 1024


class Tag(IntEnum):
    """The entries that are read (TIFF 6.0; OGC GeoTIFF 1.1; GDAL)."""

    SUBFILE = 254
    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    FILL_ORDER = 266
    SAMPLES = 277
    PLANAR = 284
    PREDICTOR = 317
    TILE_WIDTH = 322
    TILE_HEIGHT = 323
    TILE_OFFSETS = 324
    TILE_BYTE_COUNTS = 325
    SAMPLE_FORMAT = 339
    PIXEL_SCALE = 33_550
    TIE_POINTS = 33_922
    TRANSFORMATION = 34_264
    GEO_KEYS = 34_735
    GEO_DOUBLES = 34_736
    GEO_TEXTS = 34_737
    GDAL_METADATA = 42_112
    GDAL_NODATA = 42_113


_READ = frozenset(Tag)
_ASCII, _SHORT, _LONG, _DOUBLE, _LONG8 = 2, 3, 4, 12, 16
#: numpy's name of each field type.
_TYPES = {_ASCII: "S1", _SHORT: "u2", _LONG: "u4", _DOUBLE: "f8", _LONG8: "u8"}
_WHOLE = (_SHORT, _LONG, _LONG8)


@dataclass(frozen=True)
class Entry:
    """Where the values of one tag lie."""

    kind: int
    """Field type by its number."""
    count: int
    place: int
    """First byte of the values, in the entry itself or elsewhere."""

    @property
    def stop(self) -> int:
        """First byte after the values."""
        return self.place + _size(self.kind, self.count)


@dataclass(frozen=True)
class Entries:
    """The entries found; UncoveredError for one of another type, or with more values, than is covered."""

    head: Head
    form: Form
    found: Mapping[int, Entry]

    def __contains__(self, tag: Tag) -> bool:
        return tag in self.found

    def number(self, tag: Tag, default: int | None = None) -> int:
        """Return a whole number, by default that of an entry that is not there."""
        entry = self.found.get(tag)
        if entry is None:
            if default is None:
                raise UncoveredError(f"tag {tag:d} is missing")
            return default
        if entry.kind not in _WHOLE or entry.count != 1:
            raise UncoveredError(f"tag {tag:d} is no single whole number")
        return int(self._values(entry)[0])

    def text_bytes(self, tag: Tag) -> int:
        """Return how many bytes of a text can be read, 0 where the entry is not there."""
        return len(self._limited(tag, (_ASCII,), MAX_TEXT_BYTES))

    def doubles(self, tag: Tag, most: int) -> list[float]:
        """Return numbers, none where the entry is not there."""
        return [float(value) for value in self._limited(tag, (_DOUBLE,), most)]

    def shorts(self, tag: Tag, most: int) -> list[int]:
        """Return small whole numbers, none where the entry is not there."""
        return [int(value) for value in self._limited(tag, (_SHORT,), most)]

    def text(self, tag: Tag, most: int = MAX_TEXT_BYTES) -> str:
        """Return a text, empty where the entry is not there."""
        content = self._limited(tag, (_ASCII,), most)
        return content.tobytes().partition(b"\0")[0].decode("utf-8", "replace") if len(content) else ""

    def index(self, tag: Tag, shape: tuple[int, int]) -> NDArray[np.uint64]:
        """Return one number for each tile."""
        values = self._limited(tag, _WHOLE, MAX_TILES)
        if len(values) != math.prod(shape):
            raise UncoveredError(f"tag {tag:d} has {len(values)} numbers for {math.prod(shape)} tiles")
        return values.astype(np.uint64).reshape(shape)

    def _limited(self, tag: Tag, kinds: tuple[int, ...], most: int) -> NDArray[np.generic]:
        entry = self.found.get(tag)
        if entry is None:
            return np.zeros(0)
        if entry.kind not in kinds or entry.count > most:
            raise UncoveredError(f"tag {tag:d} has {entry.count} values of type {entry.kind}")
        return self._values(entry)

    def _values(self, entry: Entry) -> NDArray[np.generic]:
        dtype = np.dtype(_TYPES[entry.kind]).newbyteorder(self.form.order)
        return np.frombuffer(self.head.at(entry.place, entry.stop - entry.place), dtype)


def read_entries(head: Head, form: Form) -> Entries:
    """Return the entries of the first directory that are read, and reach for all that lie near the start."""
    found = {tag: _entry(head, form, *where) for tag, *where in _listed(head, form) if tag in _READ}
    nearest = [entry.stop for entry in found.values() if entry.stop <= MAX_HEAD_BYTES]
    head.reach(max(nearest, default=0))
    return Entries(head, form, found)


def _listed(head: Head, form: Form) -> Iterator[tuple[int, int, int, int]]:
    """Yield tag, field type, number of values and place of the value of each entry."""
    count_format, entry_format = ("Q", "HHQ8x") if form.is_big else ("H", "HHI4x")
    entry_size = struct.calcsize(f"<{entry_format}")
    first = head.number(form.pointer, form.pointer_bytes)
    count = head.number(form.order + count_format, first)
    if not 0 < count <= MAX_ENTRIES:
        broken(f"{count} entries in its directory: 1 to {MAX_ENTRIES} are read")
    start = first + struct.calcsize(f"<{count_format}")
    table = head.at(start, count * entry_size)
    before = 0
    for number, (tag, kind, values) in enumerate(struct.iter_unpack(form.order + entry_format, table), 1):
        if tag <= before:
            raise UncoveredError(f"tag {tag} after tag {before}")
        before = tag
        yield tag, kind, values, start + number * entry_size - form.pointer_bytes


def _entry(head: Head, form: Form, kind: int, count: int, inline: int) -> Entry:
    is_inline = _size(kind, count) <= form.pointer_bytes
    return Entry(kind, count, inline if is_inline else head.number(form.pointer, inline))


def _size(kind: int, count: int) -> int:
    return np.dtype(_TYPES.get(kind, "u1")).itemsize * count
