"""Times reading one block-year from the cube: 10,000 pixels, 720 Sentinel-2 observations over nine years.

    python bench/cube_read.py [FOLDER]

Values are seeded: reflectance of a season with noise, 30 % of the pixels of each scene missing. Counted are
the decoded bytes of bands and scene classification that one `Cube.read` returns, the cube opened anew each
time; the files are in the page cache. Printed is one line.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import numpy as np
from scipy import sparse

from monitoring.grid import Block, PixelSet
from monitoring.scenes import Scene, Sensor
from warehouse.cube import Observation, open_cube

FIRST = datetime(2017, 1, 1, 11, tzinfo=UTC)
YEARS = 9
REPEATS = 7
SEED = 20
#: Scenes per commit while the cube is made.
BATCH = 48


@dataclass(frozen=True)
class Speed:
    pixels: int
    scenes: int
    """Observations in the year that is read."""
    decoded_bytes: int
    stored_bytes: int
    """Of all years."""
    made_s: float
    seconds: tuple[float, ...]

    @property
    def mb_per_s(self) -> float:
        """Decoded megabytes (10^6 bytes) per second, of the median run."""
        return self.decoded_bytes / median(self.seconds) / 1e6

    def __str__(self) -> str:
        return (
            f"cube read: {self.mb_per_s:.0f} MB/s of decoded pixels (slowest {self.slowest:.0f}): "
            f"{self.pixels} pixels x {self.scenes} scenes of one year of {YEARS}, "
            f"{self.decoded_bytes / 1e6:.1f} MB in {median(self.seconds) * 1e3:.0f} ms; "
            f"{self.stored_bytes / 1e6:.0f} MB on disk, made in {self.made_s:.1f} s"
        )

    @property
    def slowest(self) -> float:
        return self.decoded_bytes / max(self.seconds) / 1e6


def measure(folder: Path, n_pixels: int = 10_000, n_scenes: int = 720) -> Speed:
    """Make a cube below `folder` and time reading its fifth year."""
    block = square(n_pixels)
    began = time.perf_counter()
    cube = open_cube(folder, block)
    batch: list[Observation] = []
    for number, each in enumerate(observations(block, n_scenes), 1):
        batch.append(each)
        if number % BATCH == 0 or number == n_scenes:
            cube.append(batch)
            batch = []
    made_s = time.perf_counter() - began
    start, end = datetime(2021, 1, 1, tzinfo=UTC), datetime(2022, 1, 1, tzinfo=UTC)
    seconds, decoded, found = [], 0, 0
    for _ in range(REPEATS):
        began = time.perf_counter()
        s2 = open_cube(folder, block).read(start, end).s2
        seconds.append(time.perf_counter() - began)
        decoded, found = s2.values.nbytes + (0 if s2.scl is None else s2.scl.nbytes), len(s2.scene_ids)
    stored = sum(path.stat().st_size for path in cube.path.rglob("*") if path.is_file())
    return Speed(n_pixels, found, decoded, stored, made_s, tuple(seconds))


def square(n_pixels: int) -> Block:
    """Return a block of one woodland of n pixels, every second one of a square of the zone's grid."""
    edge = int(np.ceil(np.sqrt(2 * n_pixels)))
    row, column = np.divmod(np.arange(n_pixels) * 2, edge)
    pixels = PixelSet(32630, (58_000 + column).astype(np.int32), (571_000 - row).astype(np.int32))
    return Block("32630-e58-n571", ("w",), pixels, sparse.csr_array(np.ones((1, n_pixels))))


def observations(block: Block, n_scenes: int) -> Iterator[Observation]:
    """Yield scenes evenly spread over the years: a green-up, noise, and 30 % of the pixels missing."""
    rng = np.random.default_rng(SEED)
    n = len(block.pixels)
    base = rng.integers(200, 3500, (n, 10))
    for number in range(n_scenes):
        acquired_at = FIRST + number * timedelta(days=365.25 * YEARS / n_scenes)
        green_up = 1 + 0.2 * np.sin(2 * np.pi * acquired_at.timetuple().tm_yday / 365)
        values = (base * green_up + rng.normal(0, 60, (n, 10))).clip(1, 10_000).astype(np.uint16)
        is_missing = rng.random(n) < 0.3
        values[is_missing] = 0
        yield Observation(scene(number, acquired_at), values, np.where(is_missing, 0, 4).astype(np.uint8))


def scene(number: int, acquired_at: datetime) -> Scene:
    return Scene(
        id=f"S2A_30UXC_{acquired_at:%Y%m%dT%H%M%S}_{number}",
        collection="sentinel-2-l2a",
        source="seeded",
        sensor=Sensor.S2,
        platform="sentinel-2a",
        acquired_at=acquired_at,
        acquisition=str(number),
        baseline="05.10",
        offset_dn=1000,
        offset_rule="seeded",
        epsg=32630,
        bbox=(-1.8, 51.6, -1.79, 51.61),
        hrefs=tuple((band, f"/scenes/{number}/{band}.tif") for band in Sensor.S2.bands),
    )


def main() -> None:
    if len(sys.argv) > 1:
        print(measure(Path(sys.argv[1])))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(measure(Path(folder)))


if __name__ == "__main__":
    main()
