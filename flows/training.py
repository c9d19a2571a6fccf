"""Training: the head at the field samples, and the recipe of the embedded encoder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from scipy import sparse

from flows.drift import refuse_drifted_training
from flows.estimate import embed, season_dpixels
from flows.ingest import ingest_block
from flows.listing import read_listing
from flows.published import list_published, read_kept
from flows.sources.catalogues.provenance import SIMULATED
from flows.sources.samples import read_samples
from flows.sources.scenes.offsets import CORRECTED
from flows.workspace import Workspace
from models.encoders.inputs.dpixels import DPixels
from models.heads.head import Head, fit_head, save_head
from models.pretraining.pretrain import PretrainConfig, PretrainResult, pretrain
from monitoring.errors import SampleError, SettingsError
from monitoring.grid import PIXEL_SIZE_M, Block, PixelSet, tile_epsg
from monitoring.samples import FieldSample
from monitoring.seasons import Season, seasons_between

#: Called with (units done so far, units in all).
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class TrainingSet:
    """Embeddings at the field samples, each of the sample's own year."""

    samples: tuple[FieldSample, ...]
    embeddings: NDArray[np.float32]
    """(n, D); NaN rows where the pixel was not observed that year."""


def train(workspace: Workspace, now: datetime) -> Head:
    """Fit the head of the target to the field samples and keep it, replacing the one before.

    now: when the catalogue is looked into.

    DriftError, with nothing written, where the encoder no longer says what its panels do.
    """
    samples = usable_samples(workspace)
    refuse_drifted_training(workspace)
    gathered = gather(workspace, samples, now)
    head = fit_head(
        gathered.embeddings,
        np.array([sample.richness for sample in gathered.samples]),
        np.array([sample.reads for sample in gathered.samples]),
        coordinates=np.array([(sample.longitude, sample.latitude) for sample in gathered.samples]),
        years=[sample.year for sample in gathered.samples],
        encoder=workspace.encoder_card,
        target=workspace.science.estimation.target,
        seed=0,
    )
    save_head(head, workspace.head_directory)
    return head


def usable_samples(workspace: Workspace) -> tuple[FieldSample, ...]:
    """Return the field samples that can be matched to a year of scenes."""
    path = workspace.settings.samples
    if path is None:
        raise SampleError("training needs field samples: set `samples` in the settings file")
    samples: tuple[FieldSample, ...] = read_samples(path).samples
    return samples


def gather(workspace: Workspace, samples: Sequence[FieldSample], now: datetime) -> TrainingSet:
    """Return the embeddings of the cells the samples lie in, reading only those cells."""
    chosen: list[FieldSample] = []
    rows: list[NDArray[np.float32]] = []
    for cell in sample_cells(samples, workspace.science.blocks.size_m):
        for year in sorted({sample.year for sample in cell.samples}):
            members = [i for i, sample in enumerate(cell.samples) if sample.year == year]
            chosen.extend(cell.samples[i] for i in members)
            rows.append(_embed_year(workspace, cell.block, Season(year, 4), cell.position[members], now))
    return TrainingSet(tuple(chosen), np.concatenate(rows))


def _embed_year(
    workspace: Workspace, block: Block, season: Season, position: NDArray[np.int64], now: datetime
) -> NDArray[np.float32]:
    """Return (n, D) embeddings of some pixels of a block in a year."""
    if workspace.reads_published:
        listing, _ = list_published(workspace, block, season)
        return read_kept(workspace, block, season, listing.published).embeddings.values[position]
    dpixels = _season_pixels(workspace, block, season, now)
    return embed(workspace, dpixels.pixels(position), "embed field samples").values


@dataclass(frozen=True)
class SampleCell:
    """The field samples of one block cell, and the pixels they lie in."""

    block: Block
    """A block without woodlands."""
    samples: tuple[FieldSample, ...]
    position: NDArray[np.int64]
    """(n,) index of each sample's pixel in the block's pixel set."""


def sample_cells(samples: Iterable[FieldSample], block_size_m: int) -> Iterator[SampleCell]:
    """Group samples by block cell, in the order of the cells' names."""
    groups: dict[tuple[int, int, int], list[tuple[FieldSample, int, int]]] = defaultdict(list)
    for sample in samples:
        epsg = tile_epsg(sample.longitude, sample.latitude)
        to_zone = Transformer.from_crs(4326, epsg, always_xy=True)
        easting, northing = to_zone.transform(sample.longitude, sample.latitude)
        cell = epsg, int(easting // block_size_m), int(northing // block_size_m)
        groups[cell].append((sample, int(easting // PIXEL_SIZE_M), int(northing // PIXEL_SIZE_M)))
    for (epsg, column, row), members in sorted(groups.items(), key=lambda item: item[0]):
        yield _sample_cell(f"samples-{epsg}-e{column}-n{row}", epsg, members)


def _sample_cell(block_id: str, epsg: int, members: Sequence[tuple[FieldSample, int, int]]) -> SampleCell:
    cells = np.array([(-row, column) for _, column, row in members])
    unique, position = np.unique(cells, axis=0, return_inverse=True)
    pixels = PixelSet(epsg, unique[:, 1].astype(np.int32), (-unique[:, 0]).astype(np.int32))
    block = Block(block_id, (), pixels, sparse.csr_array((0, len(pixels))))
    return SampleCell(block, tuple(sample for sample, _, _ in members), position.ravel())


def pretrain_student(
    workspace: Workspace,
    window: tuple[Season, Season],
    out: Path,
    seed: int,
    progress: Progress,
    now: datetime,
) -> PretrainResult:
    """Pretrain the small student on every block's final seasons of a window; write it into `out`."""
    if workspace.settings.offset_rule != CORRECTED:
        raise SettingsError(
            f"offset_rule = {workspace.settings.offset_rule!r}: a student of our own learns from "
            f"{CORRECTED!r} digital numbers, as its card says"
        )
    seasons = [season for season in seasons_between(*window) if season.is_final]
    tiles = [
        _season_pixels(workspace, block, each, now) for block in workspace.blocks.values() for each in seasons
    ]
    source = workspace.catalogue.source
    places = ", ".join(sorted({woodland.park for woodland in workspace.woodlands} - {""}))
    domain = (
        f"Woodland pixels of {places}, {seasons[0]} to {seasons[-1]}, source {source}. It knows nothing else."
    )
    if source == SIMULATED:
        domain = f"The simulated archive only: invented woodland with invented reflectance. {domain}"
    return pretrain(tiles, PretrainConfig(seed=seed), out, source=source, domain=domain, progress=progress)


def _season_pixels(workspace: Workspace, block: Block, season: Season, now: datetime) -> DPixels:
    receipt = ingest_block(workspace, block, season, now)
    return season_dpixels(workspace, block, season, read_listing(Path(receipt.listing)))
