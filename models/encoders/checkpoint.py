"""Checkpoints: weights from a file whose hash a card pins, into an architecture that must fit exactly."""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from models.encoders.card import WEIGHTS, EncoderCard
from models.encoders.configs import EncoderConfig
from monitoring.errors import WeightsError

#: Prefix that torch.compile leaves on parameter names.
COMPILED_PREFIX = "_orig_mod."
#: Parts of TESSERA v1 checkpoints that only training used.
TRAINING_ONLY = ("projector.", "segmented_matryoshka_projector.")


@dataclass(frozen=True)
class Layout:
    """How the published files of an architecture hold the network's parameters."""

    states: tuple[str, ...] = ()
    """Entries that may hold the state, the first found counts; without one the file is the state."""
    prefix: str = ""
    """What the wanted parameters' names begin with; others are left, and the prefix is taken off."""
    dropped: tuple[str, ...] = ()
    """Beginnings of the names of parameters that only training used."""


_TESSERA_V1 = Layout(("model_state", "model_state_dict"), dropped=TRAINING_ONLY)

#: Layouts of the architectures' published files.
LAYOUTS: dict[str, Layout] = {
    "tessera-v2-student": Layout(("model",)),
    "tessera-v1.1": _TESSERA_V1,
    "tessera-v1.0": _TESSERA_V1,
    "presto": Layout(prefix="encoder."),
    "galileo": Layout(),
}

Network = TypeVar("Network", bound=nn.Module)


def load_weights(network: Network, card: EncoderCard, weights: Path | None = None) -> Network:
    """Return the network in evaluation mode, its parameters read from a card's weights and checked.

    The packaged file is used where `weights` is None. WeightsError when the file is missing, of another
    sha256 than the card's, of an unknown kind, damaged, or does not fit the network name by name.
    """
    path = weights if weights is not None else packaged_weights(card)
    state = _parse(path, _verified_bytes(path, card), card)
    _refuse_misfit(path, network.state_dict(), state)
    network.load_state_dict({key: value.float() for key, value in state.items()}, strict=True)
    return network.eval().requires_grad_(False)


def packaged_weights(card: EncoderCard) -> Path:
    """Return the packaged weights of a card; WeightsError says where to get them when there are none."""
    path = WEIGHTS / card.file
    if card.repository or not path.is_file():
        raise WeightsError(
            f"encoder {card.id}: its weights are not packaged; give the file {card.file} of "
            f"{card.repository or 'the package'} at revision {card.revision or 'of this version'} as weights"
        )
    return path


def _verified_bytes(path: Path, card: EncoderCard) -> bytes:
    """Return the file's content once its sha256 is the card's; nothing is parsed before."""
    if path.suffix not in _PARSERS:
        raise WeightsError(f"weights {path}: extension must be one of {', '.join(_PARSERS)}")
    if not card.weights_sha256:
        raise WeightsError(f"weights {path}: card {card.id} pins no sha256, so no file can be trusted for it")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"weights {path}: {error.strerror or error}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != card.weights_sha256:
        raise WeightsError(
            f"weights {path}: expected sha256 {card.weights_sha256} (card {card.id}), "
            f"found {found} in {len(content)} bytes"
        )
    return content


#: What the parsers raise on a file that is cut short or is something else.
_DAMAGE = (safetensors.SafetensorError, RuntimeError, EOFError, ValueError, KeyError, zipfile.BadZipFile)


def _parse(path: Path, content: bytes, card: EncoderCard) -> dict[str, Tensor]:
    try:
        state = _PARSERS[path.suffix](content, card)
    except pickle.UnpicklingError as error:
        raise WeightsError(f"weights {path}: holds more than tensors, and nothing is unpickled") from error
    except _DAMAGE as error:
        raise WeightsError(f"weights {path}: cannot be read: {_first_line(error)}") from error
    return _wanted(state, LAYOUTS[card.architecture])


def _wanted(state: Mapping[str, Tensor], layout: Layout) -> dict[str, Tensor]:
    """Return the parameters of the network alone, under its own names."""
    plain = {key.removeprefix(COMPILED_PREFIX): value for key, value in state.items()}
    kept = {key: value for key, value in plain.items() if not key.startswith(layout.dropped or ("\0",))}
    if not any(key.startswith(layout.prefix) for key in kept):
        return kept
    return {key.removeprefix(layout.prefix): v for key, v in kept.items() if key.startswith(layout.prefix)}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _parse_safetensors(content: bytes, card: EncoderCard) -> dict[str, Tensor]:
    return safetensors.torch.load(content)


def _parse_torch(content: bytes, card: EncoderCard) -> dict[str, Tensor]:
    """Return the state that an architecture's files hold, its stated sizes compared with the card's."""
    if not zipfile.is_zipfile(io.BytesIO(content)):  # older formats are bare pickles
        raise ValueError("not the zip file that torch.save writes")
    payload = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if not isinstance(payload, Mapping):
        raise ValueError(f"expected a dictionary, found {type(payload).__name__}")
    for sizes in ("args", "config"):
        _refuse_other_sizes(payload.get(sizes), card.config)
    found = [payload[key] for key in LAYOUTS[card.architecture].states if key in payload]
    state = found[0] if found else payload
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError("expected a dictionary of tensors")
    return dict(state)


_PARSERS: dict[str, Callable[[bytes, EncoderCard], dict[str, Tensor]]] = {
    ".safetensors": _parse_safetensors,
    ".pt": _parse_torch,
}


def _refuse_other_sizes(args: Any, config: EncoderConfig) -> None:
    """Raise ValueError when the payload states other sizes; no tensor's shape shows the number of heads."""
    stated = args if isinstance(args, Mapping) else {}
    for name, expected in vars(config).items():
        if name in stated and stated[name] != expected:
            raise ValueError(f"{name} is {stated[name]!r}, the card says {expected!r}")


def _refuse_misfit(path: Path, expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    missing, unknown = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing or unknown:
        raise WeightsError(
            f"weights {path}: {len(missing)} parameters missing {missing[:3]}, "
            f"{len(unknown)} unknown {unknown[:3]}"
        )
    for key, tensor in expected.items():
        if found[key].shape != tensor.shape:
            raise WeightsError(
                f"weights {path}: {key} has shape {tuple(found[key].shape)}, expected {tuple(tensor.shape)}"
            )
        if not (found[key].is_floating_point() and bool(torch.isfinite(found[key]).all())):
            raise WeightsError(f"weights {path}: {key} must hold finite floating-point numbers only")
