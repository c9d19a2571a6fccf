"""Estimate: from the pixel cube to one staged row per woodland, one task per block-season."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass
from pathlib import Path

from flows.ingest import IngestReceipt
from flows.listing import Listing, read_listing
from flows.progress import counting
from flows.workspace import Workspace
from models.encoders.dpixels import DPixels, clear_counts, dpixels_from_series
from models.encoders.encoder import Embeddings
from monitoring.estimates import aggregate
from monitoring.grid import Block
from monitoring.seasons import Season
from warehouse.cube import open_cube
from warehouse.records import EstimateRow
from warehouse.staging import staging_path, write_estimates

#: One embedding at a time in a process: the encoder already uses every core, and a GPU is one seat.
_SEAT = threading.Lock()


@dataclass(frozen=True)
class EstimateReceipt:
    """What became of one block-season: a postcard."""

    block_id: str
    season: str
    staged: str
    inputs_hash: str
    n_woodlands: int


def inputs_hash(block: Block, listing: Listing) -> str:
    """Return twelve hex digits naming what an estimate is made from: the cells, their shares, the scenes."""
    digest = hashlib.sha256(block.pixels.digest.encode())
    digest.update(json.dumps([block.woodland_ids, listing.scene_ids]).encode())
    digest.update(block.coverage.data.astype("<f8").tobytes())
    digest.update(block.coverage.indices.astype("<i4").tobytes())
    return digest.hexdigest()[:12]


def staged_path(workspace: Workspace, block: Block, season: Season, inputs: str) -> Path:
    """Return where a block-season's estimates are staged: named by everything they depend on."""
    science = workspace.science
    models = (workspace.encoder_card.id, workspace.encoder_card.weights_sha256, workspace.head.card.id)
    key = (science.estimation.target, *models, science.digest, inputs)
    return staging_path(workspace.staging, season.id, block.id, *key)


def staged_block_path(workspace: Workspace, receipt: IngestReceipt) -> Path:
    """Return where the estimates of an ingested block-season are, or will be, staged."""
    block = workspace.blocks[receipt.block_id]
    inputs = inputs_hash(block, read_listing(Path(receipt.listing)))
    return staged_path(workspace, block, Season.parse(receipt.season), inputs)


def estimate_block(workspace: Workspace, block: Block, season: Season, listing_uri: str) -> EstimateReceipt:
    """Stage the estimates of a block-season; nothing is computed when they are staged already."""
    listing = read_listing(Path(listing_uri))
    inputs = inputs_hash(block, listing)
    path = staged_path(workspace, block, season, inputs)
    if not path.exists():
        write_estimates(path, estimate_rows(workspace, block, season, listing, inputs))
    return EstimateReceipt(block.id, season.id, str(path), inputs, len(block.woodland_ids))


def estimate_rows(
    workspace: Workspace, block: Block, season: Season, listing: Listing, inputs: str
) -> tuple[EstimateRow, ...]:
    """Return the staged rows of a block-season: read, embed, predict, aggregate."""
    dpixels = season_dpixels(workspace, block, season, listing)
    embeddings = embed(workspace, dpixels, f"embed {season.id}")
    pixel_estimates = workspace.head.predict(embeddings.values)
    counts = clear_counts(dpixels)
    found = aggregate(block.woodland_ids, block.coverage, pixel_estimates, counts)
    return tuple(
        EstimateRow.of(
            estimate,
            season=season.id,
            target=workspace.science.estimation.target,
            encoder=workspace.encoder_card.id,
            head=workspace.head.card.id,
            config_hash=workspace.science.digest,
            inputs_hash=inputs,
            run_id="",  # the run that loads it puts its own id
            block_id=block.id,
        )
        for estimate in found
    )


def season_dpixels(workspace: Workspace, block: Block, season: Season, listing: Listing) -> DPixels:
    """Return what the encoder sees of a block in a season: the listed scenes, in the encoder's layout.

    CardMismatchError when the encoder was not made for the source of a scene.
    """
    for source in sorted({scene.source for scene in listing.scenes}):
        workspace.encoder_card.refuse_source(source)
    series = open_cube(workspace.cube, block).read(season.start, season.end)
    return dpixels_from_series(series.keep(frozenset(listing.scene_ids)))


def embed(workspace: Workspace, dpixels: DPixels, label: str) -> Embeddings:
    """Embed pixels on the one seat of this process."""
    with _SEAT:
        return workspace.encoder.embed(dpixels, progress=counting(label))
