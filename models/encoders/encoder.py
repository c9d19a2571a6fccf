"""The engine: from the d-pixels of a block's season to one embedding per pixel.

Pixels come in chunks. In a chunk the pixels of each number of observations make a group without padding;
groups are cut into batches, and on a CPU each batch is computed by one thread from beginning to end, so that
its intermediates stay in that core's cache. No result depends on batch, chunk, order or thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.encoders.agreement import refuse_disagreement
from models.encoders.card import D_PIXELS, EncoderCard
from models.encoders.embeddings import Embeddings, Progress, Reason
from models.encoders.engine.backbones import PixelNetwork, Pooling, least_pixels, pooling_of
from models.encoders.engine.batches import Batch, Crew, crew_for, give_back_memory
from models.encoders.engine.packed import MIN_ROWS
from models.encoders.inputs.dpixels import DPixels
from models.encoders.inputs.sequences import (
    Frames,
    Group,
    fill_v1_1,
    fill_v2,
    groups_by_count,
    groups_drawn,
    optical,
    radar,
)
from models.encoders.networks.build import build_network
from models.encoders.networks.tessera_v1 import TesseraV1
from models.encoders.networks.tessera_v2 import Student
from models.encoders.weights.checkpoint import load_weights
from monitoring.errors import ModelError

#: Number formats an encoder may compute in.
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
#: What an encoder may hold beside its input and output, bytes, when the caller states nothing.
CPU_MEMORY_BYTES = 512 * 2**20
GPU_MEMORY_BYTES = 16 * 2**30
#: Intermediates of one batch on a CPU, bytes: about what a core has of the caches.
CPU_BATCH_BYTES = 12 * 2**20
#: Tokens of a batch below which packing the weights costs more than the product.
LEAST_TOKENS = 1024
#: Pixels of a batch below which a recurrent pooling is slow: its products have one row a pixel.
RECURRENT_PIXELS = 48
#: Operations of a chunk (about 20 s of two CPU cores), and the bounds of its size in pixels.
CHUNK_OPERATIONS = 4e12
LEAST_CHUNK, LARGEST_CHUNK = 1024, 16384
#: Pixels of the first chunk on which bfloat16 is compared with float32.
COMPARED_PIXELS = 64

#: Ways in which a pixel's valid observations become its sequence, by the name cards give them.
GROUPINGS: dict[str, Callable[[Frames], Iterator[Group]]] = {
    "v2": lambda frames: groups_by_count(frames.valid, fill_v2),
    "v1.1": lambda frames: groups_by_count(frames.valid, fill_v1_1),
    "v1.0": groups_drawn,
}


@dataclass(frozen=True)
class Chunk:
    """Consecutive pixels and their raw frames."""

    rows: slice
    s2: Frames
    s1: Frames

    @property
    def absent(self) -> NDArray[np.bool_]:
        """(N,) True where neither sensor observed anything."""
        seen = np.concatenate([self.s2.valid, self.s1.valid], axis=1).any(axis=1)
        return np.asarray(~seen)


@dataclass(frozen=True)
class Encoder:
    """A frozen network on a device, with the card that identifies it."""

    card: EncoderCard
    network: PixelNetwork
    """In float32, on the device."""
    device: str
    precision: str

    @property
    def dtype(self) -> torch.dtype:
        """The number format it computes in."""
        return PRECISIONS[self.precision]

    def embed(
        self, pixels: DPixels, *, memory_bytes: int | None = None, progress: Progress | None = None
    ) -> Embeddings:
        """Return the embeddings of N pixels, in their order: (N, D) float32.

        An absent sensor is what the network was trained to see there; with both absent the row is NaN with
        its reason. `memory_bytes` bounds what is held beside input and output; it never changes a result.
        ModelError when not even one pixel fits in memory, or bfloat16 disagrees with float32.
        """
        values = np.empty((pixels.n_pixels, self.card.dims), np.float32)
        reason = np.empty(pixels.n_pixels, np.uint8)
        for rows, part in self.stream(pixels, memory_bytes=memory_bytes, progress=progress):
            values[rows], reason[rows] = part.values, part.reason
        return Embeddings(values, reason)

    def stream(
        self,
        pixels: DPixels,
        *,
        start: int = 0,
        memory_bytes: int | None = None,
        progress: Progress | None = None,
    ) -> Iterator[tuple[slice, Embeddings]]:
        """Yield consecutive pixels, from pixel `start` on, and their embeddings, chunk by chunk.

        The next chunk is read while one is computed.
        """
        memory = memory_bytes or (CPU_MEMORY_BYTES if self.device == "cpu" else GPU_MEMORY_BYTES)
        with crew_for(self.device, self.dtype) as crew:
            for chunk in self._chunks(pixels, start, memory):
                tell = _telling(progress, chunk.rows, pixels.n_pixels)
                found = self._embed(chunk, crew, memory, tell)
                self._refuse_inexact(pixels, chunk.rows, found)
                yield chunk.rows, found
                give_back_memory()

    def _chunks(self, pixels: DPixels, start: int, memory: int) -> Iterator[Chunk]:
        """Yield chunks, each read while the one before is in use."""
        size = self.chunk_pixels(pixels, memory)
        stops = range(start, pixels.n_pixels, size)
        parts = [slice(first, min(first + size, pixels.n_pixels)) for first in stops]
        with ThreadPoolExecutor(1) as reader:
            coming = [reader.submit(self._read, pixels, rows) for rows in parts[:1]]
            for following in [*parts[1:], None]:
                if not coming:
                    return
                chunk = coming.pop().result()
                if following is not None:
                    coming.append(reader.submit(self._read, pixels, following))
                yield chunk

    def chunk_pixels(self, pixels: DPixels, memory: int) -> int:
        """Return how many pixels are read and handed over at a time."""
        s2, s1 = len(pixels.doys), len(pixels.sar_ascending) + len(pixels.sar_descending)
        bytes_each = 21 * s2 + 5 * s1 + 32 * self.network.config.width
        by_work = max(int(CHUNK_OPERATIONS / max(operations(self.network, s2, s1), 1)), LEAST_CHUNK)
        largest = min(by_work, LARGEST_CHUNK) if self.device == "cpu" else memory
        return max(min(largest, memory // 4 // bytes_each), 1)

    def _read(self, pixels: DPixels, rows: slice) -> Chunk:
        part, statistics = pixels.pixels(rows), self.card.statistics
        chunk = Chunk(rows, optical(part, statistics, self.device), radar(part, statistics, self.device))
        part.forget()
        return chunk

    def _embed(self, chunk: Chunk, crew: Crew, memory: int, tell: Callable[[float], None]) -> Embeddings:
        absent = chunk.absent
        shape = (2, max(len(absent), MIN_ROWS), self.network.config.width)
        pooled = torch.zeros(shape, device=self.device)
        batches = list(self._batches(chunk, pooled, memory // 2 // crew.size))
        done, whole = 0, sum(batch.tokens for batch in batches)
        for tokens in crew.compute(batches):
            done += tokens
            tell(done / whole)
        values = self._fuse(pooled)[: len(absent)]
        values[absent] = np.nan
        self._refuse_broken(values, absent, chunk.rows)
        return Embeddings(values, np.where(absent, Reason.NO_OBSERVATION, Reason.EMBEDDED).astype(np.uint8))

    def _refuse_broken(self, values: NDArray[np.float32], absent: NDArray[np.bool_], rows: slice) -> None:
        """Raise ModelError where a pixel that was observed came out as no number."""
        broken = np.flatnonzero(~np.isfinite(values).all(axis=1) & ~absent)
        if len(broken):
            raise ModelError(
                f"encoder {self.card.id}: {len(broken)} observed pixels, the first of them pixel "
                f"{rows.start + broken[0]}, came out as no number; expected finite embeddings"
            )

    def _batches(self, chunk: Chunk, pooled: Tensor, memory: int) -> Iterator[Batch]:
        for frames, pooling, out in zip((chunk.s2, chunk.s1), self._poolings, pooled, strict=True):
            for group in GROUPINGS[self.card.selection](frames):
                for part in group.split(self._batch_pixels(group.length, memory)):
                    yield Batch(frames, part, pooling, least_pixels(self.network, group.length), out)

    def _batch_pixels(self, length: int, memory: int) -> int:
        """Return how many pixels of a sequence length make a batch."""
        config, itemsize = self.network.config, self.dtype.itemsize
        bytes_per_token = itemsize * (9 * config.width + config.dim_feedforward + 2 * length)
        bound = max(memory // (length * bytes_per_token), 1)
        if self.device != "cpu":
            return bound
        cached = max(CPU_BATCH_BYTES // bytes_per_token, LEAST_TOKENS) // length
        least = RECURRENT_PIXELS if isinstance(self.network, TesseraV1) else 1
        return min(max(cached, least), bound)

    @cached_property
    def _poolings(self) -> tuple[Pooling, Pooling]:
        s2, s1 = self.network.s2_backbone, self.network.s1_backbone
        return pooling_of(s2, self.device, self.dtype), pooling_of(s1, self.device, self.dtype)

    @torch.inference_mode()
    def _fuse(self, pooled: Tensor) -> NDArray[np.float32]:
        """Return (N, D) from both sensors' vectors (2, N, d)."""
        fused: NDArray[np.float32] = self.network.fuse(*pooled)[:, : self.card.dims].cpu().numpy()
        return np.ascontiguousarray(fused)

    def _refuse_inexact(self, pixels: DPixels, rows: slice, found: Embeddings) -> None:
        """Compare the first pixels in bfloat16 with float32, once for an encoder."""
        if self.precision == "fp32" or self._compared:
            return
        first = slice(rows.start, min(rows.start + COMPARED_PIXELS, rows.stop))
        exact = replace(self, precision="fp32").embed(pixels.pixels(first))
        refuse_disagreement(self.card.id, exact.values, found.values[: len(exact.values)])
        self._compared.append(True)

    @cached_property
    def _compared(self) -> list[bool]:
        return []


def _telling(progress: Progress | None, rows: slice, n_pixels: int) -> Callable[[float], None]:
    """Return what turns the share of a chunk that is done into a number of pixels."""

    def tell(share: float) -> None:
        if progress is not None:
            progress(rows.start + round(share * (rows.stop - rows.start)), n_pixels)

    return tell


def operations(network: PixelNetwork, s2: float, s1: float) -> float:
    """Return the floating-point operations that one pixel of s2 + s1 observations needs, products only."""
    config = network.config
    d, f, layers = config.width, config.dim_feedforward, config.num_layers
    recurrent = 6 * d * d if isinstance(network, TesseraV1) else 0

    def backbone(tokens: float, bands: int) -> float:
        per_layer = tokens * (4 * d * d + 2 * d * f) + 2 * tokens * tokens * d
        return tokens * (bands * d + d * d + recurrent) + layers * per_layer

    return 2 * (backbone(s2, 10) + backbone(s1, 2) + 8 * d * d + 4 * d * config.repr_dim)


def load_encoder(
    card: EncoderCard, weights: Path | None = None, *, device: str = "cpu", precision: str = "fp32"
) -> Encoder:
    """Return the encoder of a card, its weights checked against it, on `device` ('cpu', 'cuda', 'cuda:1').

    WeightsError when the weights cannot be trusted or do not fit; ModelError for a device or precision
    that is not there, or a card whose input is not d-pixels.
    """
    refuse_precision(precision, device)
    if card.input != D_PIXELS:
        raise ModelError(f"encoder {card.id}: takes {card.input}, not {D_PIXELS}")
    network = load_weights(build_network(card), card, weights)
    assert isinstance(network, Student | TesseraV1)
    return Encoder(card, network.to(device), device, precision)


def refuse_precision(precision: str, device: str) -> None:
    """Raise ModelError for a device or number format that this machine does not have."""
    if precision not in PRECISIONS:
        raise ModelError(f"precision {precision!r}: must be one of {', '.join(PRECISIONS)}")
    if device != "cpu" and not (device.startswith("cuda") and torch.cuda.is_available()):
        raise ModelError(f"device {device!r}: must be cpu, or cuda where torch sees a CUDA device")
    if precision == "bf16" and device == "cpu" and not has_bf16():
        raise ModelError("precision 'bf16': this CPU has neither AVX512-BF16 nor AMX; use fp32")


def has_bf16() -> bool:
    """Return whether this CPU multiplies bfloat16 in hardware."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
