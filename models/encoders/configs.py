"""Sizes of the encoder architectures, as their cards state them. A card's fields pick the class."""

from __future__ import annotations

from dataclasses import dataclass

from monitoring.errors import ModelError

#: Gated recurrent units that TESSERA v1 pools with: the reset gate before the recurrent matrix, or torch's.
RESET_FIRST, TORCH = "reset-first", "torch"
#: How TESSERA v1 brings both sensors together.
MLP, LINEAR = "mlp", "linear"


def _refuse_other(name: str, found: str, known: tuple[str, ...]) -> None:
    if found not in known:
        raise ModelError(f"{name} {found!r}: must be one of {', '.join(known)}")


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

    def __post_init__(self) -> None:
        if self.width % self.nhead:
            raise ModelError(f"encoder of width {self.width}: must be a multiple of {self.nhead} heads")
        _refuse_other("pooling_gru", self.pooling_gru, (RESET_FIRST, TORCH))
        _refuse_other("fusion", self.fusion, (MLP, LINEAR))

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


@dataclass(frozen=True)
class PublishedConfig:
    """Which published set of embeddings a card stands for: no network of ours, but somebody's output."""

    version: str
    """Of the model, such as 1.1."""
    variant: str
    """The run of that model: two variants of one version do not interoperate."""
    store: str
    """Folder of the Zarr store in the publisher's `zarr/`."""
    tiles: str
    """Folder of the NPY tiles in the publisher's `npy/`; empty where it is not published so."""
    local_tiles: str
    """Folder of the NPY tiles as the publisher's own client keeps them; empty where there are none."""
    landmasks: str
    """Folder of the land masks in the publisher's `landmasks/`; empty where there are no tiles."""

    def __post_init__(self) -> None:
        if not (self.version and self.variant and self.store):
            raise ModelError(f"published embeddings {self.version}/{self.variant}: a name is empty")


#: Sizes of the two generations of TESSERA, whose transformers are alike.
TransformerConfig = StudentConfig | TesseraV1Config
#: Any of the above.
EncoderConfig = StudentConfig | TesseraV1Config | PrestoConfig | GalileoConfig | PublishedConfig
