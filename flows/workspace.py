"""What a flow works with: the places and parts that a settings file names, opened when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from flows.settings import Settings, read_settings
from flows.sources.catalogue import Catalogue, open_catalogue
from flows.sources.woodlands import BoundaryReading, read_woodlands
from monitoring.errors import BoundaryError, ModelError
from monitoring.grid import Block, make_blocks
from monitoring.science import Science, read_science
from monitoring.woodlands import Woodland

if TYPE_CHECKING:
    from models.encoders.card import EncoderCard
    from models.encoders.encoder import Encoder
    from models.heads.head import Head

BUILT_IN_SCIENCE = Path(__file__).with_name("science.toml")


@dataclass(frozen=True)
class Workspace:
    """One installation: its settings, its science, and the folders under its home."""

    settings: Settings
    science: Science

    @property
    def cube(self) -> Path:
        """Folder of the pixel cubes, one repository per block."""
        return self.settings.home / "cube"

    @property
    def staging(self) -> Path:
        """Folder of results not yet loaded, each named by its key."""
        return self.settings.home / "staging"

    @property
    def warehouse(self) -> Path:
        """The database that only the load task writes."""
        return self.settings.home / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        """The snapshot that everybody reads."""
        return self.settings.home / "published" / "underwood.duckdb"

    @property
    def head_directory(self) -> Path:
        """Folder of the fitted head of the target."""
        return self.settings.home / "heads" / self.science.estimation.target

    @cached_property
    def boundaries(self) -> BoundaryReading:
        """The boundary file as read: woodlands, and what was refused."""
        return read_woodlands(self.settings.woodlands)

    @cached_property
    def woodlands(self) -> tuple[Woodland, ...]:
        """Every usable woodland; BoundaryError when there is none."""
        if not self.boundaries.woodlands:
            raise BoundaryError(f"{self.settings.woodlands}: no usable woodland among its features")
        return self.boundaries.woodlands

    @cached_property
    def blocks(self) -> dict[str, Block]:
        """The blocks of all woodlands, by id."""
        return {block.id: block for block in make_blocks(self.woodlands, self.science.blocks.size_m)}

    @cached_property
    def catalogue(self) -> Catalogue:
        """The catalogue, opened once."""
        return open_catalogue(self.settings.catalogue, self.settings.source)

    @cached_property
    def encoder_card(self) -> EncoderCard:
        """The card of the encoder in use."""
        from models.encoders.card import encoder_card

        return encoder_card(self.settings.encoder)

    @cached_property
    def encoder(self) -> Encoder:
        """The frozen encoder on the chosen device."""
        from models.encoders.encoder import load_encoder

        device = choose_device(self.settings.device)
        return load_encoder(self.encoder_card, self.settings.encoder_weights, device=device)

    @cached_property
    def head(self) -> Head:
        """The fitted head that belongs to the encoder."""
        from models.heads.head import load_head

        return load_head(self.head_directory, self.encoder_card)


def choose_device(asked: str) -> str:
    """Return `cpu` or `cuda`; ModelError when a GPU was asked for and there is none."""
    import torch

    available = torch.cuda.is_available()
    if asked == "cuda" and not available:
        raise ModelError("device cuda: this machine has no usable NVIDIA GPU; set device to auto or cpu")
    return "cuda" if available and asked != "cpu" else "cpu"


@lru_cache(maxsize=8)
def _open(config: str, _changed_ns: int) -> Workspace:
    settings = read_settings(config)
    return Workspace(settings, read_science(settings.science or BUILT_IN_SCIENCE))


def open_workspace(config: str) -> Workspace:
    """Return the workspace of a settings file: one per process until the file changes.

    Tasks carry only the file's path; what it opens (catalogue, blocks, encoder) is shared by the
    tasks of a process, and read afresh by the next process.
    """
    path = Path(config)
    return _open(config, path.stat().st_mtime_ns if path.is_file() else 0)
