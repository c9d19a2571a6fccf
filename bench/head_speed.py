"""How fast a head serves: mean, sd and applicability of a million pixels of 128 dimensions.

    python bench/head_speed.py [--pixels 1000000] [--threads 2] [--device cuda] [--out FILE.json]

Every candidate runs in a process of its own, one after the other, fitted to the same made-up samples. whole
is what a caller waits for; without area leaves the applicability out; moments is the way back from the
transformed scale alone. bound is the time that the operations of the matrix products would take at the rate
this machine shows for a product of their kind. cpu_s is the CPU time: where it is far below threads x
seconds, the machine had other work, and the seconds say nothing. peak MiB is what serving added.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.heads.applicability import Applicability, fit_applicability
from models.heads.candidates import fourier, landmarks, mean, ridge
from models.heads.candidates.contract import Training
from models.heads.serving import ServedHead
from models.heads.transforms import moments
from models.heads.uncertainty.conformal import Conformal
from models.heads.uncertainty.parts import ErrorParts
from monitoring.spatial_error import Correlation
from monitoring.targets import Target

CANDIDATES = {each.CANDIDATE.name: each.CANDIDATE for each in (mean, ridge, fourier, landmarks)}
DIMS, SEED = 128, 0
COLUMNS = ("candidate", "whole_s", "without_area_s", "moments_s", "bound_s", "cpu_s", "peak_mib")


@dataclass(frozen=True)
class Corrected:
    """One unit of residual variance, as cross-validation would have found it."""

    scale: float = 1.0
    residual: float = 1.0


def samples(n: int) -> Training:
    """Return n samples in 50 groups; dimensions correlated, as those of an embedding are."""
    random = np.random.default_rng(SEED)
    x = random.normal(size=(n, 40)) @ random.normal(size=(40, DIMS)) + 0.3 * random.normal(size=(n, DIMS))
    latent = 6 + np.tanh(x[:, 0] / 4) + 0.02 * x[:, 1] ** 2 + random.normal(size=n)
    return Training(x, np.zeros((n, 1)), latent, np.ones(n), np.arange(n) % 50)


def pixels(training: Training, n: int) -> NDArray[np.float32]:
    """Return n embeddings near the samples."""
    random = np.random.default_rng(SEED + 1)
    chosen = training.embeddings[random.integers(0, len(training.latent), n)].astype(np.float32)
    return np.asarray(chosen + random.standard_normal((n, DIMS), dtype=np.float32))


def head_of(training: Training, name: str, area: Applicability | None, device: str) -> ServedHead:
    """Return the candidate, fitted and ready to serve."""
    module = CANDIDATES[name].fit(training, SEED)
    parts = ErrorParts(0.5, 0.3, 0.2, "made up", Correlation(0.5, 100.0))
    target = Target("richness", "taxa", "sqrt")
    return ServedHead.of(module, area, Corrected(), Conformal(1.0, 1.0), parts, target, (0.0,), device)


def operations(head: ServedHead) -> float:
    """Return the operations per pixel of its matrix products."""
    named = {name: each for name, each in head.module.named_buffers() if each.ndim == 2}
    products = [each for name, each in named.items() if name != "point_efforts"]
    if head.applicability is not None:
        products += [head.applicability.axes, head.applicability.right]
    return float(sum(2 * each.numel() for each in products))


def timed(call: Callable[[], Any], device: str) -> tuple[float, float]:
    """Return the wall-clock and CPU seconds of a call."""
    start, cpu = time.perf_counter(), time.process_time()
    call()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start, time.process_time() - cpu


def peak_kib(forget: bool = False) -> int:
    """Return the largest resident memory so far (Linux), first set back to the present one if so asked."""
    if forget:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def matrix_rate(device: str) -> float:
    """Return the operations per second of the best of five products of 4,096 rows."""
    rows, inner, columns = 4096, DIMS, 1536
    a, b = torch.randn(rows, inner, device=device), torch.randn(inner, columns, device=device)
    seconds = [timed(lambda: torch.mm(a, b), device)[0] for _ in range(6)]
    return 2 * rows * inner * columns / min(seconds[1:])


def measured(asked: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of one candidate."""
    training = samples(asked.samples)
    area = fit_applicability(training.embeddings, np.full(DIMS, 1 / DIMS), training.group % 5)
    x = torch.from_numpy(pixels(training, asked.pixels)).to(asked.device)
    whole, bare = (head_of(training, asked.candidate, each, asked.device) for each in (area, None))
    whole.predict(x[:10_000])
    before = peak_kib(forget=True)
    seconds, cpu = timed(lambda: whole.predict(x), asked.device)
    peak = peak_kib() - before
    latent = torch.full((len(x),), 6.0, device=asked.device)
    return {
        "candidate": asked.candidate,
        "whole_s": round(seconds, 2),
        "without_area_s": round(timed(lambda: bare.predict(x), asked.device)[0], 2),
        "moments_s": round(timed(lambda: moments("sqrt", latent, latent), asked.device)[0], 3),
        "bound_s": round(operations(whole) * len(x) / matrix_rate(asked.device), 2),
        "cpu_s": round(cpu, 2),
        "peak_mib": round(peak / 1024),
    }


def in_a_process(name: str, arguments: list[str], threads: int) -> dict[str, Any]:
    """Return what `measured` found in a fresh process of so many threads."""
    said = subprocess.run(
        [sys.executable, __file__, *arguments, "--candidate", name],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    if said.returncode:
        sys.exit(f"{name}: exit {said.returncode}\n{said.stderr[-2000:]}")
    figures: dict[str, Any] = json.loads(said.stdout.splitlines()[-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pixels", type=int, default=1_000_000)
    parser.add_argument("--samples", type=int, default=1_500)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--candidate", choices=CANDIDATES, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.candidate:
        print(json.dumps(measured(asked)))
        return
    arguments = ["--pixels", str(asked.pixels), "--samples", str(asked.samples), "--device", asked.device]
    print("".join(f"{column:>15}" for column in COLUMNS))
    rows = []
    for name in CANDIDATES:
        rows.append(in_a_process(name, arguments, asked.threads))
        print("".join(f"{rows[-1][column]:>15}" for column in COLUMNS), flush=True)
    if asked.out:
        report = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
            "device": asked.device,
            "threads": asked.threads,
            "pixels": asked.pixels,
            "samples": asked.samples,
            "candidates": rows,
        }
        asked.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
