"""Seats: one encoder per device, and whoever embeds takes a free one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING

from monitoring.errors import ModelError

if TYPE_CHECKING:
    from models.encoders.encoder import Encoder


class Seats:
    """The encoders of a process: a CPU has one, as it uses every core; several GPUs share out the blocks."""

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        self._free: SimpleQueue[Encoder] = SimpleQueue()
        for encoder in encoders:
            self._free.put(encoder)

    @contextmanager
    def taken(self) -> Iterator[Encoder]:
        """Yield an encoder nobody else uses meanwhile, waiting for one where all are in use."""
        encoder = self._free.get()
        try:
            yield encoder
        finally:
            self._free.put(encoder)


def devices(asked: str) -> tuple[str, ...]:
    """Return the devices to embed on: every GPU where one is asked for or there, else the CPU."""
    import torch

    if choose_device(asked) == "cpu":
        return ("cpu",)
    return tuple(f"cuda:{number}" for number in range(torch.cuda.device_count()))


def choose_device(asked: str) -> str:
    """Return `cpu` or `cuda`; ModelError when a GPU was asked for and there is none, or for another word."""
    import torch

    if asked not in ("auto", "cpu", "cuda"):
        raise ModelError(f"device {asked!r}: known are auto, cpu, cuda")
    available = torch.cuda.is_available()
    if asked == "cuda" and not available:
        raise ModelError("device cuda: this machine has no usable NVIDIA GPU; set device to auto or cpu")
    return "cuda" if available and asked != "cpu" else "cpu"
