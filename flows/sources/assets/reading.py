"""Reading: many scenes at once at one pixel set, in order, each as it is or with what failed of it."""

from __future__ import annotations

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
    bands_of,
    scene_pixels,
)
from flows.sources.assets.ranges import LimitedRanges, Ranges, RangesOf, local_ranges
from flows.sources.assets.sampling import Sampled
from flows.sources.assets.tiles import Order, Result, in_turn
from flows.sources.checksums import verify_asset
from monitoring.errors import PixelReadError, UnreachableError
from monitoring.grid import PixelSet
from monitoring.scenes import Scene


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
    resolutions_m: Collection[float] = RESOLUTIONS_M,
) -> Iterator[ScenePixels | UnreadScene]:
    """Yield each scene's pixels as `read_scene` returns them, or what failed, in the order of the scenes.

    Up to `in_flight` assets are worked on at once and up to `in_flight` requests are on their way (for files
    on disk, as many as there are cores); `in_flight` // bands + 2 scenes are held at most, so that memory
    depends on the pixels and not on the number of scenes. A scene with a failed asset fails nothing else.
    verify: check local files against the checksum that the catalogue states of the whole file, which reads
    all of it; a remote asset is never read whole and is left to the checks of its tiles.
    """
    todo = tuple(scenes)
    is_remote = any(is_web(href) for scene in todo for _, href in scene.hrefs)
    workers = in_flight if is_remote else min(in_flight, os.cpu_count() or 1)
    with _crew(workers) as assets, _crew(workers) as requests:
        limited = _limited(ranges_of, BoundedSemaphore(workers))
        reader = BandReader(pixels, limited, each=_SideBySide(requests), resolutions_m=resolutions_m)
        begun = (_begun(assets, reader, scene, bands_of(scene, optional), verify) for scene in todo)
        yield from _results(begun, workers)


def _begun(
    pool: ThreadPoolExecutor, reader: BandReader, scene: Scene, bands: Sequence[Band], verify: bool
) -> _Pending:
    return _Pending(scene, bands, [pool.submit(_read, reader, scene, band, verify) for band in bands])


def _results(begun: Iterable[_Pending], workers: int) -> Iterator[ScenePixels | UnreadScene]:
    """Yield the results in order, with as many scenes begun as keep the workers busy."""
    pending: deque[_Pending] = deque()
    for one in begun:
        pending.append(one)
        if len(pending) >= workers // len(one.bands) + 2:
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
