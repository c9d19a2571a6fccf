"""Training: the head at the field samples, and the recipe of the embedded encoder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from scipy import sparse
from scipy.spatial import cKDTree

from flows.estimating.drift import refuse_drifted_training
from flows.estimating.estimate import embed, season_dpixels
from flows.estimating.published import list_published, read_kept
from flows.ingesting.ingest import ingest_block
from flows.ingesting.listing import read_listing
from flows.modelling.embedding_files import NamedEmbeddings, read_named_embeddings
from flows.progress import counting
from flows.sources.catalogues.provenance import SIMULATED
from flows.sources.covariates import sample_rasters
from flows.sources.field_samples.columns import SampleColumns
from flows.sources.field_samples.defects import REFUSED
from flows.sources.field_samples.defects import DefectCount as Counted
from flows.sources.field_samples.reading import read_samples
from flows.sources.scenes.offsets import CORRECTED
from flows.workspace import Workspace
from models.encoders.inputs.dpixels import DPixels
from models.heads.candidates.registry import SETS
from models.heads.card import DefectCount, EncoderIdentity, read_head_card, refuse_other_encoder
from models.heads.crew import Crew
from models.heads.fitting import Fitting, fit_head
from models.heads.folds import on_unit_sphere
from models.heads.head import Head
from models.heads.samples import Labels
from models.pretraining.pretrain import PretrainConfig, PretrainResult, pretrain
from monitoring.errors import ModelError, SampleError, SettingsError
from monitoring.grid import PIXEL_SIZE_M, Block, PixelSet, tile_epsg
from monitoring.samples import FieldSample
from monitoring.seasons import Season, seasons_between
from monitoring.targets import Target

#: Called with (units done so far, units in all).
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class TrainingSet:
    """Embeddings at the field samples, each of the sample's own year."""

    samples: tuple[FieldSample, ...]
    embeddings: NDArray[np.float32]
    """(n, D); NaN rows where the pixel was not observed that year."""


@dataclass(frozen=True)
class Lesson:
    """What a head is to learn, and how."""

    target: Target
    samples: Path
    """Table of field samples."""
    year_if_missing: int | None = None
    group_column: str | None = None
    """Column of the table that folds keep together."""
    covariates: Mapping[str, Path] = field(default_factory=dict)
    """Rasters to compare embeddings with, by name."""
    candidates: tuple[str, ...] = SETS["quick"]
    seed: int = 0
    workers: int = 1


def train(workspace: Workspace, now: datetime) -> Head:
    """Fit the head of the target to the field samples and keep it; the first of a target is promoted.

    now: when the catalogue is looked into. DriftError, with nothing written, where the encoder no longer says
    what its panels do.
    """
    path = workspace.settings.samples
    if path is None:
        raise SampleError("training needs field samples: set `samples` in the settings file")
    head = fit_from_cube(workspace, Lesson(workspace.target, path), now)
    keep(workspace, head, now)
    return head


def keep(workspace: Workspace, head: Head, now: datetime) -> Path:
    """Keep a head beside the others of its target; where none can speak for the target, this one does."""
    shelf = workspace.shelf
    path = shelf.keep(head)
    if not _has_a_voice(workspace):
        shelf.promote(head.card.id, now)
    return path


def _has_a_voice(workspace: Workspace) -> bool:
    """Return whether the promoted head can be read and belongs to the encoder in use."""
    try:
        refuse_other_encoder(read_head_card(workspace.shelf.in_use), workspace.encoder_card)
    except ModelError:
        return False
    return True


def fit_from_cube(workspace: Workspace, lesson: Lesson, now: datetime) -> Head:
    """Return a head fitted to embeddings of the samples' own pixels and years."""
    reading = read_samples(
        lesson.samples,
        lesson.target,
        SampleColumns(group=lesson.group_column),
        year_if_missing=lesson.year_if_missing,
    )
    refuse_drifted_training(workspace)
    gathered = gather(workspace, reading.samples, now)
    woods = woods_of(workspace)
    return fit(lesson, gathered, workspace.encoder_card, reading.defects, woods)


def fit_from_file(lesson: Lesson, path: Path, encoder: str | None) -> Head:
    """Return a head fitted to embeddings from a file, matched to the samples by `sample_id`."""
    embeddings = read_named_embeddings(path, encoder)
    reading = read_samples(
        lesson.samples,
        lesson.target,
        SampleColumns(group=lesson.group_column),
        year_if_missing=lesson.year_if_missing,
        needs_year=False,
        needs_coordinates=lesson.group_column is None,
    )
    wanted = tuple(each.id for each in reading.samples)
    refuse_strangers(lesson.samples, wanted, path, embeddings)
    gathered = TrainingSet(reading.samples, embeddings.of(wanted))
    defects = [*reading.defects, *unmatched(wanted, embeddings)]
    return fit(lesson, gathered, embeddings.encoder, defects, None)


def refuse_strangers(table: Path, wanted: Sequence[str], path: Path, embeddings: NamedEmbeddings) -> None:
    """SampleError where no sample has an embedding: the two files name different things."""
    if not embeddings.among(wanted):
        raise SampleError(
            f"embeddings {path}: none of {len(embeddings.ids)} belongs to a usable sample of {table}; "
            f"ids there are like {wanted[0]!a}, here like {embeddings.ids[0]!a}"
        )


def unmatched(wanted: Sequence[str], embeddings: NamedEmbeddings) -> Iterator[Counted]:
    """Yield how many samples have no embedding, and how many embeddings belong to no usable sample."""
    found = embeddings.among(wanted)
    if missing := len(wanted) - found:
        yield Counted("no embedding of this id", "there is nothing to learn from", REFUSED, missing)
    if spare := len(embeddings.ids) - found:
        yield Counted("embedding of no usable sample", "there is nothing to learn", REFUSED, spare)


@dataclass(frozen=True)
class Woods:
    """Where a head is to be used."""

    places: NDArray[np.float64]
    """(m, 2) longitude, latitude of a point inside each woodland."""
    park: NDArray[np.int64]
    """(m,) number of the park it lies in."""

    def park_of(self, coordinates: NDArray[np.float64]) -> NDArray[np.int64] | None:
        """Return (n,) the park of the nearest woodland; None where there is one park only."""
        if len(np.unique(self.park)) < 2:
            return None
        _, nearest = cKDTree(on_unit_sphere(self.places)).query(on_unit_sphere(coordinates))
        return np.asarray(self.park[nearest], np.int64)


def woods_of(workspace: Workspace) -> Woods:
    """Return where the woodlands lie."""
    points = [woodland.geometry.representative_point() for woodland in workspace.woodlands]
    _, park = np.unique([woodland.park for woodland in workspace.woodlands], return_inverse=True)
    return Woods(np.array([(point.x, point.y) for point in points]), np.asarray(park, np.int64))


def fit(
    lesson: Lesson,
    gathered: TrainingSet,
    encoder: EncoderIdentity,
    defects: Sequence[Counted],
    woods: Woods | None,
) -> Head:
    """Return the head that a lesson gives; with woods, whole parks are left out as regions."""
    labels = labels_of(gathered.samples, lesson)
    how = Fitting(
        seed=lesson.seed,
        candidates=lesson.candidates,
        beside=covariates_of(lesson, labels),
        prediction_places=woods.places if woods else None,
        region=woods.park_of(labels.coordinates) if woods else None,
        defects=tuple(DefectCount(row.what, row.rule, row.outcome, row.rows) for row in defects),
    )
    crew = Crew(lesson.workers, counting)
    return fit_head(gathered.embeddings, labels, lesson.target, encoder, how, crew)


def labels_of(samples: Sequence[FieldSample], lesson: Lesson) -> Labels:
    """Return the samples as arrays."""
    _, group = np.unique([sample.group for sample in samples], return_inverse=True)
    return Labels(
        ids=tuple(sample.id for sample in samples),
        value=np.array([sample.value for sample in samples]),
        coordinates=np.array([(sample.longitude, sample.latitude) for sample in samples]),
        effort=np.array([sample.effort for sample in samples]).reshape(len(samples), -1),
        year=np.array([sample.year for sample in samples], np.int64),
        group=np.asarray(group, np.int64) if lesson.group_column else None,
    )


def covariates_of(lesson: Lesson, labels: Labels) -> dict[str, NDArray[np.float64]]:
    """Return the covariates at the samples, all rasters together as one set."""
    if not lesson.covariates:
        return {}
    return {"covariates": sample_rasters(lesson.covariates, labels.coordinates).values}


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
