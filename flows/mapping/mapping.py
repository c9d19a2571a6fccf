"""Mapping: from the pixel cube to maps of what the head says, for one woodland or one park and season."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flows.estimating.estimate import embed, inputs_hash, season_dpixels, season_embeddings
from flows.ingesting.ingest import ingest_block
from flows.ingesting.listing import Listing, read_listing
from flows.mapping.item import MapTitle, plain
from flows.mapping.layers import Piece, piece_of
from flows.mapping.maps import refuse_present, write_maps
from flows.progress import advance
from flows.workspace import Workspace
from monitoring.errors import BoundaryError, WarehouseError
from monitoring.grid import Block
from monitoring.seasons import Season

#: Parks that a message names.
_MOST_NAMED = 10


@dataclass(frozen=True)
class Area:
    """What is mapped."""

    name: str
    woodland_ids: frozenset[str]


@dataclass(frozen=True)
class Mapped:
    """What became of a map: a postcard."""

    folders: tuple[Path, ...]
    """One per UTM zone."""
    problems: tuple[str, ...]
    """One line for each block that was refused or thing that could not be read."""


def woodland_area(workspace: Workspace, woodland_id: str) -> Area:
    """Return the area of one woodland; BoundaryError where there is none of that id."""
    if all(woodland.id != woodland_id for woodland in workspace.woodlands):
        raise BoundaryError(f"woodland {woodland_id!r}: not in {workspace.settings.woodlands}")
    return Area(woodland_id, frozenset({woodland_id}))


def park_area(workspace: Workspace, park: str) -> Area:
    """Return all woodlands of a park; BoundaryError where there is no such park."""
    members = frozenset(woodland.id for woodland in workspace.woodlands if park and woodland.park == park)
    if not members:
        raise BoundaryError(f"park {park!r}: no woodland of it; {_parks(workspace)}")
    return Area(park, members)


def _parks(workspace: Workspace) -> str:
    parks = sorted({plain(woodland.park) for woodland in workspace.woodlands if woodland.park})
    more = f" and {len(parks) - _MOST_NAMED} more" if len(parks) > _MOST_NAMED else ""
    return f"there are {', '.join(parks[:_MOST_NAMED])}{more}" if parks else "no woodland has a park"


def write_map(
    workspace: Workspace, area: Area, season: Season, folder: Path, now: datetime, *, force: bool = False
) -> Mapped:
    """Write the maps of an area in a season; what is not in the cube yet is read first.

    Blocks that a quality gate refuses are left out and named. WarehouseError as `write_maps`, before
    anything is read where `folder` may not be replaced, and where every block is refused.
    """
    refuse_present(folder, force=force)
    head = workspace.head.card
    blocks = [block for block in workspace.blocks.values() if area.woodland_ids & set(block.woodland_ids)]
    drawn = [_draw(workspace, block, area, season, now, len(blocks)) for block in blocks]
    pieces = [each.piece for each in drawn if each.piece]
    problems = tuple(problem for each in drawn for problem in each.problems)
    if not pieces:
        raise WarehouseError(f"map of {plain(area.name)} {season}: {problems[0]}")
    facts: dict[str, str | int] = {
        "encoder": workspace.encoder_card.id,
        "head": head.id,
        "config_hash": workspace.science.digest,
        "n_scenes": len(frozenset[str]().union(*(each.scene_ids for each in drawn))),
        "n_blocks_refused": len(blocks) - len(pieces),
    }
    title = MapTitle(area.name, season, head.target, facts)
    return Mapped(tuple(write_maps(pieces, title, folder, force=force)), problems)


@dataclass(frozen=True)
class _Drawn:
    """What a block gives to a map."""

    piece: Piece | None
    """None where a quality gate refused the block."""
    scene_ids: frozenset[str]
    problems: tuple[str, ...]


def _draw(
    workspace: Workspace, block: Block, area: Area, season: Season, now: datetime, n_blocks: int
) -> _Drawn:
    """Return the cells of a block that lie in the area, with their estimates."""
    receipt = ingest_block(workspace, block, season, now)
    listing = read_listing(Path(receipt.listing))
    if receipt.refused:
        return _Drawn(None, frozenset(), receipt.problems)
    members = [row for row, name in enumerate(block.woodland_ids) if name in area.woodland_ids]
    touched = np.unique(block.coverage[members].indices).astype(np.int64)
    estimates = workspace.head.predict(_embeddings(workspace, block, season, listing, touched))
    advance("map blocks", 1, n_blocks)
    piece = piece_of(block.pixels.at(touched), estimates)
    return _Drawn(piece, frozenset(listing.scene_ids), receipt.problems)


def _embeddings(
    workspace: Workspace, block: Block, season: Season, listing: Listing, touched: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return (n, D) of some cells of a block; of a small part of a large block the rest is not embedded."""
    if listing.published or len(touched) == len(block.pixels):
        inputs = inputs_hash(block, listing, workspace.settings)
        return season_embeddings(workspace, block, season, listing, inputs)[0].values[touched]
    dpixels = season_dpixels(workspace, block, season, listing).pixels(touched)
    return embed(workspace, dpixels, f"embed {season.id}").values
