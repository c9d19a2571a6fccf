"""The encoder: from the d-pixels of a block's season to one embedding per pixel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.encoders.card import EncoderCard
from models.encoders.checkpoint import load_weights
from models.encoders.configs import StudentConfig
from models.encoders.dpixels import DPixels
from models.encoders.observations import Observations, optical, radar
from models.encoders.tessera_v2 import Backbone, Student
from monitoring.errors import ModelError

#: Activations of one batch, bytes: what a CPU core's caches like, and what keeps a GPU busy.
CPU_BATCH_BYTES = 8 * 2**20
GPU_BATCH_BYTES = 1024 * 2**20
#: Pixels gathered at a time: bounds what is read from a memory-mapped tile, and what is sorted by length.
CHUNK_PIXELS = 16384
#: The architecture this room builds.
ARCHITECTURE = "tessera-v2-student"
#: Number formats an encoder may compute in.
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}

Progress = Callable[[int, int], None]


class Reason(IntEnum):
    """Why an embedding is missing."""

    EMBEDDED = 0
    """It is not."""
    NO_OBSERVATION = 1
    """Neither a clear optical nor a radar observation in the season."""


@dataclass(frozen=True)
class Embeddings:
    """What an encoder says about N pixels."""

    values: NDArray[np.float32]
    """(N, D); a row of NaN where there is none."""
    reason: NDArray[np.uint8]
    """(N,) a Reason for each pixel."""


@dataclass(frozen=True)
class Encoder:
    """A frozen student on a device, with the card that identifies it."""

    card: EncoderCard
    student: Student
    device: str
    dtype: torch.dtype

    def embed(
        self, pixels: DPixels, *, batch_bytes: int | None = None, progress: Progress | None = None
    ) -> Embeddings:
        """Return the embeddings of N pixels, in their order.

        An absent sensor is one all-zero step, as the students were trained; with both absent the row is
        NaN with its reason. `batch_bytes` bounds the activations of a batch; it changes results by float32
        rounding at most.
        """
        values = np.full((pixels.n_pixels, self.card.dims), np.nan, np.float32)
        for start in range(0, pixels.n_pixels, CHUNK_PIXELS):
            chunk = slice(start, min(start + CHUNK_PIXELS, pixels.n_pixels))
            values[chunk] = self._embed_chunk(pixels.pixels(chunk), batch_bytes or self.default_batch_bytes)
            if progress is not None:
                progress(chunk.stop, pixels.n_pixels)
        missing = np.isnan(values[:, 0])
        return Embeddings(values, np.where(missing, Reason.NO_OBSERVATION, Reason.EMBEDDED).astype(np.uint8))

    @property
    def default_batch_bytes(self) -> int:
        """Bytes of activations per batch when the caller states none."""
        return CPU_BATCH_BYTES if self.device == "cpu" else GPU_BATCH_BYTES

    @torch.inference_mode()
    def _embed_chunk(self, pixels: DPixels, batch_bytes: int) -> NDArray[np.float32]:
        statistics = self.card.statistics
        s2, s1 = optical(pixels, statistics), radar(pixels, statistics)
        pooled = [
            self._pool(backbone, seen, batch_bytes)
            for backbone, seen in ((self.student.s2_backbone, s2), (self.student.s1_backbone, s1))
        ]
        values: NDArray[np.float32] = self.student.fuse(*pooled).float().cpu().numpy()
        values[s2.absent & s1.absent] = np.nan
        return values

    def _pool(self, backbone: Backbone, seen: Observations, batch_bytes: int) -> Tensor:
        """Return (N, d); pixels are batched by their number of observations, so there is little padding."""
        config = self.student.config
        pooled = torch.empty((seen.n_pixels, config.width), dtype=self.dtype, device=self.device)
        bytes_per_token = self.dtype.itemsize * (8 * config.width + config.dim_feedforward)
        for rows in length_batches(seen.count, max(batch_bytes // bytes_per_token, 1)):
            tokens = seen.tokens(rows).to(self.device, self.dtype)
            pooled[torch.from_numpy(rows)] = backbone(tokens)
        return pooled


def length_batches(count: NDArray[np.int64], max_tokens: int) -> Iterator[NDArray[np.int64]]:
    """Yield groups of rows, shortest first, whose padded size is at most `max_tokens` (or one row)."""
    order = np.argsort(count, kind="stable")
    stop = len(order)
    start = 0
    while start < stop:
        lengths = np.maximum(count[order[start:]], 1)
        padded = lengths * np.arange(1, len(lengths) + 1)
        size = max(int(np.searchsorted(padded, max_tokens, side="right")), 1)
        yield order[start : start + size]
        start += size


def load_encoder(
    card: EncoderCard, weights: Path | None = None, *, device: str = "cpu", precision: str = "fp32"
) -> Encoder:
    """Return the encoder of a card, its weights checked against it, on `device` ('cpu', 'cuda', 'cuda:1').

    WeightsError when the weights cannot be trusted or do not fit; ModelError for a device or precision
    that is not there.
    """
    if precision not in PRECISIONS:
        raise ModelError(f"precision {precision!r}: must be one of {', '.join(PRECISIONS)}")
    if device != "cpu" and not (device.startswith("cuda") and torch.cuda.is_available()):
        raise ModelError(f"device {device!r}: must be cpu, or cuda where torch sees a CUDA device")
    if card.architecture != ARCHITECTURE:
        raise ModelError(f"encoder {card.id}: architecture {card.architecture!r}, known is {ARCHITECTURE}")
    dtype = PRECISIONS[precision]
    if not isinstance(card.config, StudentConfig):
        raise ModelError(f"encoder {card.id}: not a student")
    student = load_weights(Student(card.config), card, weights)
    return Encoder(card, student.to(device, dtype), device, dtype)
