"""Checkpoints: weights from a file whose hash a card pins, into an architecture that must fit exactly."""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from models.cards import WEIGHTS, EncoderCard, StudentConfig
from models.tessera_v2 import Student
from monitoring.errors import WeightsError

#: Prefix that torch.compile leaves on parameter names.
COMPILED_PREFIX = "_orig_mod."


def load_student(card: EncoderCard, weights: Path | None = None) -> Student:
    """Return the student of a card in evaluation mode, its weights read and checked.

    The packaged file is used where `weights` is None. WeightsError when the file is missing, of another
    sha256 than the card's, of an unknown kind, damaged, or does not fit the architecture name by name.
    """
    path = weights if weights is not None else packaged_weights(card)
    state = _parse(path, _verified_bytes(path, card), card.config)
    student = Student(card.config)
    _refuse_misfit(path, student.state_dict(), state)
    student.load_state_dict({key: value.float() for key, value in state.items()}, strict=True)
    return student.eval().requires_grad_(False)


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


def _parse(path: Path, content: bytes, config: StudentConfig) -> dict[str, Tensor]:
    try:
        state = _PARSERS[path.suffix](content, config)
    except pickle.UnpicklingError as error:
        raise WeightsError(f"weights {path}: holds more than tensors, and nothing is unpickled") from error
    except _DAMAGE as error:
        raise WeightsError(f"weights {path}: cannot be read: {_first_line(error)}") from error
    return {key.removeprefix(COMPILED_PREFIX): value for key, value in state.items()}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _parse_safetensors(content: bytes, config: StudentConfig) -> dict[str, Tensor]:
    return safetensors.torch.load(content)


def _parse_torch(content: bytes, config: StudentConfig) -> dict[str, Tensor]:
    """Return the state of a `{"model": state, "args": sizes}` payload, or of a bare state."""
    if not zipfile.is_zipfile(io.BytesIO(content)):  # older formats are bare pickles
        raise ValueError("not the zip file that torch.save writes")
    payload = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if not isinstance(payload, Mapping):
        raise ValueError(f"expected a dictionary, found {type(payload).__name__}")
    _refuse_other_sizes(payload.get("args"), config)
    state = payload.get("model", payload)
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError("expected a dictionary of tensors under 'model'")
    return dict(state)


_PARSERS: dict[str, Callable[[bytes, StudentConfig], dict[str, Tensor]]] = {
    ".safetensors": _parse_safetensors,
    ".pt": _parse_torch,
}


def _refuse_other_sizes(args: Any, config: StudentConfig) -> None:
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
