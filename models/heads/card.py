"""The card of a head: everything that identifies it and says how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from models.cards import card_digest, card_text, parse_card, read_card
from models.heads.bootstrap import ScoreIntervals
from models.heads.holding import Correction
from models.heads.samples import TrainingDomain, UsedEffort
from models.heads.uncertainty.conformal import Conformal
from models.heads.uncertainty.parts import ErrorParts
from monitoring.errors import CardMismatchError, ModelError, SettingsError, WeightsError
from monitoring.targets import Target

CARD, TENSORS, EVALUATION = "card.json", "head.safetensors", "evaluation.safetensors"
#: Encoder of embeddings whose file does not say what made them.
UNSTATED = "unstated"


class EncoderIdentity(Protocol):
    """What a head must know of an encoder: any card with these two."""

    @property
    def id(self) -> str:
        """Name of the encoder."""

    @property
    def weights_sha256(self) -> str:
        """Hash of its weights."""


@dataclass(frozen=True)
class StatedEncoder:
    """An encoder known by what a file or a person says of it."""

    id: str = UNSTATED
    weights_sha256: str = ""


@dataclass(frozen=True)
class Compared:
    """One row of the comparison: a candidate on a set of features, by the folds of the choice."""

    features: str
    """`embedding`, `none`, `place` (longitude, latitude), `covariates`, `embedding + covariates`."""
    candidate: str
    scores: ScoreIntervals


@dataclass(frozen=True)
class SchemeScores:
    """The chosen candidate under one way of making folds."""

    scheme: str
    n_folds: int
    """0 where the samples do not allow this scheme."""
    n_blocks: int
    """Blocks that the intervals were resampled over."""
    note: str
    """Why there are no folds, or how they are out of balance; empty where nothing is to be said."""
    scores: ScoreIntervals | None


@dataclass(frozen=True)
class ApplicabilityCard:
    """Where the head may be applied, and what that was worth where whole blocks were held out."""

    threshold: float
    """Dissimilarity index above which a pixel is outside."""
    n_reference: int
    """Distinct training samples that pixels are compared with."""
    share_outside: float | None
    """Share of held-out samples outside the area of the folds they were held out from."""
    rmse_inside: float | None
    rmse_outside: float | None
    """Over those; None where there are none (fewer than ten)."""
    scheme: str
    """The folds it was seen on."""


@dataclass(frozen=True)
class DefectCount:
    """One line of what was found wrong in the sample table."""

    defect: str
    rule: str
    outcome: str
    """`kept`, `merged` or `refused`."""
    count: int


@dataclass(frozen=True)
class HeadCard:
    """Everything that identifies a head and says how far it can be trusted."""

    id: str
    """Target and twelve hex digits of the rest of this card: the same head has the same id."""
    target: Target
    encoder_id: str
    encoder_weights_sha256: str
    dims: int
    """Length D of the embeddings it takes."""
    n_samples: int
    n_dropped: int
    """Samples left out because their embedding or sampling effort is missing."""
    domain: TrainingDomain
    effort: tuple[UsedEffort, ...]
    candidate: str
    words: str
    """What the candidate is."""
    choice: str
    """Why it was chosen."""
    primary: str
    """The folds that chose: the scores to quote."""
    schemes: tuple[SchemeScores, ...]
    comparison: tuple[Compared, ...]
    correction: Correction
    conformal: Conformal
    parts: ErrorParts
    applicability: ApplicabilityCard
    defects: tuple[DefectCount, ...]
    seed: int
    created_for: str
    libraries: tuple[str, ...]
    """Versions of what fitted it."""
    tensors_sha256: str
    evaluation_sha256: str

    @property
    def scores(self) -> ScoreIntervals:
        """The scores to quote."""
        return next(row.scores for row in self.schemes if row.scheme == self.primary and row.scores)


def named(card: HeadCard) -> HeadCard:
    """Return the card under the id that its content gives it, as it will be read back."""
    plain = parse_card(HeadCard, card_text(card), f"head {card.target.name}")
    return replace(plain, id=card_id(plain))


def card_id(card: HeadCard) -> str:
    """Return the id that a card's content gives it."""
    return f"{card.target.name}-{card_digest(replace(card, id=''))}"


def read_head_card(directory: Path) -> HeadCard:
    """Return the card of the head in a folder; WeightsError where it is missing, damaged or altered."""
    try:
        card = read_card(HeadCard, directory / CARD)
        expected = card_id(card)
    except (ModelError, SettingsError, ValueError) as error:
        raise WeightsError(f"head {directory}: {error}") from error
    if card.id != expected:
        raise WeightsError(f"head {directory}: {CARD} was altered, its id {card.id} does not fit its content")
    return card


def refuse_other_encoder(card: HeadCard, encoder: EncoderIdentity) -> None:
    """CardMismatchError where embeddings come from another encoder than the head was fitted to.

    Where one of the two does not know the hash of the weights, the name decides.
    """
    known = bool(card.encoder_weights_sha256 and encoder.weights_sha256)
    differs = known and card.encoder_weights_sha256 != encoder.weights_sha256
    if card.encoder_id != encoder.id or differs:
        raise CardMismatchError(
            f"head {card.id}: belongs to encoder {_named(card.encoder_id, card.encoder_weights_sha256)}, "
            f"not to {_named(encoder.id, encoder.weights_sha256)}"
        )


def _named(encoder: str, sha256: str) -> str:
    return f"{encoder} ({sha256[:12]})" if sha256 else encoder
