"""The tiles of a cloud-optimised GeoTIFF: only those asked for, fetched in few ranges, unpacked and checked.

What is checked of every tile: its place and length are possible, all its bytes came, it unpacks to exactly
the size of a tile, and where GDAL's COG driver wrote the file, the length before it and the last bytes
repeated after it. A deflated tile is checked against its own Adler-32 too. LZW, Zstandard as TIFF writers
use it, and tiles that are not packed carry no checksum: a byte that changed on its way within one of these
stays unseen unless it breaks one of the other checks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from flows.sources.assets.ranges import Ranges
from flows.sources.assets.tiff.belief import Belief, DamagedAssetError, read_directory
from flows.sources.assets.tiff.coding import Coding
from flows.sources.assets.tiff.directory import Directory
from flows.sources.assets.tiff.head import MAX_FILE_BYTES
from flows.sources.assets.unpacking import DamageError, unpack
from monitoring.errors import PixelReadError

#: Reads of a tile that fails its checks, after which the asset is given up.
MAX_TILE_READS = 3
#: Bytes between two tiles that are fetched along: the length and the repeated bytes that GDAL writes around
#: each tile, and padding. More would fetch tiles of an overview or of a mask.
MAX_GAP_BYTES = 16
#: Largest range that tiles are merged into: more are several requests, side by side.
MAX_RANGE_BYTES = 4 * 1024**2
#: Bytes that GDAL writes before and after each tile of a COG.
LEADER = TRAILER = 4
#: A packed tile may be this many times its unpacked size: LZW needs at most 12 bits for a byte.
MAX_PACKED_SHARE, PACKED_SLACK = 1.5, 1024

Cells = NDArray[np.int64]
Order = TypeVar("Order")
Result = TypeVar("Result")


class Each(Protocol):
    """Does one piece of work for each order, in turn or side by side."""

    def __call__(self, work: Callable[[Order], Result], orders: Sequence[Order], /) -> Iterable[Result]:
        """Return the results in the order of the orders."""


def in_turn(work: Callable[[Order], Result], orders: Sequence[Order], /) -> Iterable[Result]:
    """Do the work here, one order after the other."""
    return map(work, orders)


@dataclass(frozen=True)
class Extent:
    """Where one tile lies in its file."""

    slot: int
    """Which of the tiles asked for."""
    start: int
    stop: int


@dataclass(frozen=True)
class Run:
    """Tiles fetched in one range."""

    start: int
    stop: int
    extents: tuple[Extent, ...]


class CogTiles:
    """The tiles of the one band of a tiled GeoTIFF."""

    bands = 1

    def __init__(self, ranges: Ranges, belief: Belief, each: Each = in_turn, kind: str = "") -> None:
        """Read the header; arguments and errors as of `read_directory`; `each` fetches the tiles' ranges."""
        directory = read_directory(ranges, belief, kind)
        self.grid = directory.grid
        self.coding = directory.coding
        self.tile_shape = directory.coding.tile_shape
        self.kind = directory.coding.kind
        self.nodata = directory.nodata
        self._directory, self._ranges, self._each = directory, ranges, each
        self._read_again = partial(read_directory, ranges, belief, kind)

    def read_tiles(self, rows: Cells, columns: Cells) -> NDArray[Any]:
        """Return (K, height, width) of K tiles; an empty tile is nodata, or 0 where the file states none.

        A tile that fails its checks is read again, with the header that says where it lies: DamagedAssetError
        names it after MAX_TILE_READS reads. UnreachableError as the ranges raise it.
        """
        stack = np.empty((len(rows), *self.tile_shape), self.kind)
        failed: Mapping[int, str] = dict.fromkeys(range(len(rows)), "")
        for attempt in range(MAX_TILE_READS):
            if attempt:
                self._directory = self._second_look()
            failed = self._attempt(rows, columns, sorted(failed), stack)
            if not failed:
                return stack
        slot, reason = next(iter(failed.items()))
        tile = f"tile at row {rows[slot]}, column {columns[slot]}"
        raise DamagedAssetError(f"{self._ranges.name}: {tile}: {reason}", MAX_TILE_READS)

    def _second_look(self) -> Directory:
        again = self._read_again()
        if again.layout != self._directory.layout:
            raise PixelReadError(f"{self._ranges.name}: changed while it was read")
        return again

    def _attempt(
        self, rows: Cells, columns: Cells, slots: Sequence[int], stack: NDArray[Any]
    ) -> dict[int, str]:
        """Read the tiles of `slots` into the stack; return those that failed and why."""
        wanted = (rows[slots], columns[slots])
        offsets, counts = self._directory.offsets[wanted], self._directory.byte_counts[wanted]
        empty = (offsets == 0) & (counts == 0)
        failed = self._fill_empty(np.asarray(slots)[empty], rows, columns, stack) if empty.any() else {}
        extents: list[Extent] = []
        for slot, offset, count in zip(slots, offsets.tolist(), counts.tolist(), strict=True):
            if offset == 0 and count == 0:
                continue
            reason = _why_impossible(self.coding, offset, count)
            if reason:
                failed[slot] = reason
            else:
                extents.append(Extent(slot, offset, offset + count))
        for found in self._each(lambda run: self._read_run(run, stack), self._runs(extents)):
            failed.update(found)
        return failed

    def _fill_empty(
        self, slots: NDArray[np.int64], rows: Cells, columns: Cells, stack: NDArray[Any]
    ) -> dict[int, str]:
        """Fill tiles that the header calls empty, if another read of it calls them so too."""
        again, wanted = self._second_look(), (rows[slots], columns[slots])
        agreed = (again.offsets[wanted] == 0) & (again.byte_counts[wanted] == 0)
        stack[slots] = 0 if self.nodata is None else self.nodata
        return dict.fromkeys(slots[~agreed].tolist(), "empty in one read of the header, not in another")

    def _runs(self, extents: Sequence[Extent]) -> list[Run]:
        margin = (LEADER, TRAILER) if self.coding.has_leaders else (0, 0)
        offsets = self._directory.offsets
        wanted = {extent.start for extent in extents}
        others = sorted(set(offsets[self._directory.byte_counts > 0].tolist()) - wanted)
        return merged(extents, others, margin)

    def _read_run(self, run: Run, stack: NDArray[Any]) -> dict[int, str]:
        try:
            content = memoryview(self._ranges.read(run.start, run.stop))
        except PixelReadError as error:  # a damaged index may point beyond the end
            return dict.fromkeys((extent.slot for extent in run.extents), str(error))
        failed = {}
        for extent in run.extents:
            try:
                packed = _taken(content, run.start, extent, self.coding.has_leaders)
                unpack(packed, self.coding, stack[extent.slot])
            except DamageError as error:
                failed[extent.slot] = str(error)
        return failed


def _why_impossible(coding: Coding, offset: int, count: int) -> str:
    """Return what is wrong with a tile's place and length, empty where nothing is."""
    most = int(coding.tile_bytes * MAX_PACKED_SHARE) + PACKED_SLACK
    if not 0 < count <= most:
        return f"{count} bytes packed: 1 to {most} are possible"
    if not 16 <= offset <= MAX_FILE_BYTES:
        return f"said to start at byte {offset}"
    return ""


def merged(extents: Iterable[Extent], others: Sequence[int], margin: tuple[int, int] = (0, 0)) -> list[Run]:
    """Return the extents in few ranges, none of which holds the first byte of a tile that is not wanted.

    others: where the tiles not wanted start, sorted; margin: bytes wanted before and after each tile.
    """
    runs: list[list[Extent]] = []
    stop = 0
    for extent in sorted(extents, key=lambda extent: extent.start):
        if runs and _fits(runs[-1][0].start, stop, extent, others):
            runs[-1].append(extent)
        else:
            runs.append([extent])
            stop = 0
        stop = max(stop, extent.stop)
    return [_run(run, margin) for run in runs]


def _fits(start: int, stop: int, extent: Extent, others: Sequence[int]) -> bool:
    """True where an extent continues the range [start, stop)."""
    if extent.start > stop + MAX_GAP_BYTES or extent.stop - start > MAX_RANGE_BYTES:
        return False
    return bisect_left(others, stop) == bisect_left(others, extent.start)


def _run(extents: Sequence[Extent], margin: tuple[int, int]) -> Run:
    start, stop = extents[0].start, max(extent.stop for extent in extents)
    return Run(max(start - margin[0], 0), stop + margin[1], tuple(extents))


def _taken(content: memoryview, start: int, extent: Extent, has_leaders: bool) -> memoryview:
    """Return a tile's packed bytes out of the range that begins at `start`."""
    first, last = extent.start - start, extent.stop - start
    packed = content[first:last]
    if len(packed) != extent.stop - extent.start:
        raise DamageError(f"{len(packed)} of {extent.stop - extent.start} bytes are there")
    if has_leaders:
        _check_leaders(content, first, last)
    return packed


def _check_leaders(content: memoryview, first: int, last: int) -> None:
    if first < LEADER or int.from_bytes(content[first - LEADER : first], "little") != last - first:
        raise DamageError("the length before it is not its length")
    if content[last : last + TRAILER] != content[last - TRAILER : last]:
        raise DamageError("the bytes after it do not repeat its last ones")
