"""Embedding what users bring: a folder of d-pixels, or a table of point samples, into one file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.estimating.parts import embed_in_parts
from flows.estimating.seats import choose_device
from flows.files import whole_file
from models.encoders.card import D_PIXELS, EncoderCard, card_with_dims, encoder_card
from models.encoders.embeddings import Embeddings, Progress
from models.encoders.encoder import load_encoder
from models.encoders.inputs.dpixel_files import read_dpixel_directory
from models.encoders.inputs.dpixels import DPixels
from models.encoders.inputs.galileo_series import GalileoSeries
from models.encoders.inputs.point_series import read_point_series
from models.encoders.inputs.presto_series import PrestoSeries
from models.encoders.networks.build import build_network
from models.encoders.networks.galileo import Galileo, embed_galileo
from models.encoders.networks.presto import Presto, embed_presto
from models.encoders.quantise import quantise
from models.encoders.weights.checkpoint import load_weights
from monitoring.errors import SettingsError

#: Forms in which embeddings are written: every one of use, or one alone.
NUMBERS = ("all", "float32", "float16", "int8")


@dataclass(frozen=True)
class Request:
    """What to embed, with what, into which file."""

    encoder: str
    """Id of a card."""
    source: Path
    """Folder in the d-pixel layout, or an .npz of point samples in the encoder's own."""
    out: Path
    """File to write, .npz."""
    weights: Path | None = None
    """Weights for the card; what ships or was pulled where absent."""
    device: str = "auto"
    precision: str = "fp32"
    numbers: str = "all"
    dims: int | None = None
    """Length of the embeddings where the encoder has shorter ones; all of them where absent."""
    memory_bytes: int | None = None
    """Bound of what is held beside input and output; it changes no result."""


@dataclass(frozen=True)
class EmbeddedFile:
    """What was written."""

    path: Path
    n_pixels: int
    n_missing: int
    """Pixels without any observation: NaN rows."""


def embed_file(request: Request, progress: Progress) -> EmbeddedFile:
    """Write the embeddings of what a request names to an .npz, whole or not at all.

    Arrays: `embedding` (..., D) float32 or float16 with NaN where nothing was observed, and `int8` (..., D)
    with `scale` (...), as far as the request wants them; `reason` (...), `encoder` the card's id. The leading
    axes are (H, W) of a folder, (N,) of samples. A run that was killed goes on where it stopped.
    """
    if request.out.suffix != ".npz":
        raise SettingsError(f"--out {request.out}: the name must end in .npz")
    if request.numbers not in NUMBERS:
        raise SettingsError(f"--numbers {request.numbers}: must be one of {', '.join(NUMBERS)}")
    card = card_with_dims(encoder_card(request.encoder), request.dims)
    embeddings, shape = _embed(request, card, progress)
    arrays = arrays_of(embeddings, shape, request.numbers, card)
    with whole_file(request.out) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    return EmbeddedFile(request.out, len(embeddings.reason), int((embeddings.reason != 0).sum()))


def arrays_of(
    embeddings: Embeddings, shape: tuple[int, ...], numbers: str, card: EncoderCard
) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file of embeddings, by name."""
    arrays: dict[str, NDArray[Any]] = {
        "reason": embeddings.reason.reshape(shape),
        "encoder": np.array(card.id),
    }
    if numbers != "int8":
        kind = np.float16 if numbers == "float16" else np.float32
        arrays["embedding"] = embeddings.values.astype(kind, copy=False).reshape(*shape, -1)
    if numbers in ("all", "int8"):
        codes, scales = quantise(embeddings.values, card.selection)
        arrays["int8"], arrays["scale"] = codes.reshape(*shape, -1), scales.reshape(shape)
    return arrays


def _embed(request: Request, card: EncoderCard, progress: Progress) -> tuple[Embeddings, tuple[int, ...]]:
    """Return embeddings and the shape of their leading axes."""
    if not card.file:
        raise SettingsError(
            f"--encoder {card.id}: its embeddings are published; there is nothing to embed with"
        )
    if card.input != D_PIXELS:
        return _embed_samples(request, card, progress)
    device = choose_device(request.device)
    encoder = load_encoder(card, request.weights, device=device, precision=request.precision)
    pixels, shape = _read_pixels(request.source)
    folder = request.out.with_name(f".{request.out.name}.parts")
    found = embed_in_parts(encoder, pixels, folder, _key(request, card), progress, request.memory_bytes)
    return found, shape


def _read_pixels(source: Path) -> tuple[DPixels, tuple[int, ...]]:
    """Return d-pixels of a folder or of point samples, and the shape of their pixel axes."""
    if source.is_dir():
        return read_dpixel_directory(source)
    samples = read_point_series(source, D_PIXELS)
    assert isinstance(samples, DPixels)
    return samples, (samples.n_pixels,)


def _embed_samples(
    request: Request, card: EncoderCard, progress: Progress
) -> tuple[Embeddings, tuple[int, ...]]:
    if request.source.is_dir():
        raise SettingsError(f"--input {request.source}: {card.id} takes an .npz of {card.input} samples")
    samples = read_point_series(request.source, card.input)
    network = load_weights(build_network(card), card, request.weights)
    if isinstance(samples, PrestoSeries) and isinstance(network, Presto):
        found = embed_presto(network, samples, progress=progress)
    elif isinstance(samples, GalileoSeries) and isinstance(network, Galileo):
        found = embed_galileo(network, samples, progress=progress)
    else:
        raise SettingsError(f"--encoder {card.id}: {card.input} samples cannot be embedded")
    return found, (len(found.reason),)


def _key(request: Request, card: EncoderCard) -> str:
    """Return what names everything that the embeddings depend on."""
    files = sorted(request.source.iterdir()) if request.source.is_dir() else [request.source]
    state = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    named = [card.digest, card.weights_sha256, request.precision, request.device, str(state)]
    return hashlib.sha256("\n".join(named).encode()).hexdigest()
