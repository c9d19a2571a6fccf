"""Heads: our fitted regressors from embeddings to a target, with the card each is known by.

A head predicts, per pixel, what one standard sample of the target is expected to show: a soil sample taken
with the head's standard effort. It belongs to exactly one encoder and refuses any other.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from models.cards import card_text
from models.heads.applicability import Applicability, restore_applicability
from models.heads.candidates.registry import candidate
from models.heads.card import (
    CARD,
    EVALUATION,
    TENSORS,
    EncoderIdentity,
    HeadCard,
    read_head_card,
    refuse_other_encoder,
)
from models.heads.evaluation import Evaluation, read_evaluation
from models.heads.samples import refuse_other_dims
from models.heads.serving import ServedHead
from monitoring.errors import ModelError, WeightsError
from monitoring.estimates import PixelEstimates
from monitoring.spatial_error import Correlation

#: Prefixes of the tensors of the two modules of a head.
MODEL, AREA = "model.", "applicability."


@dataclass(frozen=True)
class Head:
    """A fitted head: a pure function of embeddings, and its card."""

    card: HeadCard
    module: nn.Module
    """The fitted candidate, float64."""
    applicability: Applicability
    evaluation: Evaluation
    device: str = "cpu"
    """Where predictions are made: `cpu` or `cuda`, best the encoder's."""

    def predict(self, embeddings: NDArray[np.float32]) -> PixelEstimates:
        """Return the estimates at N pixels for one standard sample, in float32 arithmetic.

        embeddings (N, D); a row with any NaN gives NaN. ModelError when D is not the head's.
        """
        refuse_other_dims(self.card.id, embeddings, self.card.dims)
        return self._served.predict(embeddings)

    def on(self, device: str) -> Head:
        """Return the same head, predicting on a device."""
        return self if device == self.device else replace(self, device=device)

    @property
    def correlation(self) -> Correlation:
        """How its errors agree from cell to cell."""
        return self.card.parts.correlation

    @cached_property
    def _served(self) -> ServedHead:
        card = self.card
        return ServedHead.of(
            self.module,
            self.applicability,
            card.correction,
            card.conformal,
            card.parts,
            card.target,
            tuple(each.latent for each in card.effort),
            self.device,
        )


def save_head(head: Head, directory: Path) -> Path:
    """Return `directory`, now holding the head: all its files or none, an earlier head kept until then."""
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as beside:
            fresh = Path(beside) / "fresh"
            fresh.mkdir()
            _write(fresh / TENSORS, tensors(head.module, head.applicability))
            _write(fresh / EVALUATION, head.evaluation.content)
            _write(fresh / CARD, card_text(head.card).encode())
            _put_in_place(fresh, directory)
    except OSError as error:
        raise ModelError(f"head {head.card.id}: cannot be written to {directory}: {error}") from error
    return directory


def _put_in_place(fresh: Path, directory: Path) -> None:
    """Swap the new folder in; none can be renamed over a full one, so the earlier steps aside first."""
    earlier = fresh.with_name("earlier")
    if directory.exists():
        directory.rename(earlier)
    try:
        fresh.rename(directory)
    except OSError:
        if earlier.exists():
            earlier.rename(directory)
        raise


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def load_head(directory: Path, encoder: EncoderIdentity | None = None) -> Head:
    """Return the head saved in `directory`.

    WeightsError when it is missing, damaged or altered; CardMismatchError when it belongs to another encoder
    than the one that is given.
    """
    card = read_head_card(directory)
    if encoder is not None:
        refuse_other_encoder(card, encoder)
    module, applicability = _read_modules(directory / TENSORS, card)
    evaluation = read_evaluation(_content(directory / EVALUATION), card, str(directory / EVALUATION))
    return Head(card, module, applicability, evaluation)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"head {path}: {error.strerror}") from error


def _read_modules(path: Path, card: HeadCard) -> tuple[nn.Module, Applicability]:
    content = _content(path)
    found, expected = hashlib.sha256(content).hexdigest(), card.tensors_sha256
    if found != expected:
        raise WeightsError(f"head {path}: sha256 is {found[:12]}, its card says {expected[:12]}")
    try:
        stored = load_tensors(content)
        module = candidate(card.candidate).restore(_under(MODEL, stored))
        return module, restore_applicability(_under(AREA, stored))
    except (ModelError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(f"head {path}: {error}") from error


def _under(prefix: str, stored: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): each for name, each in stored.items() if name.startswith(prefix)}


def tensors(module: nn.Module, applicability: Applicability) -> bytes:
    """Return what is stored of a head beside its card."""
    named = {MODEL + name: each for name, each in module.state_dict().items()}
    named |= {AREA + name: each for name, each in applicability.state_dict().items()}
    return bytes(save_tensors({name: each.contiguous() for name, each in named.items()}))


def digest(module: nn.Module, applicability: Applicability) -> str:
    """Return the hash of what is stored of a head."""
    return hashlib.sha256(tensors(module, applicability)).hexdigest()
