"""What a flow works with: the places and parts that a settings file names, opened when asked for."""

from __future__ import annotations

import dataclasses
import threading
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from flows.estimating.seats import Seats, devices
from flows.modelling.registry import Shelf
from flows.releases.inventory import Inventory, open_inventory
from flows.settings import Settings, read_settings
from flows.sources.addresses import is_web
from flows.sources.assets.ranges import Ranges, local_ranges
from flows.sources.assets.transport import Transport
from flows.sources.boundaries.reference_sites import ReferenceReading, read_reference_sites
from flows.sources.boundaries.woodlands import BoundaryReading
from flows.sources.catalogues.catalogue import Catalogue, open_catalogue
from flows.sources.catalogues.provenance import GEOTESSERA
from flows.sources.catalogues.signing import signer
from flows.targets import read_target
from monitoring.clear import ClearRule
from monitoring.errors import BoundaryError, CardMismatchError, PixelReadError, SettingsError
from monitoring.grid import Block, make_blocks
from monitoring.science import Science, read_science
from monitoring.targets import Target
from monitoring.woodlands import Woodland

if TYPE_CHECKING:
    from models.encoders.card import EncoderCard
    from models.encoders.encoder import Encoder
    from models.heads.head import Head

#: Held while the seats of a workspace are set up, which its threads may ask for at once.
_SEATING = threading.Lock()

#: Begins the ids of the blocks of reference sites; those of woodlands begin with a number.
REFERENCE_PREFIX = "reference-"

BUILT_IN_SCIENCE = Path(__file__).with_name("science.toml")


@dataclass(frozen=True)
class Workspace:
    """One installation: its settings, its science, and the folders under its home."""

    settings: Settings
    science: Science
    head_id: str = ""
    """Another head than the promoted one, to see what it would say; empty: the promoted one."""

    @property
    def cube(self) -> Path:
        """Folder of the pixel cubes, one repository per block."""
        return self.settings.kept_in / "cube"

    @property
    def looks(self) -> Path:
        """Folder of what the catalogue offered at the last look, one file per block and season."""
        return self.settings.kept_in / "looks"

    @property
    def staging(self) -> Path:
        """Folder of results not yet loaded, each named by its key."""
        return self.settings.kept_in / "staging"

    @property
    def warehouse(self) -> Path:
        """The database that only the load task writes."""
        return self.settings.kept_in / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        """The snapshot that everybody reads."""
        return self.settings.kept_in / "published" / "underwood.duckdb"

    @property
    def panels(self) -> Path:
        """Folder of the panels: what encoders said of frozen inputs, one file per encoder and block."""
        return self.settings.kept_in / "panels"

    @cached_property
    def agreed_panels(self) -> set[str]:
        """Hashes of the panels that this process has seen its encoder agree with; it grows."""
        return set()

    @property
    def heads(self) -> Path:
        """Folder of the heads, one shelf per target."""
        return self.settings.kept_in / "heads"

    @property
    def shelf(self) -> Shelf:
        """The heads of the target: every one that was kept, and which of them speaks for it."""
        return Shelf(self.heads / self.science.estimation.target)

    @cached_property
    def target(self) -> Target:
        """What the head predicts; SettingsError where a target of one's own has another name."""
        wanted, own = self.science.estimation.target, self.settings.target
        target = read_target(str(own) if own else wanted)
        if target.name != wanted:
            raise SettingsError(f"target {own}: named {target.name!r}, the science says {wanted!r}")
        return target

    @cached_property
    def inventory(self) -> Inventory:
        """The boundary file as the release it is; BoundaryError where another was loaded last."""
        return open_inventory(self.settings.woodlands, self.published, self.warehouse)

    @property
    def boundaries(self) -> BoundaryReading:
        """The woodlands of the boundary file by the ids they have for good, and what was refused."""
        return self.inventory.reading

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
    def references(self) -> ReferenceReading:
        """The reference sites; none where the settings name no file. BoundaryError as for woodlands."""
        path = self.settings.reference_sites
        return read_reference_sites(path, self.woodlands) if path else ReferenceReading()

    @cached_property
    def reference_blocks(self) -> dict[str, Block]:
        """The blocks of the reference sites, by id: read and estimated like the others, never loaded."""
        made = make_blocks(self.references.outlines, self.science.blocks.size_m)
        named = (dataclasses.replace(block, id=REFERENCE_PREFIX + block.id) for block in made)
        return {block.id: block for block in named}

    def block(self, block_id: str) -> Block:
        """Return a block, of woodlands or of reference sites, by id; KeyError for another id."""
        of_sites = block_id.startswith(REFERENCE_PREFIX)
        return (self.reference_blocks if of_sites else self.blocks)[block_id]

    @cached_property
    def catalogue(self) -> Catalogue:
        """The catalogue, opened once."""
        return open_catalogue(self.settings.catalogue, self.settings.source, self.settings.offset_rule)

    @cached_property
    def second_catalogue(self) -> Catalogue | None:
        """The catalogue that is asked only which passes there should be; None where none is named."""
        address = self.settings.second_catalogue
        return open_catalogue(address) if address else None

    @cached_property
    def transport(self) -> Transport:
        """How assets on the web are read: one limit per host for the whole process."""
        return Transport(per_host=self.settings.requests_per_host, sign=signer(self.settings.access.secrets))

    def ranges_of(self, address: str) -> Ranges:
        """Return the bytes of an asset, on disk or on the web."""
        return self.transport.at(address) if is_web(address) else local_ranges(address)

    def document(self, address: str, limit: int) -> bytes:
        """Return a whole small asset; PixelReadError for more than `limit` bytes."""
        if is_web(address):
            return self.transport.whole(address, limit)
        content = local_ranges(address).read(0, limit + 1)
        if len(content) > limit:
            raise PixelReadError(f"{address}: larger than {limit} bytes")
        return content

    @cached_property
    def clear_rule(self) -> ClearRule:
        """Which observations are clear to the encoder in use."""
        return self.encoder_card.clear(self.science.scenes.max_cloud_probability)

    @cached_property
    def reads_published(self) -> bool:
        """True where embeddings are read as published; CardMismatchError when source and encoder disagree."""
        from models.encoders.configs import PublishedConfig

        is_published = isinstance(self.encoder_card.config, PublishedConfig)
        if is_published != (self.settings.source == GEOTESSERA):
            done = "are read, with" if is_published else "are computed, not with"
            raise CardMismatchError(
                f"encoder {self.encoder_card.id}: its embeddings {done} source = {GEOTESSERA!r}; "
                f"the settings say source = {self.settings.source!r}"
            )
        return is_published

    @cached_property
    def encoder_card(self) -> EncoderCard:
        """The card of the encoder in use."""
        from models.encoders.card import encoder_card

        return encoder_card(self.settings.encoder)

    @cached_property
    def encoders(self) -> tuple[Encoder, ...]:
        """The frozen encoder on each device in use."""
        from models.encoders.encoder import load_encoder
        from models.encoders.weights.shelf import find_weights

        card, settings = self.encoder_card, self.settings
        weights = settings.encoder_weights or find_weights(card, settings.home)
        return tuple(
            load_encoder(card, weights, device=device, precision=settings.precision)
            for device in devices(settings.device)
        )

    @property
    def encoder(self) -> Encoder:
        """The frozen encoder on the first device."""
        return self.encoders[0]

    @property
    def seats(self) -> Seats:
        """Who embeds takes one of these, for as long as it takes."""
        with _SEATING:
            return self._seats

    @cached_property
    def _seats(self) -> Seats:
        return Seats(self.encoders)

    @cached_property
    def head(self) -> Head:
        """The head that speaks for the target; it belongs to the encoder and predicts where that embeds."""
        from models.heads.head import load_head

        where = self.shelf.find(self.head_id) if self.head_id else self.shelf.in_use
        return load_head(where, self.encoder_card).on(devices(self.settings.device)[0])


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
