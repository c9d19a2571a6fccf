"""Cards: the record that identifies a model, read from JSON and checked field by field."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from monitoring.errors import CardMismatchError, ModelError

#: Folder of the packaged cards, and of the packaged weights of our own students.
WEIGHTS = Path(__file__).parent / "weights"

Card = TypeVar("Card")


def read_card(kind: type[Card], path: Path) -> Card:
    """Return the card in a JSON file as `kind`; ModelError for unknown, missing or mistyped fields."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"card {path}: {error}") from error
    card: Card = _build(kind, content, f"card {path}")
    return card


def card_text(card: Any) -> str:
    """Return the JSON text of a card; the same card gives the same bytes."""
    return json.dumps(dataclasses.asdict(card), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def card_digest(card: Any) -> str:
    """Return twelve hex digits that name this very card."""
    return hashlib.sha256(card_text(card).encode()).hexdigest()[:12]


def _build(kind: Any, content: Any, where: str) -> Any:
    """Return `content` as an instance of the dataclass `kind`."""
    if not isinstance(content, dict):
        raise ModelError(f"{where}: expected an object, got {content!r}")
    expected = typing.get_type_hints(kind)
    required = {f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING}
    unknown, missing = sorted(set(content) - set(expected)), sorted(required - set(content))
    if unknown or missing:
        raise ModelError(f"{where}: unknown fields {unknown}, missing fields {missing}")
    return kind(**{key: _value(expected[key], value, f"{where}: {key}") for key, value in content.items()})


def _value(kind: Any, value: Any, where: str) -> Any:
    if isinstance(kind, types.UnionType):  # only `X | None` occurs in cards
        return None if value is None else _value(typing.get_args(kind)[0], value, where)
    if typing.get_origin(kind) is tuple:
        return _tuple(typing.get_args(kind)[0], value, where)
    if dataclasses.is_dataclass(kind):
        return _build(kind, value, where)
    accepted = (int, float) if kind is float else (kind,)
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise ModelError(f"{where}: expected {kind.__name__}, got {value!r}")
    return kind(value)


def _tuple(kind: Any, value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ModelError(f"{where}: expected a list, got {value!r}")
    return tuple(_value(kind, item, f"{where}[{i}]") for i, item in enumerate(value))


@dataclass(frozen=True)
class StudentConfig:
    """Sizes of a TESSERA v2 pixel student."""

    latent_dim: int
    num_layers: int
    nhead: int
    dim_feedforward: int
    repr_dim: int = 128
    enable_qk_norm: bool = False

    def __post_init__(self) -> None:
        if self.width % self.nhead or self.width % 2:
            raise ModelError(
                f"student of width {self.width}: must be even and a multiple of {self.nhead} heads"
            )

    @property
    def width(self) -> int:
        """Length of a token: four times the latent size."""
        return 4 * self.latent_dim


@dataclass(frozen=True)
class Normalisation:
    """Statistics that standardise raw values: x' = (x - mean) / (std + 1e-9), bands in the input's order."""

    s2_mean: tuple[float, ...]
    s2_std: tuple[float, ...]
    s1_ascending_mean: tuple[float, ...]
    s1_ascending_std: tuple[float, ...]
    s1_descending_mean: tuple[float, ...]
    s1_descending_std: tuple[float, ...]

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            expected, found = 10 if field.name.startswith("s2") else 2, len(getattr(self, field.name))
            if found != expected:
                raise ModelError(f"normalisation {field.name}: expected {expected} numbers, found {found}")


@dataclass(frozen=True)
class TrainingRecord:
    """How an encoder of our own was pretrained, and what came out."""

    recipe: str
    """Names every choice of the recipe, as JSON text."""
    recipe_sha256: str
    seed: int
    pixel_years: int
    """Training examples: one pixel in one season each."""
    steps: tuple[int, ...]
    """Steps at which the loss was noted."""
    loss: tuple[float, ...]
    """Barlow Twins loss at those steps."""
    effective_rank: float
    """exp of the entropy of the singular values of held-out embeddings (RankMe, Garrido et al. 2023)."""
    subset_cosine: float
    """Mean cosine between embeddings of one pixel-year from two random halves of its observations."""


@dataclass(frozen=True)
class EncoderCard:
    """Everything that identifies a frozen encoder and the input it may be given."""

    id: str
    architecture: str
    config: StudentConfig
    dims: int
    """Length D of an embedding."""
    repository: str
    """Hugging Face repository of the weights; empty where they are packaged with us."""
    revision: str
    file: str
    """Weights file: inside the repository, or inside the package."""
    weights_sha256: str
    bytes: int
    licence: str
    pinned_by: str
    """Who computed the pins."""
    normalisation: Normalisation
    clear_rule: str
    """Which optical observations count."""
    radar_rule: str
    """How radar power becomes the encoder's integer scale."""
    offset_rule: str
    """What the optical digital numbers must be."""
    allowed_sources: tuple[str, ...]
    """Sources of scenes it may be given; empty = any."""
    training_domain: str
    training: TrainingRecord | None = None

    @property
    def digest(self) -> str:
        """Twelve hex digits that name this very card."""
        return card_digest(self)

    def refuse_source(self, source: str) -> None:
        """Raise CardMismatchError when scenes of `source` must not be given to this encoder."""
        if self.allowed_sources and source not in self.allowed_sources:
            allowed = ", ".join(self.allowed_sources)
            raise CardMismatchError(f"encoder {self.id}: scenes from {source!r}, allowed are {allowed}")


def encoder_card(name: str) -> EncoderCard:
    """Return the packaged card of that id; ModelError names the known ones."""
    cards = _packaged()
    if name not in cards:
        raise ModelError(f"encoder {name!r} is not known; known are {', '.join(sorted(cards))}")
    return cards[name]


def encoder_cards() -> tuple[EncoderCard, ...]:
    """Return every packaged encoder card, sorted by id."""
    return tuple(card for _, card in sorted(_packaged().items()))


@cache
def _packaged() -> Mapping[str, EncoderCard]:
    cards = [read_card(EncoderCard, path) for path in sorted(WEIGHTS.glob("*.json"))]
    return {card.id: card for card in cards}
