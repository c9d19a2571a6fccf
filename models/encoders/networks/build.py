"""Networks: from a card to the architecture it names, its parameters still to be loaded."""

from __future__ import annotations

from torch import nn

from models.encoders.card import EncoderCard
from models.encoders.configs import GalileoConfig, PrestoConfig, StudentConfig, TesseraV1Config
from monitoring.errors import ModelError


def build_network(card: EncoderCard) -> nn.Module:
    """Return a network of the card's architecture and sizes, with arbitrary parameters.

    Only the module of that architecture is imported. ModelError for a card that has no network.
    """
    config = card.config
    if isinstance(config, StudentConfig):
        from models.encoders.networks.tessera_v2 import Student

        return Student(config)
    if isinstance(config, TesseraV1Config):
        from models.encoders.networks.tessera_v1 import TesseraV1

        return TesseraV1(config)
    if isinstance(config, PrestoConfig):
        from models.encoders.networks.presto import Presto

        return Presto(config)
    if isinstance(config, GalileoConfig):
        from models.encoders.networks.galileo import Galileo

        return Galileo(config)
    raise ModelError(f"encoder {card.id}: published embeddings, not a network that could be run")
