"""The listing of a block-season: which scenes it uses, and what was left out and why."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from flows.files import write_json
from flows.ingesting.ledger import Entry
from flows.sources.addresses import shown
from monitoring.completeness import Completeness
from monitoring.errors import WarehouseError
from monitoring.scenes import Scene
from monitoring.seasons import Season


@dataclass(frozen=True)
class LeftOut:
    """A scene that is not used, and the reason in words."""

    gate: str
    """Where it stopped: `catalogue`, `scenes`, `pixels`, `radiometry`, `geolocation` or `published`."""
    scene_id: str
    reason: str


@dataclass(frozen=True)
class Check:
    """The outcome of one expectation of a quality gate."""

    gate: str
    expectation: str
    column: str
    success: bool
    unexpected_count: int
    observed: str


@dataclass(frozen=True)
class Listing:
    """Everything decided about the scenes of one block in one season."""

    block_id: str
    season: str
    scenes: tuple[Scene, ...]
    left_out: tuple[LeftOut, ...]
    checks: tuple[Check, ...]
    refused: str = ""
    """Why the whole block-season cannot be used; empty where it can."""
    published: str = ""
    """Digest of the published embeddings in use and of where they were read; empty where there are scenes."""
    completeness: Completeness | None = None
    """The passes it has against those it should have; None where there are no scenes to count."""
    is_frozen: bool = False
    """True once the grace for late scenes is over."""
    failures: tuple[Entry, ...] = ()
    """The ledger's records of assets of this season's scenes."""

    @property
    def scene_ids(self) -> tuple[str, ...]:
        """Ids of the scenes in use, sorted."""
        return tuple(sorted(scene.id for scene in self.scenes))


_LISTING = TypeAdapter(Listing)


def listing_path(staging: Path, block_id: str, season: Season) -> Path:
    """Return where the listing of a block-season lies."""
    return staging / season.id / f"{block_id}.scenes.json"


def write_listing(path: Path, listing: Listing) -> Path:
    """Write a listing whole or not at all, without the secrets of its addresses."""
    public = dataclasses.replace(listing, scenes=tuple(without_secrets(scene) for scene in listing.scenes))
    return write_json(path, _LISTING.dump_python(public, mode="json"))


def without_secrets(scene: Scene) -> Scene:
    """Return the scene with its addresses as they may be stored: signatures and credentials cut off."""
    return dataclasses.replace(scene, hrefs=tuple((band, shown(href)) for band, href in scene.hrefs))


def read_listing(path: Path) -> Listing:
    """Return a listing; WarehouseError when it is missing or not one of ours."""
    try:
        return _LISTING.validate_python(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise WarehouseError(f"listing {path}: missing or damaged; ingest the season again") from error
