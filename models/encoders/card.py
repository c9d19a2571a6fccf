"""Encoder cards: which frozen network it is, where its weights are, and what it may be given."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from models.cards import card_digest, read_card
from models.encoders.configs import EncoderConfig
from monitoring.clear import ClearRule
from monitoring.errors import CardMismatchError, ModelError

#: Folder of the packaged cards, and of the packaged weights of our own students.
WEIGHTS = Path(__file__).parents[1] / "weights"
#: Name of the input layout that holds raw observations of both Sentinels.
D_PIXELS = "d-pixels"
#: Stands between the id of a card and the number of dims kept.
PREFIX_MARK = "-d"
#: What every network of this room is held to on the shared test vectors.
NUMERICS = "float32 within 2e-5 of the public implementation; bfloat16 by cosine >= 0.9995 to float32"


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
    """Which network: tessera-v2-student, tessera-v1.1, tessera-v1.0, presto or galileo."""
    config: EncoderConfig
    dims: int
    """Length D of an embedding."""
    prefixes: tuple[int, ...]
    """Shorter lengths whose first numbers are an embedding too (Matryoshka); empty = none."""
    input: str
    """Layout of what it is given: d-pixels, presto or galileo."""
    selection: str
    """Rule by which observations become its sequence: v2, v1.1, v1.0, or none."""
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
    numerics: str
    """What was measured of its exactness, and which number formats it may run in."""
    normalisation: Normalisation | None
    """Statistics of d-pixels; None where the input comes standardised."""
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

    def __post_init__(self) -> None:
        if not self.licence.strip():
            raise ModelError(f"encoder card {self.id}: states no licence, so its weights may not be used")
        if self.input == D_PIXELS and self.normalisation is None:
            raise ModelError(f"encoder card {self.id}: normalisation: must be stated for {D_PIXELS}")

    @property
    def base_id(self) -> str:
        """Id of the card whose weights these are: cards of shorter embeddings share them."""
        return self.id.removesuffix(f"{PREFIX_MARK}{self.dims}")

    @property
    def statistics(self) -> Normalisation:
        """The statistics that standardise d-pixels; ModelError for an encoder of another input."""
        if self.normalisation is None:
            raise ModelError(f"encoder {self.id}: takes {self.input}, not {D_PIXELS}")
        return self.normalisation

    @property
    def digest(self) -> str:
        """Twelve hex digits that name this very card."""
        return card_digest(self)

    def clear(self, max_cloud_probability: int = 100) -> ClearRule:
        """Return which optical observations count, as `clear_rule` words it.

        max_cloud_probability: per cent, for products that state one; 100 asks for none. ModelError where the
        rule words no scene classes: composites have none.
        """
        try:
            return ClearRule.stated(self.clear_rule, max_cloud_probability)
        except ModelError as error:
            raise ModelError(f"encoder card {self.id}: {error}") from error

    def refuse_source(self, source: str) -> None:
        """Raise CardMismatchError when scenes of `source` must not be given to this encoder."""
        if self.allowed_sources and source not in self.allowed_sources:
            allowed = ", ".join(self.allowed_sources)
            raise CardMismatchError(f"encoder {self.id}: scenes from {source!r}, allowed are {allowed}")


def encoder_card(name: str) -> EncoderCard:
    """Return the packaged card of that id, or of its prefix (`tessera-v2-nano-d64`), or the card in a file.

    A name that ends in .json is a file: a card of your own. ModelError names the known ids.
    """
    if name.endswith(".json"):
        return read_card(EncoderCard, Path(name))
    cards = _packaged()
    base, _, dims = name.rpartition(PREFIX_MARK)
    if base in cards and dims.isdigit():
        return card_with_dims(cards[base], int(dims))
    if name not in cards:
        raise ModelError(f"encoder {name!r} is not known; known are {', '.join(sorted(cards))}")
    return cards[name]


def card_with_dims(card: EncoderCard, dims: int | None) -> EncoderCard:
    """Return the card of an encoder's first `dims` numbers, an encoder of its own (`...-d64`); None = all.

    ModelError where the encoder was not trained to be cut there (Matryoshka, Kusupati et al. 2022).
    """
    if dims is None or dims == card.dims:
        return card
    if dims not in card.prefixes:
        known = ", ".join(map(str, (*card.prefixes, card.dims)))
        raise ModelError(f"encoder {card.id}: {dims} dims, expected one of {known}")
    return dataclasses.replace(card, id=f"{card.id}{PREFIX_MARK}{dims}", dims=dims, prefixes=())


def encoder_cards() -> tuple[EncoderCard, ...]:
    """Return every packaged encoder card, sorted by id."""
    return tuple(card for _, card in sorted(_packaged().items()))


@cache
def _packaged() -> Mapping[str, EncoderCard]:
    cards = [read_card(EncoderCard, path) for path in sorted(WEIGHTS.glob("*.json"))]
    return {card.id: card for card in cards}
