"""How fast the encoders are: ours in float32 and bfloat16 beside the public implementation, on one tile.

    make bench-encoders                                  ours alone
    make bench-encoders UPSTREAM=path-to-a-checkout      beside the public implementation (ucam-eo/tessera)
    python bench/encoders.py --tile DIR --threads 2 --out figures.json

Every figure comes from a process of its own, one after the other, with the same random weights and the same
tile: 73 optical dates 55 % clear, 60 + 60 radar dates, unless --tile names a folder in the d-pixel layout.
End to end is from arrays on the host to int8 codes and scales on the host; forward is the network alone on
sequences of 40 + 40 observations. The share is of the operations needed (unique observations, products only)
over what this machine's matrix product does in the same number format.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.encoders.card import encoder_card
from models.encoders.configs import StudentConfig
from models.encoders.encoder import PRECISIONS, Encoder, has_bf16, operations
from models.encoders.engine.packed import Workspace
from models.encoders.inputs.dpixel_files import read_dpixel_directory
from models.encoders.inputs.dpixels import DPixels, clear_counts
from models.encoders.inputs.sequences import fill_v1_1, fill_v2
from models.encoders.networks.build import build_network
from models.encoders.quantise import quantise
from monitoring.scenes import Sensor

#: name -> (card, pixels along a side of the tile when none is given).
MODELS = {
    "v2-nano": ("tessera-v2-nano", 64),
    "v2-small": ("tessera-v2-small", 32),
    "v2-medium": ("tessera-v2-medium", 16),
    "v2-large": ("tessera-v2-large", 16),
    "v1.1": ("tessera-v1.1-mpc", 16),
    "underwood": ("underwood-student-1", 64),
}
#: Observations of each sensor in the forward figure.
FORWARD = (40, 40)
COLUMNS = {
    "model": "model", "who": "who", "px_per_s": "px/s", "px_per_cpu_s": "px/CPU s", "times": "times",
    "forward_px_per_s": "forward px/s", "gflop_per_s": "GFLOP/s", "matrix_gflop_per_s": "matrix",
    "share": "share", "peak_mib": "peak MiB", "largest_difference": "max diff", "least_cosine": "min cosine",
    "codes_within_one": "codes +-1",
}  # fmt: skip


# ---- what is measured -------------------------------------------------------------------------------------


def write_tile(folder: Path, side: int, seed: int = 3) -> None:
    """Write the synthetic tile: 73 optical dates 55 % clear, 60 + 60 radar dates."""
    random = np.random.default_rng(seed)
    usual = np.array([900, 500, 800, 3000, 3200, 1300, 2600, 2900, 1900, 1100])
    bands = (
        usual * random.uniform(0.6, 1.5, (73, side, side, 1)) * random.uniform(0.9, 1.1, (73, side, side, 10))
    )
    arrays = {
        "bands": bands.astype(np.uint16),
        "masks": (random.random((73, side, side)) < 0.55).astype(np.uint8),
        "doys": np.linspace(3, 363, 73).astype(np.uint16),
    }
    for orbit in ("ascending", "descending"):
        levels = [random.normal(mean, 300, (60, side, side)) for mean in (5600, 3000)]
        arrays[f"sar_{orbit}"] = np.stack(levels, axis=-1).astype(np.int16)
        arrays[f"sar_{orbit}_doy"] = np.linspace(2, 364, 60).astype(np.int32)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def network_of(name: str) -> torch.nn.Module:
    """Return the network with seeded random weights; speed does not depend on them."""
    torch.manual_seed(0)
    return build_network(encoder_card(MODELS[name][0])).eval().requires_grad_(False)


def best(call: Callable[[], Any], repeats: int, device: str) -> tuple[float, float, Any]:
    """Return the least wall-clock seconds, its CPU seconds, and the last result; one warm-up before."""
    result, taken = call(), []
    for _ in range(repeats):
        start, cpu = time.perf_counter(), time.process_time()
        result = call()
        if device != "cpu":
            torch.cuda.synchronize()
        taken.append((time.perf_counter() - start, time.process_time() - cpu))
    return (*min(taken), result)


def matrix_rate(device: str, dtype: torch.dtype) -> float:
    """Return the operations per second of the best of some matrix products on this device."""
    sizes = [(2048, 2048, 2048), (4096, 256, 1024)] if device == "cpu" else [(8192, 8192, 8192)]
    rates = []
    for m, k, n in sizes:
        a, b = torch.randn(m, k, device=device, dtype=dtype), torch.randn(k, n, device=device, dtype=dtype)
        for _ in range(5):
            seconds, _, _ = best(lambda a=a, b=b: torch.mm(a, b), 5, device)
            rates.append(2 * m * k * n / seconds)
    return max(rates)


def measure_ours(name: str, precision: str, tile: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of our engine on a tile, and its embeddings."""
    pixels, _ = read_dpixel_directory(tile)
    pixels = pixels.pixels(np.arange(pixels.n_pixels))
    network = network_of(name).to(arguments.device)
    encoder = Encoder(encoder_card(MODELS[name][0]), network, arguments.device, precision)
    encoder.embed(pixels.pixels(slice(0, 64)))

    def whole() -> tuple[np.ndarray, ...]:
        found = encoder.embed(pixels)
        return found.values, *quantise(found.values)

    wall, cpu, (values, *_) = best(whole, arguments.repeats, arguments.device)
    rate = matrix_rate(arguments.device, PRECISIONS[precision])
    needed = needed_operations(network, pixels)
    return {
        **speed(pixels.n_pixels, wall, cpu),
        "forward_px_per_s": round(forward_rate(encoder, arguments)),
        "gflop_per_pixel": round(needed / 1e9, 3),
        "gflop_per_s": round(needed * pixels.n_pixels / wall / 1e9, 1),
        "matrix_gflop_per_s": round(rate / 1e9, 1),
        "share": round(needed * pixels.n_pixels / wall / rate, 2),
        "embedding": values,
    }


def speed(pixels: int, wall: float, cpu: float) -> dict[str, float]:
    """Return pixels per second of wall-clock and of CPU time."""
    return {"px_per_s": round(pixels / wall, 1), "px_per_cpu_s": round(pixels / cpu, 1)}


def needed_operations(network: Any, pixels: DPixels) -> float:
    """Return the mean operations of a pixel over the tile's numbers of observations."""
    counts = clear_counts(pixels)
    radar = counts[Sensor.S1_ASCENDING] + counts[Sensor.S1_DESCENDING]
    each = [operations(network, s2, s1) for s2, s1 in zip(counts[Sensor.S2], radar, strict=True)]
    return float(np.mean(each))


def forward_rate(encoder: Encoder, arguments: argparse.Namespace) -> float:
    """Return pixels per second of the network alone, on ready-made sequences in one thread per core."""
    from concurrent.futures import ThreadPoolExecutor

    rule = fill_v2 if isinstance(encoder.network.config, StudentConfig) else fill_v1_1
    batch = 64 if arguments.device == "cpu" else 8192
    made = [
        (torch.randn(batch, steps, bands, device=arguments.device),
         torch.randint(1, 366, (batch, steps), device=arguments.device), rule(steps))
        for steps, bands in zip(FORWARD, (10, 2), strict=True)
    ]  # fmt: skip

    @torch.inference_mode()
    def forward(seconds: float) -> int:
        work, stop, done = Workspace(PRECISIONS[encoder.precision]), time.perf_counter() + seconds, 0
        while time.perf_counter() < stop:
            pooled = [run(*ready, work) for run, ready in zip(encoder._poolings, made, strict=True)]
            encoder.network.fuse(*pooled)
            if arguments.device != "cpu":
                torch.cuda.synchronize()
            done += batch
        return done

    forward(0.5)
    threads = torch.get_num_threads() if arguments.device == "cpu" else 1
    torch.set_num_threads(1)
    with ThreadPoolExecutor(threads) as pool:
        start = time.perf_counter()
        done = sum(pool.map(forward, [3.0] * threads))
    torch.set_num_threads(arguments.threads)
    return done / (time.perf_counter() - start)


# ---- the public implementation, imported from a checkout ---------------------------------------------------


def measure_upstream(name: str, tile: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of the public implementation on a tile, with our random weights."""
    run = upstream_v1_1 if name == "v1.1" else upstream_v2
    state, repeats = network_of(name).state_dict(), max(arguments.repeats // 2, 1)
    whole, forward = run(encoder_card(MODELS[name][0]).config, state, tile, arguments)
    wall, cpu, values = best(whole, repeats, arguments.device)
    forward_wall, _, _ = best(forward, 20, arguments.device)
    flat = values.reshape(-1, values.shape[-1])
    return {**speed(len(flat), wall, cpu), "forward_px_per_s": round(64 / forward_wall), "embedding": flat}


def dense(steps: int, bands: int) -> torch.Tensor:
    """Return 64 ready-made sequences in the public layout: bands, then the day."""
    return torch.cat([torch.randn(64, steps, bands), torch.randint(1, 366, (64, steps, 1)).float()], dim=-1)


def upstream_v2(config: Any, state: Any, tile: Path, arguments: argparse.Namespace) -> tuple[Any, Any]:
    """Return calls that embed the tile, and 64 ready-made sequences, with the public v2 code."""
    sys.path.insert(0, str(arguments.upstream / "tessera_infer_v2" / "student"))
    network, infer = importlib.import_module("model"), importlib.import_module("infer")
    sizes = ("latent_dim", "num_layers", "nhead", "dim_feedforward")
    student = network.PixelStudent(**{size: getattr(config, size) for size in sizes})
    student.load_state_dict(state, strict=False)
    student.to(arguments.device).eval()
    read = {path.stem: np.load(path) for path in tile.glob("*.npy")}
    raw = {
        key: value if "doy" in key or key == "masks" else value.astype(np.float32)
        for key, value in read.items()
    }

    def whole() -> np.ndarray:
        return infer.encode_tile(
            student, raw["bands"], raw["doys"].astype(np.int64), s2_masks=raw["masks"],
            s1_asc_bands=raw["sar_ascending"], s1_asc_doys=raw["sar_ascending_doy"].astype(np.int64),
            s1_desc_bands=raw["sar_descending"], s1_desc_doys=raw["sar_descending_doy"].astype(np.int64),
            batch_pixels=256, device=torch.device(arguments.device),
        )  # fmt: skip

    ready = [dense(steps, bands).to(arguments.device) for steps, bands in zip(FORWARD, (10, 2), strict=True)]
    return whole, lambda: _without_gradients(student.encode, ready)


def _without_gradients(call: Callable[..., Any], ready: list[torch.Tensor]) -> Any:
    with torch.no_grad():
        return call(*ready)


def upstream_v1_1(config: Any, state: Any, tile: Path, arguments: argparse.Namespace) -> tuple[Any, Any]:
    """Return the same calls with the public v1.1 code."""
    root = arguments.upstream / "tessera_infer_QAT"
    sys.path.insert(0, str(root / "src"))
    for name in [name for name in sys.modules if name.partition(".")[0] == "models"]:
        del sys.modules[name]  # the public code has a package of that name too
    spec = importlib.util.spec_from_file_location(
        "upstream_config", root / "configs" / "v1_1_infer_config.py"
    )
    assert spec is not None
    assert spec.loader is not None
    stated = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stated)
    parts = [
        importlib.import_module(part)
        for part in (
            "models.ssl_model_v1_1",
            "datasets.ssl_dataset_v1_1",
            "infer_v1_1",
            "models.quantization",
        )
    ]
    architecture, datasets, infer, quantisation = parts
    network = architecture.build_v1_1_inference_model(stated.config, torch.device(arguments.device)).eval()
    network.load_state_dict(state, strict=False)

    def whole() -> np.ndarray:
        read = datasets.SingleTileInferenceDatasetV1_1(str(tile), dict(stated.config, num_workers=0))
        values = np.zeros((len(read), 128), np.float32)
        with torch.no_grad():
            for rows in infer.BucketBatchSampler(read, 512):
                batch = infer._collate([read[row] for row in rows])
                found = network(batch["s2"].to(arguments.device), batch["s1"].to(arguments.device))[
                    :, :128
                ].float()
                quantisation.quantize_tensor_symmetric_per_row(found)
                values[rows] = found.cpu().numpy()
        return values

    ready = [dense(steps, bands).to(arguments.device) for steps, bands in zip(FORWARD, (10, 2), strict=True)]
    return whole, lambda: _without_gradients(network, ready)


# ---- one process per figure --------------------------------------------------------------------------------


def worker(arguments: argparse.Namespace) -> None:
    """Measure one thing, leave the embeddings in a file, print the figures."""
    torch.set_num_threads(arguments.threads)
    name, who = arguments.worker.split(":")
    measured = (
        measure_upstream(name, arguments.tile, arguments)
        if who == "upstream"
        else measure_ours(name, who, arguments.tile, arguments)
    )
    np.save(arguments.out, measured.pop("embedding"))
    measured["peak_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps(measured))


def run_worker(
    name: str, who: str, tile: Path, folder: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Return the figures that a process of its own measured, with its embeddings."""
    out = folder / f"{name}-{who}.npy"
    command = [sys.executable, __file__, "--worker", f"{name}:{who}", "--tile", str(tile), "--out", str(out)]
    options = ["--threads", str(arguments.threads), "--device", arguments.device]
    upstream = ["--upstream", str(arguments.upstream)] if arguments.upstream else []
    command += [*options, *upstream, "--repeats", str(arguments.repeats)]
    environment = os.environ | {"OMP_NUM_THREADS": str(arguments.threads)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{name} {who}: {done.stderr[-2000:]}")
    return {"model": name, "who": who, **json.loads(done.stdout.splitlines()[-1]), "embedding": np.load(out)}


def compare(rows: list[dict[str, Any]]) -> None:
    """Add to each row how it compares with the first: the public implementation, or ours in float32."""
    first = rows[0]
    exact, exact_codes = first["embedding"], quantise(first["embedding"])[0].astype(int)
    for row in rows[1:]:
        values = row["embedding"]
        cosine = (values * exact).sum(1) / np.linalg.norm(values, axis=1) / np.linalg.norm(exact, axis=1)
        row["times"] = round(row["px_per_s"] / first["px_per_s"], 2)
        row["largest_difference"] = float(f"{np.abs(values - exact).max():.1e}")
        row["least_cosine"] = round(float(cosine.min()), 6)
        row["codes_within_one"] = round(float((np.abs(quantise(values)[0] - exact_codes) <= 1).mean()), 4)
    for row in rows:
        del row["embedding"]


def measure_model(name: str, folder: Path, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row for each implementation of one model on one tile."""
    tile = arguments.tile
    if tile is None:
        tile = folder / name
        tile.mkdir()
        write_tile(tile, MODELS[name][1])
    known = arguments.upstream is not None and name != "underwood"
    kinds = [*(["upstream"] if known else []), *arguments.precisions.split(",")]
    rows = [run_worker(name, who, tile, folder, arguments) for who in kinds]
    compare(rows)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as text in columns."""
    cells = [list(COLUMNS.values()), *([str(row.get(key, "")) for key in COLUMNS] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells
    )


def machine(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what the figures were measured on."""
    names = Path("/proc/cpuinfo")
    lines = names.read_text().splitlines() if names.exists() else []
    processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")
    device = processor if arguments.device == "cpu" else torch.cuda.get_device_name(arguments.device)
    amx = bool(torch.cpu._is_amx_tile_supported())
    return {"device": device, "threads": arguments.threads, "torch": torch.__version__, "amx": amx,
            "avx512_bf16": bool(torch.cpu._is_avx512_bf16_supported()), "python": platform.python_version(),
            "load": os.getloadavg()}  # fmt: skip


def parse() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", default="v2-nano,v2-small,v1.1", help=", ".join(MODELS))
    parser.add_argument("--upstream", type=Path, help="checkout of the public implementation")
    parser.add_argument("--tile", type=Path, help="folder in the d-pixel layout")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precisions", default="fp32,bf16" if has_bf16() else "fp32")
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--out", type=Path, help="file for the figures as JSON")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Print a table, and write JSON when asked."""
    arguments = parse()
    if arguments.worker:
        worker(arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            row
            for name in arguments.models.split(",")
            for row in measure_model(name, Path(folder), arguments)
        ]
    print(json.dumps(machine(arguments)))
    print(table(rows))
    if arguments.out:
        arguments.out.write_text(json.dumps({"machine": machine(arguments), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
