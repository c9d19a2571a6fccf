"""How fast a student embeds a d-pixel tile: pixels per second, operations, share of the matmul peak.

    python bench/embed_throughput.py --threads 2
    python bench/embed_throughput.py --reference REFERENCE_TIMER.py --reference-git TESSERA.git

Weights are random (speed does not depend on them). With --reference the timer of the public implementation
is run beside, in its own process; without it only ours is measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from models.encoders.card import encoder_card
from models.encoders.configs import StudentConfig
from models.encoders.dpixels import DPixels, clear_counts
from models.encoders.encoder import PRECISIONS, Encoder
from models.encoders.tessera_v2 import Student
from monitoring.scenes import Sensor

#: name -> sizes; the last is the packaged default.
STUDENTS = {
    "nano": StudentConfig(36, 2, 4, 384),
    "small": StudentConfig(64, 4, 4, 1024),
    "medium": StudentConfig(110, 4, 4, 1792),
    "underwood": StudentConfig(16, 2, 4, 128),
}


def random_tile(side: int, times: int, radar: int, clear_share: float, seed: int = 3) -> DPixels:
    """Return side * side pixels with `times` optical and `radar` radar frames, half in each orbit."""
    random = np.random.default_rng(seed)
    n, orbit = side * side, radar // 2
    days = np.linspace(2, 364, max(times, radar)).astype(np.int64)
    sar = [random.normal(5600, 300, (orbit, n, 2)).astype(np.int16) for _ in range(2)]
    bands = random.uniform(200, 4000, (times, n, 10)).astype(np.uint16)
    clear = random.uniform(size=(times, n)) < clear_share
    return DPixels(bands, clear, days[:times], sar[0], days[:orbit], sar[1], days[:orbit])


def operations_per_pixel(config: StudentConfig, s2: float, s1: float) -> float:
    """Return floating-point operations of the matrix products for one pixel with s2 + s1 observations."""
    d, f = config.width, config.dim_feedforward

    def backbone(tokens: float, bands: int) -> float:
        per_layer = tokens * (4 * d * d + 2 * d * f) + 2 * tokens * tokens * d
        return tokens * (bands * d + d * d) + config.num_layers * per_layer

    return 2 * (backbone(s2, 10) + backbone(s1, 2) + 8 * d * d + 4 * d * config.repr_dim)


def seconds(call: Callable[[], object], at_least_s: float = 1.5) -> tuple[float, float]:
    """Return the mean wall-clock and CPU time of a call after one warm-up."""
    call()
    start, cpu, runs = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - start < at_least_s:
        call()
        runs += 1
    return (time.perf_counter() - start) / runs, (time.process_time() - cpu) / runs


def matmul_peak(device: str, dtype: torch.dtype) -> float:
    """Return operations per second of one large product on this device."""
    size = 2048 if device == "cpu" else 8192
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))

    def product() -> None:
        torch.mm(a, b)
        if device != "cpu":
            torch.cuda.synchronize()

    return 2 * size**3 / min(seconds(product, 0.5)[0] for _ in range(4))


def random_encoder(config: StudentConfig, device: str, precision: str) -> Encoder:
    """Return an encoder with seeded random weights."""
    torch.manual_seed(0)
    student = Student(config).eval().requires_grad_(False)
    card = dataclasses.replace(encoder_card("tessera-v2-nano"), config=config)
    return Encoder(card, student.to(device, PRECISIONS[precision]), device, PRECISIONS[precision])


def measure(name: str, tile: DPixels, arguments: argparse.Namespace, peak: float) -> dict[str, object]:
    """Return the figures of one student on one tile."""
    encoder = random_encoder(STUDENTS[name], arguments.device, arguments.precision)
    taken, cpu = seconds(lambda: encoder.embed(tile, batch_bytes=arguments.batch_bytes))
    counts = {sensor: float(count.mean()) for sensor, count in clear_counts(tile).items()}
    s2, s1 = counts[Sensor.S2], counts[Sensor.S1_ASCENDING] + counts[Sensor.S1_DESCENDING]
    operations = operations_per_pixel(encoder.student.config, s2, s1)
    rate = tile.n_pixels / taken
    return {
        "student": name,
        "s2": round(s2, 1),
        "s1": round(s1, 1),
        "pixels_per_s": round(rate),
        "pixels_per_cpu_s": round(tile.n_pixels / cpu),
        "mflop_per_pixel": round(operations / 1e6, 1),
        "gflop_per_s": round(rate * operations / 1e9, 1),
        "share_of_peak": round(rate * operations / peak, 2),
    }


def run_reference(arguments: argparse.Namespace) -> None:
    """Run the public implementation's timer in its own process; it prints its own figures."""
    command = [sys.executable, str(arguments.reference), "--git-dir", str(arguments.reference_git)]
    options = [
        "--threads",
        str(arguments.threads),
        "--models",
        "v2-nano",
        "--batches",
        "64",
        "--tile-big",
        "32",
    ]
    subprocess.run([*command, *options], check=True)


def main() -> None:
    """Print one JSON line per student and tile."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--students", default="nano,underwood")
    parser.add_argument(
        "--shapes", default="10x20,40x40,tile", help="S2xS1 observations; tile = 73x120, 55 %% clear"
    )
    parser.add_argument("--side", type=int, default=64, help="pixels along one side of the tile")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32", choices=sorted(PRECISIONS))
    parser.add_argument("--batch-bytes", type=int, default=None)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--reference-git", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    peak = matmul_peak(arguments.device, PRECISIONS[arguments.precision])
    print(json.dumps({"matmul_peak_gflop_per_s": round(peak / 1e9, 1), "threads": arguments.threads}))
    for name in arguments.students.split(","):
        for shape in arguments.shapes.split(","):
            s2, s1 = (73, 120) if shape == "tile" else map(int, shape.split("x"))
            tile = random_tile(arguments.side, s2, s1, 0.55 if shape == "tile" else 1.0)
            print(json.dumps(measure(name, tile, arguments, peak)), flush=True)
    if arguments.reference:
        run_reference(arguments)


if __name__ == "__main__":
    main()
