"""The bytes of a header, read as they are asked for, and which of the four forms of TIFF they have."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NoReturn

from flows.sources.assets.grids import Driver
from flows.sources.assets.ranges import Ranges
from monitoring.errors import PixelReadError

#: Most bytes at the start that are read in one piece.
MAX_HEAD_BYTES = 64 * 1024
#: Reads of parts of a header that lie elsewhere, and bytes read at least.
MAX_FAR_READS, FAR_BYTES = 16, 1024
#: Largest offset that is followed: no asset is larger.
MAX_FILE_BYTES = 2**44

_JPEG_2000 = (b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
_ORDERS: Mapping[bytes, Literal["<", ">"]] = {b"II": "<", b"MM": ">"}


class UncoveredError(PixelReadError):
    """A file that may well be sound, but is left to GDAL; its text says why."""

    def __init__(self, reason: str, driver: Driver = Driver.GEOTIFF) -> None:
        super().__init__(reason)
        self.driver = driver


class AssetNotReadError(Exception):
    """The asset itself was refused: nothing that another read of its header would settle."""

    def __init__(self, refusal: PixelReadError) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


def broken(reason: str) -> NoReturn:
    """Raise PixelReadError for a file that neither reader could make sense of."""
    raise PixelReadError(f"cannot be read as GeoTIFF: {reason}")


class Head:
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
            raise AssetNotReadError(error) from error

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

    def number(self, number_format: str, start: int) -> int:
        """Return the whole number of a struct format at a place."""
        number: int = struct.unpack(number_format, self.at(start, struct.calcsize(number_format)))[0]
        return number

    def reach(self, stop: int) -> None:
        """Read on from the start up to `stop`, unless that is too far."""
        if len(self._start) < stop <= MAX_HEAD_BYTES and not self._is_whole:
            self._start += self._ranges.read(len(self._start), stop)
            self._is_whole = len(self._start) < stop

    def _far(self, start: int, size: int) -> bytes:
        if len(self._parts) >= MAX_FAR_READS:
            broken(f"its header lies in more than {MAX_FAR_READS} places")
        if not 0 <= start <= MAX_FILE_BYTES:
            broken(f"its header points at byte {start}")
        content = self._ranges.read(start, start + max(size, FAR_BYTES))
        if len(content) < size:
            broken(f"it ends within its header, before byte {start + size}")
        self._parts.append((start, content))
        return content[:size]


@dataclass(frozen=True)
class Form:
    """Which of the four forms of TIFF a file has."""

    order: Literal["<", ">"]
    """Byte order, as struct writes it."""
    is_big: bool

    @property
    def pointer(self) -> str:
        """struct format of an offset."""
        return f"{self.order}{'Q' if self.is_big else 'I'}"

    @property
    def pointer_bytes(self) -> int:
        """Size of an offset."""
        return 8 if self.is_big else 4

    @property
    def start_bytes(self) -> int:
        """Size of what stands before all else: byte order, version, place of the first directory."""
        return 16 if self.is_big else 8


def form_of(head: Head) -> Form:
    """Return the form of the file that a head is of; UncoveredError for what is no TIFF."""
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
        broken("a BigTIFF whose offsets have no 8 bytes")
    return Form(order, version == 43)
