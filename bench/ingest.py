"""One block-season over a slow network: our sparse ingest beside odc-stac and beside whole downloads.

    python bench/ingest.py [--optical 24] [--radar 12] [--share 0.05] [--latency-ms 20] [--out FILE]

A server on loopback holds every request back by the latency given and writes down each one; every
contender reads the same scenes of the same 10 km block in a process of its own, many requests in flight:

    ours    `ingest_block` as the service runs it: catalogue, gates, pixels, cube committed to disk
    odc     `odc.stac.load` of the block's bounding box, all bands on the 10 m grid, into memory (the
            fastest of the pool sizes tried), GDAL set up for the cloud; its items are at hand before its
            clock starts
    whole   every asset downloaded whole, 24 at a time, then sampled from memory

Libraries are imported, and used once on nothing, before the clocks start.

Kept is what stays for the next step: our cube on disk; the dense arrays in memory and the same written as
Zarr with the cube's codec; the files. Every request of ours is then held against the files' own tables of
tiles: which tiles were fetched, which of them hold no woodland, and which were fetched twice.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from ingest_world import EPSG, OPTICAL, SIDE_M, block_bounds, raster_corner, write_scenes, write_woodlands

IN_FLIGHT = 24
ODC_POOLS = (8, 24)
SEASON, EMPTY_SEASON = "2024-Q4", "2022-Q4"
NOW = datetime(2025, 2, 15, tzinfo=UTC)
SERVER = Path(__file__).parents[1] / "tests" / "fault_server.py"
SETTINGS = """\
catalogue = "{address}/items.json"
woodlands = "{world}/woodlands.geojson"
home = "{home}/service"
requests_per_host = 24
"""
ODC_CODEC = {"name": "blosc", "configuration": {"cname": "zstd", "clevel": 1, "shuffle": "bitshuffle"}}


# ---- contenders: each runs alone in a process and returns what it kept, in bytes


def ours(world: Path, address: str, _pool: int) -> dict[str, float]:
    from flows.ingesting.ingest import ingest_block
    from flows.workspace import open_workspace
    from monitoring.scenes import Sensor
    from monitoring.seasons import Season
    from warehouse.cube import open_cube

    home, season = Path(tempfile.mkdtemp(dir=world.parent)), Season.parse(SEASON)
    (home / "underwood.toml").write_text(SETTINGS.format(address=address, world=world, home=home))
    workspace = open_workspace(str(home / "underwood.toml"))
    (block,) = workspace.blocks.values()
    ingest_block(workspace, block, Season.parse(EMPTY_SEASON), NOW)
    base = resident()
    began = time.perf_counter()
    receipt = ingest_block(workspace, block, season, NOW)
    seconds = time.perf_counter() - began
    if receipt.problems or receipt.n_read != receipt.n_scenes:
        sys.exit(f"ours: {receipt}")
    series = open_cube(workspace.cube, block).read(season.start, season.end)
    memory = sum(series.of(sensor).values.nbytes for sensor in Sensor) + series.s2.scl.nbytes
    kept = size_of(workspace.cube)
    shutil.rmtree(home)
    return {"seconds": seconds, "kept_disk": kept, "kept_memory": memory, "base": base}


def odc(world: Path, address: str, pool: int) -> dict[str, float]:
    import odc.stac
    import xarray as xr
    from odc.geo.geobox import GeoBox

    items = read_items(address)
    odc.stac.configure_rio(cloud_defaults=True)
    box = GeoBox.from_bbox(block_bounds(), f"EPSG:{EPSG}", resolution=10)

    def load(collection: str, bands: tuple[str, ...], most: int | None = None) -> xr.Dataset:
        chosen = [item for item in items if item.collection_id == collection][:most]
        how = {"*": "bilinear", "SCL": "nearest"}
        return odc.stac.load(chosen, bands=bands, geobox=box, resampling=how, pool=pool)

    load("sentinel-2-l2a", ("B04",), 1)
    base = resident()
    began = time.perf_counter()
    optical, radar = load("sentinel-2-l2a", OPTICAL), load("sentinel-1-rtc", ("vv", "vh"))
    seconds = time.perf_counter() - began
    memory = optical.nbytes + radar.nbytes
    folder = Path(tempfile.mkdtemp(dir=world.parent))
    for name, cube in (("s2", optical), ("s1", radar)):
        plain = xr.Dataset({band: (cube[band].dims, cube[band].values) for band in cube.data_vars})
        encoding = {band: {"compressors": [ODC_CODEC], "chunks": (16, 256, 256)} for band in plain.data_vars}
        plain.to_zarr(folder / name, encoding=encoding, zarr_format=3, consolidated=False)
    disk = size_of(folder)
    shutil.rmtree(folder)
    return {"seconds": seconds, "kept_disk": disk, "kept_memory": memory, "base": base}


def whole(world: Path, address: str, _pool: int) -> dict[str, float]:
    from concurrent.futures import ThreadPoolExecutor

    import urllib3
    from rasterio.io import MemoryFile

    columns, rows = woodland_cells(world)
    west, north = raster_corner()
    http = urllib3.PoolManager(maxsize=IN_FLIGHT)
    kept = 0

    def read(href: str) -> int:
        body = http.request("GET", href).data
        with MemoryFile(body) as memory, memory.open() as dataset:
            cell = dataset.transform.a
            layer = dataset.read(1)
            layer[((north - rows) / cell).astype(int), ((columns - west) / cell).astype(int)].copy()
        return len(body)

    hrefs = [asset.href for item in read_items(address) for asset in item.assets.values()]
    base = resident()
    began = time.perf_counter()
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        kept = sum(pool.map(read, hrefs))
    return {"seconds": time.perf_counter() - began, "kept_disk": kept, "kept_memory": 0, "base": base}


CONTENDERS = {"ours": ours, "odc": odc, "whole": whole}


def read_items(address: str) -> list[Any]:
    import pystac

    with urllib.request.urlopen(f"{address}/items.json") as answer:
        content = json.load(answer)
    for feature in content["features"]:
        for asset in feature["assets"].values():
            asset["href"] = f"{address}/{asset['href'].removeprefix('./')}"
    return [pystac.Item.from_dict(feature) for feature in content["features"]]


def woodland_cells(world: Path) -> tuple[Any, Any]:
    from flows.sources.boundaries.woodlands import read_woodlands
    from monitoring.grid import make_blocks

    (block,) = make_blocks(read_woodlands(world / "woodlands.geojson").woodlands, 10_000)
    return block.pixels.easting_m, block.pixels.northing_m


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def resident() -> int:
    """Bytes of memory held now: what the libraries take before anything is read."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def contend(name: str, world: Path, address: str, pool: int) -> None:
    outcome = CONTENDERS[name](world, address, pool)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    cpu = time.process_time()
    print(json.dumps({**outcome, "peak": peak, "cpu_s": cpu}))


# ---- the referee


@contextmanager
def serving(world: Path, latency_ms: float, log: Path) -> Iterator[str]:
    command = [
        sys.executable,
        str(SERVER),
        str(world),
        "--port",
        "0",
        "--latency-ms",
        str(latency_ms),
        "--log",
        str(log),
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait()


def measured(
    name: str, world: Path, latency_ms: float, pool: int = IN_FLIGHT
) -> tuple[dict[str, Any], list[Any]]:
    log = world.parent / f"{name}.log"
    log.unlink(missing_ok=True)
    with serving(world, latency_ms, log) as address:
        command = [sys.executable, __file__, "--contender", name, "--world", str(world), "--address", address]
        said = subprocess.run(
            [*command, "--pool", str(pool)], capture_output=True, text=True, env=environment()
        )
    if said.returncode:
        sys.exit(f"{name}: exit {said.returncode}\n{said.stderr[-2000:]}")
    figures = json.loads(said.stdout.splitlines()[-1])
    asked = [json.loads(line) for line in log.read_text().splitlines()]
    pixels = [_span(world, one) for one in asked if one["path"].endswith(".tif")]
    sent = sum(stop - start for _, start, stop in pixels)
    return {"contender": name, "pool": pool, "requests": len(pixels), "fetched": sent, **figures}, pixels


def _span(world: Path, asked: dict[str, Any]) -> tuple[str, int, int]:
    """Return the file and the bytes of it that a request was answered with."""
    file = Path(asked["path"]).name
    size = (world / file).stat().st_size
    if asked["method"] == "HEAD":
        return file, 0, 0
    return file, asked["start"], size if asked["stop"] is None else min(asked["stop"], size)


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "2", "PYTHONPATH": str(Path(__file__).parents[1])}


def tile_audit(world: Path, requests: list[Any]) -> dict[str, int]:
    """Hold each requested range against the file's own table of tiles."""
    needed_at = needed_cells(world)
    spans: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for file, start, stop in requests:
        spans[file].append((start, stop))
    count: Counter[str] = Counter()
    for file, ranges in spans.items():
        with rasterio.open(world / file) as dataset:
            for index, _ in dataset.block_windows(1):
                start, size = tile_bytes(dataset, *index)
                fetched = sum(covers(first, last, start, size) for first, last in ranges)
                is_needed = index in needed_at[dataset.transform.a, dataset.block_shapes[0][0]]
                count["tiles"] += 1
                count["needed"] += is_needed
                count["fetched"] += fetched > 0
                count["fetched_without_woodland"] += fetched > 0 and not is_needed
                count["fetched_twice"] += fetched > 1
                count["needed_not_fetched"] += is_needed and not fetched
    return dict(count)


def covers(first: int, last: int, start: int, size: int) -> bool:
    """A range that holds at least half of a tile fetched it; the head of a file holds a few bytes of one."""
    return min(last, start + size) - max(first, start) >= size / 2


def tile_bytes(dataset: Any, row: int, column: int) -> tuple[int, int]:
    at, size = (
        dataset.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=1) for what in ("OFFSET", "SIZE")
    )
    return int(at), int(size)


class needed_cells(dict[tuple[float, int], set[tuple[int, int]]]):  # noqa: N801
    """(cell size, tile) -> tiles that hold a woodland cell, or a cell that one is interpolated from."""

    def __init__(self, world: Path) -> None:
        super().__init__()
        self.easting, self.northing = woodland_cells(world)

    def __missing__(self, key: tuple[float, int]) -> set[tuple[int, int]]:
        cell, tile = key
        west, north = raster_corner()
        side = round(SIDE_M / cell)
        x, y = (self.easting - west) / cell, (north - self.northing) / cell
        found = set()
        for dx in (-0.5, 0.5) if cell > 10 else (0,):
            for dy in (-0.5, 0.5) if cell > 10 else (0,):
                column = np.clip(np.floor(x + dx), 0, side - 1).astype(int) // tile
                row = np.clip(np.floor(y + dy), 0, side - 1).astype(int) // tile
                found |= set(zip(row.tolist(), column.tolist(), strict=True))
        self[key] = found
        return found


def table(rows: list[dict[str, Any]]) -> str:
    heads = ("requests", "MB read", "MiB more", "MB disk", "MB held")
    lines = [f"{'':<18}{'s':>7}{'cpu s':>7}" + "".join(f"{head:>9}" for head in heads)]
    for row in rows:
        more = (row["peak"] - row["base"]) / 2**20
        megabytes = "".join(f"{row[key] / 1e6:9.1f}" for key in ("kept_disk", "kept_memory"))
        lines.append(
            f"{row['contender']:<6}{row['pool']:>3} at once {row['seconds']:7.2f}{row['cpu_s']:7.1f}"
            f"{row['requests']:9d}{row['fetched'] / 1e6:9.1f}{more:9.0f}{megabytes}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--optical", type=int, default=24)
    parser.add_argument("--radar", type=int, default=12)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--latency-ms", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--world", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    parser.add_argument("--pool", type=int, default=IN_FLIGHT, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.contender:
        contend(asked.contender, asked.world, asked.address, asked.pool)
        return
    with tempfile.TemporaryDirectory() as folder:
        referee(asked, Path(folder))


def referee(asked: argparse.Namespace, folder: Path) -> None:
    world, half = folder / "world", folder / "half"
    worlds = ((world, asked.optical, asked.radar), (half, asked.optical // 2, asked.radar // 2))
    for place, optical, radar in worlds:
        place.mkdir()
        share = write_woodlands(place / "woodlands.geojson", asked.share, asked.seed)
        write_scenes(place, optical, radar, asked.seed)
    mine, requests = measured("ours", world, asked.latency_ms)
    audit = tile_audit(world, requests)
    half_run, _ = measured("ours", half, asked.latency_ms)
    rivals = [measured("odc", world, asked.latency_ms, pool)[0] for pool in ODC_POOLS]
    downloads, _ = measured("whole", world, asked.latency_ms)
    rival = min(rivals, key=lambda row: row["seconds"])
    more = [(run["peak"] - run["base"]) / 2**20 for run in (half_run, mine)]
    report = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "scenes": {"optical": asked.optical, "radar": asked.radar},
        "woodland_share": round(share, 4),
        "latency_ms": asked.latency_ms,
        "contenders": [mine, *rivals, downloads],
        "tiles": audit,
        "half_the_scenes": half_run,
        "faster_than_odc": round(rival["seconds"] / mine["seconds"], 2),
        "less_on_disk": round(rival["kept_disk"] / mine["kept_disk"], 1),
        "less_in_memory": round(rival["kept_memory"] / mine["kept_memory"], 1),
    }
    print(f"{asked.optical} optical and {asked.radar} radar scenes, woodland on {share:.1%} of the block")
    print(table([mine, *rivals, downloads]))
    print(f"tiles: {audit}")
    print(f"MiB more at the peak with half the scenes, and with all: {more[0]:.0f}, {more[1]:.0f}")
    ratios = [
        f"{report[key]} x {key.replace('_', ' ')}" for key in report if key.startswith(("faster", "less"))
    ]
    print("; ".join(ratios))
    if asked.out:
        asked.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
