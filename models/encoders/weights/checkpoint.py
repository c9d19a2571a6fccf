"""Checkpoints: weights from a file whose hash a card pins, into an architecture that must fit exactly."""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from models.encoders.card import EncoderCard
from models.encoders.configs import EncoderConfig
from models.encoders.weights.pins import read_pinned
from models.encoders.weights.shelf import packaged
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

#: Number formats that a parameter may be stored in; all are read as float32.
STORED_FORMATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)

Network = TypeVar("Network", bound=nn.Module)


def load_weights(network: Network, card: EncoderCard, weights: Path | None = None) -> Network:
    """Return the network in evaluation mode, its parameters read from a card's weights and checked.

    The packaged file is used where `weights` is None. WeightsError when the file is missing, larger than the
    card's or of another sha256, of an unknown kind, damaged, or does not fit the network name by name.
    """
    path = weights if weights is not None else packaged_weights(card)
    state = _parse(path, card)
    _refuse_misfit(path, network.state_dict(), state)
    network.load_state_dict({key: _finite(path, key, value) for key, value in state.items()}, strict=True)
    return network.eval().requires_grad_(False)


def packaged_weights(card: EncoderCard) -> Path:
    """Return the packaged weights of a card; WeightsError says where to get them when there are none."""
    path = packaged(card)
    if path is None:
        where = f"{card.file} of {card.repository or 'the package'} at revision {card.revision or 'unknown'}"
        raise WeightsError(
            f"encoder {card.id}: its weights are not here; run `underwood models pull {card.id}`, "
            f"or name a copy of {where}"
        )
    return path


#: What the parsers raise on a file that is cut short or is something else.
_DAMAGE = (
    safetensors.SafetensorError,
    zipfile.BadZipFile,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)


def _parse(path: Path, card: EncoderCard) -> dict[str, Tensor]:
    """Return a file's parameters, once it is the file that the card pins; nothing is parsed before."""
    if path.suffix not in _PARSERS:
        raise WeightsError(f"weights {path}: extension must be one of {', '.join(_PARSERS)}")
    if card.architecture not in LAYOUTS:
        raise WeightsError(f"weights {path}: architecture {card.architecture!r} has no known layout")
    content = read_pinned(path, card)
    try:
        return _wanted(_PARSERS[path.suffix](content, card), LAYOUTS[card.architecture])
    except pickle.UnpicklingError as error:
        raise WeightsError(f"weights {path}: holds more than tensors, and nothing is unpickled") from error
    except _DAMAGE as error:
        raise WeightsError(f"weights {path}: cannot be read: {_first_line(error)}") from error


def _wanted(state: Mapping[str, Tensor], layout: Layout) -> dict[str, Tensor]:
    """Return the parameters of the network alone, under its own names; ValueError for a name held twice."""
    _refuse_repeated("parameter", (key.removeprefix(COMPILED_PREFIX) for key in state))
    plain = {key.removeprefix(COMPILED_PREFIX): value for key, value in state.items()}
    kept = {key: value for key, value in plain.items() if not key.startswith(layout.dropped or ("\0",))}
    if not any(key.startswith(layout.prefix) for key in kept):
        return kept
    return {key.removeprefix(layout.prefix): v for key, v in kept.items() if key.startswith(layout.prefix)}


def _refuse_repeated(what: str, names: Iterable[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(f"{what} {repeated[0]} is there twice")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _parse_safetensors(content: bytes, card: EncoderCard) -> dict[str, Tensor]:
    return safetensors.torch.load(content)


def _parse_torch(content: bytes, card: EncoderCard) -> dict[str, Tensor]:
    """Return the state that an architecture's files hold, its stated sizes compared with the card's."""
    _refuse_unpacking(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what torch thinks of how the file was written
        payload = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if not isinstance(payload, Mapping):
        raise ValueError(f"expected a dictionary, found {type(payload).__name__}")
    for sizes in ("args", "config"):
        _refuse_other_sizes(payload.get(sizes), card.config)
    found = [payload[key] for key in LAYOUTS[card.architecture].states if key in payload]
    state = found[0] if found else payload
    if not isinstance(state, Mapping) or not all(map(_is_parameter, state.items())):
        raise ValueError("expected a dictionary of tensors")
    return dict(state)


def _refuse_unpacking(content: bytes) -> None:
    """Raise ValueError unless every member lies in the archive as it is, so that it cannot grow when read."""
    if not zipfile.is_zipfile(io.BytesIO(content)):  # older formats are bare pickles
        raise ValueError("not the zip file that torch.save writes")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
    _refuse_repeated("member", (member.filename for member in members))
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("holds compressed members, which torch.save never writes")
    size = sum(member.file_size for member in members)
    if size > len(content):
        raise ValueError(f"its members state {size} bytes, in a file of {len(content)}")


def _is_parameter(item: tuple[Any, Any]) -> bool:
    """Whether a name belongs to plain numbers in memory: nothing sparse, quantised, or without content."""
    key, value = item
    plain = isinstance(value, Tensor) and value.layout is torch.strided and value.device.type == "cpu"
    return isinstance(key, str) and plain and not value.is_quantized


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


def _finite(path: Path, key: str, stored: Tensor) -> Tensor:
    """Return a parameter as float32; WeightsError for a number that is not one, or does not fit in it."""
    known = stored.dtype in STORED_FORMATS
    if not (known and bool(torch.isfinite(values := stored.float()).all())):
        raise WeightsError(f"weights {path}: {key} must hold finite floating-point numbers only")
    return values
