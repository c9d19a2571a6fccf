"""Reading: many scenes at once at one pixel set, in order, each as it is or with what failed of it."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore

from flows.sources.addresses import is_web
from flows.sources.assets.pixels import (
    RESOLUTIONS_M,
    Band,
    BandReader,
    ScenePixels,
    Sign,
    bands_of,
    scene_pixels,
)
from flows.sources.assets.ranges import LimitedRanges, Ranges, RangesOf, local_ranges
from flows.sources.assets.sampling import Sampled
from flows.sources.assets.tiles import Order, Result, in_turn
from monitoring.errors import PixelReadError, UnreachableError
from monitoring.grid import PixelSet
from monitoring.scenes import Scene

#: Hash functions by the code that a multihash begins with (multiformats.io), and their length in bytes.
_HASHES = {
    "d501": ("md5", 16),
    "11": ("sha1", 20),
    "12": ("sha256", 32),
    "13": ("sha512", 64),
    "14": ("sha3_512", 64),
    "16": ("sha3_256", 32),
}


@dataclass(frozen=True)
class AssetFailure:
    """One asset that could not be read."""

    scene_id: str
    band: str
    attempts: int
    """Times it, or the part of it that failed, was asked for."""
    error: str
    """One line, without the address's secrets."""
    is_remote: bool


@dataclass(frozen=True)
class UnreadScene:
    """A scene of which at least one asset could not be read."""

    scene: Scene
    failures: tuple[AssetFailure, ...]
    """Every asset that failed, in the order of the bands."""


@dataclass(frozen=True)
class _Pending:
    """A scene whose bands are being read."""

    scene: Scene
    bands: Sequence[Band]
    sampled: Sequence[Future[Sampled | AssetFailure]]

    def result(self) -> ScenePixels | UnreadScene:
        """Wait for the bands."""
        outcomes = [future.result() for future in self.sampled]
        failures = tuple(outcome for outcome in outcomes if isinstance(outcome, AssetFailure))
        if failures:
            return UnreadScene(self.scene, failures)
        names = [band.name for band in self.bands]
        return scene_pixels(
            self.scene, {n: s for n, s in zip(names, outcomes, strict=True) if isinstance(s, Sampled)}
        )


def read_scenes(
    scenes: Iterable[Scene],
    pixels: PixelSet,
    ranges_of: RangesOf = local_ranges,
    *,
    in_flight: int = 24,
    optional: Collection[str] = (),
    verify: bool = False,
    sign: Sign | None = None,
    resolutions_m: Collection[float] = RESOLUTIONS_M,
) -> Iterator[ScenePixels | UnreadScene]:
    """Yield each scene's pixels as `read_scene` returns them, or what failed, in the order of the scenes.

    Up to `in_flight` assets are worked on at once and up to `in_flight` requests are on their way (for files
    on disk, as many as there are cores); `in_flight` // bands + 2 scenes are held at most, so that memory
    depends on the pixels and not on the number of scenes. A scene with a failed asset fails nothing else.
    verify: check local files against the checksum that the catalogue states of the whole file, which reads
    all of it; a remote asset is never read whole and is left to the checks of its tiles. sign: gives access
    to remote files that GDAL has to read.
    """
    todo = tuple(scenes)
    is_remote = any(is_web(href) for scene in todo for _, href in scene.hrefs)
    workers = in_flight if is_remote else min(in_flight, os.cpu_count() or 1)
    with _crew(workers) as assets, _crew(workers) as requests:
        seats = BoundedSemaphore(workers)
        each = _SideBySide(requests)
        limited = _limited(ranges_of, seats)
        reader = BandReader(pixels, limited, sign=sign, each=each, resolutions_m=resolutions_m)
        pending: deque[_Pending] = deque()
        for scene in todo:
            bands = bands_of(scene, optional)
            pending.append(
                _Pending(scene, bands, [assets.submit(_read, reader, scene, b, verify) for b in bands])
            )
            if len(pending) >= workers // len(bands) + 2:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


@contextmanager
def _crew(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that drop what they have not begun when the reader of the results leaves."""
    pool = ThreadPoolExecutor(workers)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class _SideBySide:
    """Does several pieces of one asset's work at once."""

    pool: ThreadPoolExecutor

    def __call__(self, work: Callable[[Order], Result], orders: Sequence[Order], /) -> Iterable[Result]:
        return self.pool.map(work, orders) if len(orders) > 1 else in_turn(work, orders)


def _limited(ranges_of: RangesOf, seats: BoundedSemaphore) -> RangesOf:
    def ranges(address: str) -> Ranges:
        found = ranges_of(address)
        return LimitedRanges(found, seats) if is_web(address) else found

    return ranges


def _read(reader: BandReader, scene: Scene, band: Band, verify: bool) -> Sampled | AssetFailure:
    try:
        if verify:
            _verify(scene, band.name)
        return reader.read(scene, band)
    except (PixelReadError, UnreachableError) as error:
        attempts = max(int(getattr(error, "attempts", 1)), 1)
        line = f"scene {scene.id}, band {band.name}: {error}"
        return AssetFailure(scene.id, band.name, attempts, line, is_web(dict(scene.hrefs).get(band.name, "")))


def _verify(scene: Scene, band: str) -> None:
    stated, address = dict(scene.checksums).get(band), dict(scene.hrefs).get(band, "")
    if stated and not is_web(address):
        verify_asset(Path(address), stated)


def verify_asset(path: Path, multihash: str) -> None:
    """Raise PixelReadError unless the file has the checksum: multihash in hexadecimal, `1220` + SHA-256."""
    name, expected = _hash_of(path, multihash)
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise PixelReadError(f"{path}: cannot be read: {error.strerror}") from error
    if found != expected:
        raise PixelReadError(f"{path}: {name} is {found[:16]}..., the catalogue states {expected[:16]}...")


def _hash_of(path: Path, multihash: str) -> tuple[str, str]:
    """Return the hash function's name and the digest it must give."""
    text = multihash.lower()
    for code, (name, size) in _HASHES.items():
        digest = text.removeprefix(f"{code}{size:02x}")
        if digest != text and len(digest) == 2 * size:
            return name, digest
    raise PixelReadError(f"{path}: the catalogue states a checksum of unknown kind {text[:8]!r}")
