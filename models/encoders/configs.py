"""Sizes of the encoder architectures, as their cards state them. A card's fields pick the class."""

from __future__ import annotations

from dataclasses import dataclass

from monitoring.errors import ModelError


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
class TesseraV1Config:
    """Sizes of a TESSERA v1.0 or v1.1 encoder."""

    latent_dim: int
    num_layers: int
    nhead: int
    dim_feedforward: int
    repr_dim: int
    """Length of the network's output; the card's dims are the first of them."""
    pooling_gru: str
    """`reset-first` (v1.0 QAT, v1.1): the reset gate before the recurrent matrix; `torch` (v1.0 early)."""
    fusion: str
    """`mlp` (v1.1) or `linear` (v1.0)."""

    @property
    def width(self) -> int:
        """Length of a token: four times the latent size."""
        return 4 * self.latent_dim


@dataclass(frozen=True)
class PrestoConfig:
    """Sizes of a Presto encoder."""

    embedding_size: int
    channel_embed_ratio: float
    month_embed_ratio: float
    depth: int
    num_heads: int
    mlp_ratio: int
    max_sequence_length: int


@dataclass(frozen=True)
class GalileoConfig:
    """Sizes of a Galileo encoder."""

    embedding_size: int
    depth: int
    mlp_ratio: int
    num_heads: int
    max_sequence_length: int
    max_patch_size: int


#: Sizes of the two generations of TESSERA, whose transformers are alike.
TransformerConfig = StudentConfig | TesseraV1Config
#: Any of the sizes above.
EncoderConfig = StudentConfig | TesseraV1Config | PrestoConfig | GalileoConfig
