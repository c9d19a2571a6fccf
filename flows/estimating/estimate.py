"""Estimate: from the pixel cube to one staged row per woodland, one task per block-season."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flows.estimating.parts import embed_in_parts
from flows.estimating.published import read_kept
from flows.estimating.site_embeddings import mean_embeddings, site_embeddings_path, write_site_embeddings
from flows.ingesting.ingest import IngestReceipt
from flows.ingesting.listing import Listing, read_listing
from flows.progress import counting
from flows.settings import Settings
from flows.sources.scenes.offsets import CORRECTED
from flows.workspace import Workspace
from models.encoders.embeddings import Embeddings
from models.encoders.inputs.dpixels import DPixels, clear_counts, dpixels_from_series
from monitoring.errors import CardMismatchError
from monitoring.estimates import aggregate
from monitoring.grid import Block
from monitoring.phenology import observation_counts
from monitoring.scenes import Sensor
from monitoring.seasons import Season
from monitoring.series import PixelSeries
from warehouse.cube import open_cube
from warehouse.records import EstimateRow, ObservationRow
from warehouse.staging import staging_path, write_estimates, write_rows

#: Observations behind each pixel's embedding, (N,) for each sensor.
Counts = Mapping[Sensor, NDArray[np.int64]] | Mapping[Sensor, NDArray[np.float64]]


@dataclass(frozen=True)
class EstimateReceipt:
    """What became of one block-season: a postcard."""

    block_id: str
    season: str
    staged: str
    inputs_hash: str
    n_woodlands: int


def inputs_hash(block: Block, listing: Listing, settings: Settings) -> str:
    """Return twelve hex digits naming what an estimate is made from: the cells, their shares, the scenes.

    Published embeddings are named by where they were read and by every byte read. Another number format
    than fp32 makes other estimates, and so does another offset rule than the corrected one.
    """
    digest = hashlib.sha256(block.pixels.digest.encode())
    digest.update(json.dumps([block.woodland_ids, listing.scene_ids]).encode())
    digest.update(listing.published.encode())
    digest.update(b"" if settings.precision == "fp32" else settings.precision.encode())
    digest.update(b"" if settings.offset_rule == CORRECTED else settings.offset_rule.encode())
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
    block = workspace.block(receipt.block_id)
    inputs = inputs_hash(block, read_listing(Path(receipt.listing)), workspace.settings)
    return staged_path(workspace, block, Season.parse(receipt.season), inputs)


def estimate_block(workspace: Workspace, block: Block, season: Season, listing_uri: str) -> EstimateReceipt:
    """Stage the estimates of a block-season; nothing is computed when they are staged already.

    A staged file that was deleted is made anew, that of the observations as well as that of the estimates.
    """
    listing = read_listing(Path(listing_uri))
    inputs = inputs_hash(block, listing, workspace.settings)
    path = staged_path(workspace, block, season, inputs)
    if not listing.published and not observations_path(path).exists():
        counted = observation_rows(workspace, block, season, listing, inputs)
        write_rows(observations_path(path), ObservationRow, counted)
    if not all(each.exists() for each in _made_of_embeddings(workspace, block, path)):
        stage_embedded(workspace, block, season, listing, path, inputs)
    return EstimateReceipt(block.id, season.id, str(path), inputs, len(block.woodland_ids))


def _made_of_embeddings(workspace: Workspace, block: Block, path: Path) -> tuple[Path, ...]:
    """Return the files that a block-season's embeddings are needed for."""
    is_of_sites = block.id in workspace.reference_blocks
    return (path, site_embeddings_path(path)) if is_of_sites else (path,)


def stage_embedded(
    workspace: Workspace, block: Block, season: Season, listing: Listing, path: Path, inputs: str
) -> None:
    """Stage what the embeddings of a block-season say: its estimates, and the means of reference sites."""
    embeddings, counts = season_embeddings(workspace, block, season, listing, inputs)
    if block.id in workspace.reference_blocks:
        write_site_embeddings(site_embeddings_path(path), block, mean_embeddings(block, embeddings))
    write_estimates(path, rows_of(workspace, block, season, inputs, embeddings, counts))


def observations_path(staged: Path) -> Path:
    """Return where what was seen of each woodland is staged, beside its estimates."""
    return staged.with_suffix(".observations.parquet")


def observation_rows(
    workspace: Workspace, block: Block, season: Season, listing: Listing, inputs: str
) -> tuple[ObservationRow, ...]:
    """Return on how many dates of a season each woodland was seen, with leaves and without."""
    series = season_series(workspace, block, season, listing)
    latitude = block.pixels.bbox[1]
    counts = observation_counts(
        block.woodland_ids,
        block.coverage,
        series,
        latitude,
        workspace.clear_rule,
        workspace.science.phenology,
    )
    return tuple(
        ObservationRow(**dataclasses.asdict(each), season=season.id, inputs_hash=inputs) for each in counts
    )


def rows_of(
    workspace: Workspace,
    block: Block,
    season: Season,
    inputs: str,
    embeddings: Embeddings,
    counts: Counts,
) -> tuple[EstimateRow, ...]:
    """Return the rows of a block-season whose pixels are embedded: predict, aggregate."""
    pixel_estimates = workspace.head.predict(embeddings.values)
    cells, correlation = block.pixels, workspace.head.correlation
    found = aggregate(
        block.woodland_ids, block.coverage, pixel_estimates, counts, cells.column, cells.row, correlation
    )
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


def season_embeddings(
    workspace: Workspace, block: Block, season: Season, listing: Listing, inputs: str
) -> tuple[Embeddings, Counts]:
    """Return the embeddings of a block's pixels in a season, and the observations behind each."""
    if listing.published:
        kept = read_kept(workspace, block, season, listing.published)
        return kept.embeddings, kept.counts
    dpixels = season_dpixels(workspace, block, season, listing)
    parts = staged_path(workspace, block, season, inputs).with_suffix(".parts")
    return embed(workspace, dpixels, f"embed {season.id}", parts), clear_counts(dpixels)


def season_dpixels(workspace: Workspace, block: Block, season: Season, listing: Listing) -> DPixels:
    """Return what the encoder sees of a block in a season: the listed scenes, in the encoder's layout.

    CardMismatchError as `season_series`.
    """
    return dpixels_from_series(season_series(workspace, block, season, listing), workspace.clear_rule)


def season_series(workspace: Workspace, block: Block, season: Season, listing: Listing) -> PixelSeries:
    """Return the pixels of the listed scenes of a season.

    CardMismatchError when the encoder was not made for the source of a scene.
    """
    if listing.published:
        raise CardMismatchError(f"encoder {workspace.encoder_card.id}: published embeddings have no scenes")
    for source in sorted({scene.source for scene in listing.scenes}):
        workspace.encoder_card.refuse_source(source)
    series = open_cube(workspace.cube, block).read(season.start, season.end)
    return series.keep(frozenset(listing.scene_ids))


def embed(workspace: Workspace, dpixels: DPixels, label: str, kept_in: Path | None = None) -> Embeddings:
    """Embed pixels on a free device; a killed run leaves its parts in a folder named by what decides them."""
    with workspace.seats.taken() as encoder:
        if kept_in is None:
            return encoder.embed(dpixels, progress=counting(label))
        return embed_in_parts(encoder, dpixels, kept_in, kept_in.name, counting(label))
