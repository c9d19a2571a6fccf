"""Peak memory and time of `underwood embed` on a million pixels of 73 optical and 120 radar dates (2 GB).

    python bench/million_pixels.py [--pixels 1000000] [--encoder underwood-student-1] [--weights FILE]

The folder is written piece by piece, so the figures are those of the command alone: the peak resident memory
of its process, as the system counts it (memory maps included), and its wall-clock time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

#: Optical dates, radar dates of each orbit, share of clear optical observations.
OPTICAL, RADAR, CLEAR = 73, 60, 0.55
#: Height of the tile; its width is pixels / height.
HEIGHT = 1000


def write_folder(folder: Path, pixels: int, seed: int = 3) -> None:
    """Write a d-pixel folder of random observations, one date at a time."""
    random, shape = np.random.default_rng(seed), (HEIGHT, pixels // HEIGHT)
    write_frames(folder / "bands.npy", OPTICAL, shape, 10, np.uint16, random)
    write_masks(folder / "masks.npy", shape, random)
    np.save(folder / "doys.npy", np.linspace(3, 363, OPTICAL).astype(np.uint16))
    for orbit in ("ascending", "descending"):
        write_frames(folder / f"sar_{orbit}.npy", RADAR, shape, 2, np.int16, random)
        np.save(folder / f"sar_{orbit}_doy.npy", np.linspace(2, 364, RADAR).astype(np.int32))


def write_frames(
    path: Path, times: int, shape: tuple[int, int], bands: int, kind: type, random: np.random.Generator
) -> None:
    frames = np.lib.format.open_memmap(path, "w+", kind, (times, *shape, bands))
    for frame in frames:
        frame[:] = random.integers(500, 6000, frame.shape, dtype=kind)
    frames.flush()


def write_masks(path: Path, shape: tuple[int, int], random: np.random.Generator) -> None:
    masks = np.lib.format.open_memmap(path, "w+", np.uint8, (OPTICAL, *shape))
    for mask in masks:
        mask[:] = random.random(shape, np.float32) < CLEAR
    masks.flush()


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pixels", type=int, default=1_000_000)
    parser.add_argument("--encoder", default="underwood-student-1")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--precision", default="fp32")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "tile"
        folder.mkdir()
        write_folder(folder, arguments.pixels)
        out = Path(name) / "embeddings.npz"
        command = [str(Path(sys.executable).with_name("underwood")), "embed", "--encoder", arguments.encoder]
        command += ["--input", str(folder), "--out", str(out), "--precision", arguments.precision]
        command += ["--weights", str(arguments.weights)] if arguments.weights else []
        start = time.perf_counter()
        subprocess.run(command, check=True, cwd=name, env=os.environ | {"OMP_NUM_THREADS": "2"})
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        input_bytes = sum(path.stat().st_size for path in folder.iterdir())
    figures = {"pixels": arguments.pixels, "encoder": arguments.encoder, "seconds": round(seconds, 1),
               "pixels_per_s": round(arguments.pixels / seconds), "input_mib": round(input_bytes / 2**20),
               "peak_mib": round(peak / 1024)}  # fmt: skip
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
