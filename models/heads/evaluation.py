"""Evaluation: what a head was fitted to and how it was held out, kept so that anyone can do it again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from models.heads.candidates.contract import Array, Groups
from models.heads.card import HeadCard, SchemeScores
from models.heads.comparison import SeenBy, under_schemes
from models.heads.crew import Crew
from models.heads.folds import Folds
from models.heads.samples import HeadSamples, Labels, usable_samples
from models.heads.schemes import Scheme
from monitoring.errors import WeightsError

FOLD, BLOCKS = "fold.", "blocks."


@dataclass(frozen=True)
class Evaluation:
    """The samples of a head, and the folds they were held out by."""

    samples: HeadSamples
    schemes: tuple[Scheme, ...]
    """Those that have folds."""
    held_out_mean: Array
    """(n,) predicted without the sample's fold of the primary scheme, target's unit."""

    @property
    def content(self) -> bytes:
        """What is stored: tensors only; the ids are one text of lines."""
        labels = self.samples.labels
        tensors = {
            "sample_id": np.frombuffer("\n".join(labels.ids).encode(), np.uint8),
            "embedding": self.samples.embeddings,
            "value": labels.value,
            "coordinates": labels.coordinates,
            "effort": labels.effort,
            "year": labels.year,
            "held_out_mean": self.held_out_mean,
        }
        for scheme in self.schemes:
            if scheme.folds is not None:
                tensors |= {FOLD + scheme.name: scheme.folds.fold, BLOCKS + scheme.name: scheme.blocks}
        return bytes(save_tensors({name: np.ascontiguousarray(each) for name, each in tensors.items()}))

    @property
    def sha256(self) -> str:
        """Hash of the content."""
        return hashlib.sha256(self.content).hexdigest()


def read_evaluation(content: bytes, card: HeadCard, where: str) -> Evaluation:
    """Return the evaluation stored with a head; WeightsError where it is not what the card names."""
    found, expected = hashlib.sha256(content).hexdigest(), card.evaluation_sha256
    if found != expected:
        raise WeightsError(f"head {where}: sha256 is {found[:12]}, its card says {expected[:12]}")
    try:
        tensors = load_tensors(content)
        samples = usable_samples(tensors["embedding"], _labels(tensors), card.target)
        return Evaluation(samples, _schemes(tensors, card.schemes), tensors["held_out_mean"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(f"head {where}: {error}") from error


def _labels(tensors: Mapping[str, Array]) -> Labels:
    return Labels(
        ids=tuple(tensors["sample_id"].tobytes().decode().split("\n")),
        value=tensors["value"],
        coordinates=tensors["coordinates"],
        effort=tensors["effort"],
        year=np.asarray(tensors["year"], np.int64),
    )


def _schemes(tensors: Mapping[str, Array], rows: Sequence[SchemeScores]) -> tuple[Scheme, ...]:
    return tuple(_scheme(tensors, row) for row in rows if row.scores is not None)


def _scheme(tensors: Mapping[str, Array], row: SchemeScores) -> Scheme:
    fold, blocks = (np.asarray(tensors[part + row.scheme], np.int64) for part in (FOLD, BLOCKS))
    folds = Folds(fold, row.n_folds, row.n_blocks, row.scheme, row.note)
    return Scheme(row.scheme, folds, blocks, row.note)


def primary_blocks(evaluation: Evaluation, card: HeadCard) -> Groups:
    """Return (n,) what was kept together by the folds of the choice."""
    return next(scheme.blocks for scheme in evaluation.schemes if scheme.name == card.primary)


def evaluate(evaluation: Evaluation, card: HeadCard, crew: Crew) -> tuple[SeenBy, ...]:
    """Return the chosen candidate fitted and held out again by every stored scheme."""
    group = primary_blocks(evaluation, card)
    return under_schemes(evaluation.samples, card.candidate, evaluation.schemes, group, card.seed, crew)
