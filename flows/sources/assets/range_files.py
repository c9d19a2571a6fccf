"""Range files: an asset of `Ranges` as the file that GDAL wants, so that no other client reaches the web.

Every byte goes through the same limits, retries and counts as those of our own reader. An error cannot pass
through GDAL: it is kept, the file seems to end there, and whoever opened it raises the error afterwards.
"""

from __future__ import annotations

import io
from collections import OrderedDict

from flows.sources.assets.ranges import Ranges
from monitoring.errors import PixelReadError, UnreachableError

#: Bytes fetched at least. GDAL reads a header in pieces of 4 bytes.
BLOCK_BYTES = 64 * 1024
#: Blocks kept of one asset: 16 MiB.
KEPT_BLOCKS = 256
#: Blocks fetched in one range at most: 4 MiB.
FETCHED_BLOCKS = 64
#: Most bytes that one read may ask for; a header that promises more is a bomb.
MAX_READ_BYTES = 128 * 1024 * 1024


class RangeFiles:
    """One asset as often as it is opened, its last blocks kept; for one thread."""

    #: The only name that can be opened: there are no side-car files.
    NAME = "asset"

    def __init__(self, ranges: Ranges) -> None:
        self.ranges = ranges
        self.failure: PixelReadError | UnreachableError | None = None
        """The first error of a read, after which every read gives nothing."""
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def open(self, name: str, mode: str = "rb") -> io.RawIOBase:
        """Return the asset as a file; FileNotFoundError for any other name."""
        if name != self.NAME:
            raise FileNotFoundError(name)
        return _RangeFile(self)

    def size(self) -> int:
        """Return the length of the asset in bytes, 0 after a failure."""
        try:
            return 0 if self.failure else self.ranges.size()
        except (PixelReadError, UnreachableError) as error:
            self.failure = error
            return 0

    def read(self, start: int, stop: int) -> bytes:
        """Return bytes from `start` on, up to `stop` at most; none at the asset's end and after a failure."""
        if self.failure or start >= stop:
            return b""
        try:
            block = self._block(start // BLOCK_BYTES, (stop - 1) // BLOCK_BYTES)
        except (PixelReadError, UnreachableError) as error:
            self.failure = error
            return b""
        first = start % BLOCK_BYTES
        return block[first : first + stop - start]

    def _block(self, number: int, last: int) -> bytes:
        """Return a block, fetched together with those after it up to `last` where it is not kept."""
        if number not in self._blocks:
            self._fetch(number, last)
        self._blocks.move_to_end(number)
        return self._blocks[number]

    def _fetch(self, first: int, last: int) -> None:
        stop = first + 1
        while stop <= last and stop - first < FETCHED_BLOCKS and stop not in self._blocks:
            stop += 1
        content = self.ranges.read(first * BLOCK_BYTES, stop * BLOCK_BYTES)
        for number in range(first, stop):
            start = (number - first) * BLOCK_BYTES
            self._blocks[number] = content[start : start + BLOCK_BYTES]
        while len(self._blocks) > KEPT_BLOCKS:
            self._blocks.popitem(last=False)

    def refuse(self, reason: str) -> None:
        """Let every read give nothing from now on."""
        self.failure = self.failure or PixelReadError(f"{self.ranges.name}: {reason}")


class _RangeFile(io.RawIOBase):
    """A read-only file with a place of its own."""

    def __init__(self, files: RangeFiles) -> None:
        self._files, self._place = files, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place}
        self._place = offset + (self._files.size() if whence == io.SEEK_END else start[whence])
        return self._place

    def tell(self) -> int:
        return self._place

    def read(self, size: int = -1) -> bytes:
        stop = self._files.size() if size < 0 else self._place + size
        if stop - self._place > MAX_READ_BYTES:
            self._files.refuse(f"{stop - self._place} bytes asked for at once: at most {MAX_READ_BYTES}")
        content = bytearray()
        while piece := self._files.read(self._place, stop):
            content += piece
            self._place += len(piece)
        return bytes(content)
