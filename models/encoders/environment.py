"""The environment of an encoder: what it computes with here, as far as that can move a number."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from models.encoders.encoder import Encoder
from models.encoders.panel import Environment


def environment_of(encoder: Encoder) -> Environment:
    """Return what an encoder computes with on its device, now."""
    kind = encoder.device.partition(":")[0]
    return Environment(
        device=kind,
        processor=torch.cuda.get_device_name(encoder.device) if kind == "cuda" else _cpu_name(),
        capability=_capability(encoder.device),
        precision=encoder.precision,
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        numpy=np.__version__,
        code=f"{version('underwood')}+{_source_digest()}",
        card=encoder.card.digest,
    )


def _capability(device: str) -> str:
    if device == "cpu":
        return str(torch.backends.cpu.get_cpu_capability())
    return ".".join(map(str, torch.cuda.get_device_capability(device)))


@cache
def _cpu_name() -> str:
    """Return the processor's name as the kernel gives it, or the kind of machine."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


@cache
def _source_digest() -> str:
    """Return eight hex digits that name the source of the encoders as it stands."""
    sources = sorted(Path(__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:8]
