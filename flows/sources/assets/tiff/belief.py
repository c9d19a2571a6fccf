"""When a header is believed: two reads of it have to say the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from threading import Lock

from flows.sources.assets.ranges import Ranges
from flows.sources.assets.tiff.directory import Directory, parse_directory
from flows.sources.assets.tiff.head import AssetNotReadError
from monitoring.errors import PixelReadError

#: Bytes read first of a kind of asset that was not met yet: the directory of a COG, and none of its tiles,
#: which can be as small. Of the next ones as much is read as the header had (GDAL always reads 32 KiB).
FIRST_BYTES = 512
#: Reads of one header of which two must agree.
MAX_HEADER_READS = 5


class DamagedAssetError(PixelReadError):
    """A header or a tile that failed its checks each time it was read."""

    def __init__(self, message: str, attempts: int) -> None:
        super().__init__(message)
        self.attempts = attempts


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
            found = parse_directory(ranges, head_bytes)
        except AssetNotReadError as error:
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
