"""Embedding a folder of d-pixels into one file, for those who bring their own pixels."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flows.files import write_whole
from flows.workspace import choose_device
from models.encoders.card import encoder_card
from models.encoders.dpixel_files import read_dpixel_directory
from models.encoders.encoder import load_encoder
from models.encoders.quantise import quantise
from monitoring.errors import SettingsError


@dataclass(frozen=True)
class EmbeddedFile:
    """What was written."""

    path: Path
    n_pixels: int
    n_missing: int
    """Pixels without any observation: NaN rows."""


def embed_directory(
    encoder: str,
    weights: Path | None,
    source: Path,
    out: Path,
    device: str,
    progress: Callable[[int, int], None],
) -> EmbeddedFile:
    """Write the embeddings of a d-pixel folder to an .npz, whole or not at all.

    Arrays: `embedding` (H, W, D) float32 with NaN where nothing was observed, `int8` (H, W, D),
    `scale` (H, W), `reason` (H, W), `encoder` the card's id.
    """
    if out.suffix != ".npz":
        raise SettingsError(f"--out {out}: the name must end in .npz")
    card = encoder_card(encoder)
    encoder_of_card = load_encoder(card, weights, device=choose_device(device))
    pixels, shape = read_dpixel_directory(source)
    embeddings = encoder_of_card.embed(pixels, progress=progress)
    codes, scales = quantise(embeddings.values)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        embedding=embeddings.values.reshape(*shape, -1),
        int8=codes.reshape(*shape, -1),
        scale=scales.reshape(shape),
        reason=embeddings.reason.reshape(shape),
        encoder=np.array(card.id),
    )
    write_whole(out, buffer.getvalue())
    return EmbeddedFile(out, pixels.n_pixels, int((embeddings.reason != 0).sum()))
