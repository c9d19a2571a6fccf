"""Rich years embedded again as if they were poor ones: what to replay, and one block-year of it.

Nothing in the cube is changed, and nothing in the warehouse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flows.estimating.estimate import embed, estimate_block
from flows.ingesting.listing import Listing, listing_path
from flows.replay.rows import ReplayRow, inputs_of, listing_of, replay_path, write_replay
from flows.replay.thinning import Targets, doomed_dates, lost_satellites, thinned
from flows.workspace import Workspace
from models.encoders.inputs.dpixels import DPixels, clear_counts, dpixels_from_series
from monitoring.errors import CardMismatchError, SeasonError
from monitoring.estimates import WoodlandEstimate, aggregate
from monitoring.grid import Block
from monitoring.scenes import Sensor
from monitoring.seasons import Season
from monitoring.series import PixelSeries
from warehouse.cube import find_cube
from warehouse.records import EstimateRow
from warehouse.staging import read_estimates


@dataclass(frozen=True)
class ReplayPlan:
    """Which years are embedded again, and as if they were which; SeasonError where that cannot be meant."""

    years: tuple[int, ...]
    """Rich calendar years, such as (2019, 2020, 2021)."""
    like_years: tuple[int, ...]
    """Poor ones whose density they are given, such as (2022, 2023, 2024)."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name, years in (("years", self.years), ("like", self.like_years)):
            if not years:
                raise SeasonError(f"replay --{name}: no year given")
            if len(set(years)) < len(years):
                raise SeasonError(f"replay --{name}: {', '.join(map(str, years))}: a year is given twice")
        both = sorted(set(self.years) & set(self.like_years))
        if both:
            raise SeasonError(
                f"replay: {both[0]} is among --years and --like: a year cannot be thinned like itself"
            )
        if self.seed < 0:
            raise SeasonError(f"replay --seed {self.seed}: must be 0 or more")


@dataclass(frozen=True)
class BlockYear:
    """One unit of the replay: a postcard."""

    block_id: str
    year: int
    like_years: tuple[int, ...]
    seed: int


@dataclass(frozen=True)
class ReplayReceipt:
    """What became of a block-year: a postcard."""

    block_id: str
    year: int
    staged: tuple[str, ...]
    """One file per poor year."""
    n_embedded: int
    """Times the block was embedded: 0 where all was staged already."""


def block_years(workspace: Workspace, plan: ReplayPlan) -> tuple[tuple[BlockYear, ...], tuple[str, ...]]:
    """Return the units of a replay, and a line for each block-year that is left out because it is not there.

    CardMismatchError where embeddings are read as published; SeasonError for a year that no block has.
    """
    if workspace.reads_published:
        card = workspace.encoder_card.id
        raise CardMismatchError(f"replay: encoder {card}: published embeddings have no observations to thin")
    wanted = (*plan.years, *plan.like_years)
    present = {
        block.id: [year for year in wanted if listing_of(workspace, block, year)]
        for block in workspace.blocks.values()
    }
    for year in wanted:
        if not any(year in years for years in present.values()):
            raise SeasonError(f"replay: {year} is not in the cube: underwood run --season {year}-Q4 reads it")
    return tuple(_units(plan, present)), tuple(_left_out(wanted, present))


def _units(plan: ReplayPlan, present: Mapping[str, Sequence[int]]) -> Iterator[BlockYear]:
    for block_id, years in sorted(present.items()):
        poor = tuple(year for year in plan.like_years if year in years)
        for year in plan.years if poor else ():
            if year in years:
                yield BlockYear(block_id, year, poor, plan.seed)


def _left_out(wanted: Sequence[int], present: Mapping[str, Sequence[int]]) -> Iterator[str]:
    for block_id, years in sorted(present.items()):
        for year in wanted:
            if year not in years:
                yield f"block {block_id}: {year} is not in the cube, and left out"


def replay_block_year(workspace: Workspace, unit: BlockYear) -> ReplayReceipt:
    """Stage what thinning does to a block's rich year, a file per poor year; nothing is computed twice."""
    block = workspace.blocks[unit.block_id]
    rich, *poor = (_listing(workspace, block, year) for year in (unit.year, *unit.like_years))
    paths = {
        like: replay_path(
            workspace, block, unit.year, like, unit.seed, inputs_of(workspace, block, rich, one)
        )
        for like, one in zip(unit.like_years, poor, strict=True)
    }
    due = {like: one for like, one in zip(unit.like_years, poor, strict=True) if not paths[like].exists()}
    if due:
        year = _RichYear.of(workspace, block, unit, rich)
        for like, listing in due.items():
            write_replay(paths[like], year.rows(like, listing, paths[like]))
    return ReplayReceipt(block.id, unit.year, tuple(map(str, paths.values())), len(due))


def _listing(workspace: Workspace, block: Block, year: int) -> Listing:
    found = listing_of(workspace, block, year)
    if found is None:
        raise SeasonError(f"replay: block {block.id}: {year} is not in the cube")
    return found


@dataclass(frozen=True)
class _RichYear:
    """A block's rich year, read once for all the poor years it is thinned like."""

    workspace: Workspace
    block: Block
    unit: BlockYear
    listing: Listing
    series: PixelSeries
    dpixels: DPixels
    full: Mapping[str, EstimateRow]
    """What the service estimated from all observations, by woodland."""

    @classmethod
    def of(cls, workspace: Workspace, block: Block, unit: BlockYear, listing: Listing) -> _RichYear:
        season = Season(unit.year, 4)
        where = listing_path(workspace.staging, block.id, season)
        staged = estimate_block(workspace, block, season, str(where)).staged
        series = kept_series(workspace, block, season, listing)
        dpixels = dpixels_from_series(series, workspace.clear_rule)
        full = {row.woodland_id: row for row in read_estimates(Path(staged))}
        return cls(workspace, block, unit, listing, series, dpixels, full)

    def rows(self, like: int, poor: Listing, path: Path) -> tuple[ReplayRow, ...]:
        """Return what becomes of every woodland when the year is thinned like a poor one."""
        names = (self.block.id, str(self.unit.year), str(like))
        targets = poor_counts(self.workspace, self.block, like, poor)
        pixels = thinned(self.dpixels, targets, self._doomed(poor), self.unit.seed, *names)
        found = self._estimates(pixels, f"replay {self.unit.year} like {like}", path.with_suffix(".parts"))
        inputs = inputs_of(self.workspace, self.block, self.listing, poor)
        return tuple(self._row(one, self.full[one.woodland_id], like, inputs) for one in found)

    def _doomed(self, poor: Listing) -> dict[Sensor, NDArray[np.bool_]]:
        """Return which dates go first: radar of satellites that the poor year has lost."""
        found = {Sensor.S2: np.zeros(len(self.dpixels.doys), bool)}
        for sensor in (Sensor.S1_ASCENDING, Sensor.S1_DESCENDING):
            lost = lost_satellites(self.listing.scenes, poor.scenes, sensor)
            found[sensor] = doomed_dates(self.series.of(sensor), self.listing.scenes, lost)
        return found

    def _estimates(self, pixels: DPixels, label: str, parts: Path) -> tuple[WoodlandEstimate, ...]:
        block, head = self.block, self.workspace.head
        values = embed(self.workspace, pixels, label, parts).values
        cells, counts = block.pixels, clear_counts(pixels)
        return aggregate(
            block.woodland_ids,
            block.coverage,
            head.predict(values),
            counts,
            cells.column,
            cells.row,
            head.correlation,
        )

    def _row(self, one: WoodlandEstimate, full: EstimateRow, like: int, inputs: Sequence[str]) -> ReplayRow:
        return ReplayRow(
            woodland_id=one.woodland_id,
            year=self.unit.year,
            like_year=like,
            seed=self.unit.seed,
            target=full.target,
            encoder=full.encoder,
            head=full.head,
            config_hash=full.config_hash,
            inputs_hash=inputs[0],
            like_inputs_hash=inputs[1],
            block_id=self.block.id,
            full_mean=full.mean,
            thinned_mean=one.mean,
            full_coverage=full.coverage,
            thinned_coverage=one.coverage,
            n_s2_full=full.n_s2,
            n_s2_thinned=one.n_s2,
            n_s1_ascending_full=full.n_s1_ascending,
            n_s1_ascending_thinned=one.n_s1_ascending,
            n_s1_descending_full=full.n_s1_descending,
            n_s1_descending_thinned=one.n_s1_descending,
        )


def poor_counts(workspace: Workspace, block: Block, year: int, listing: Listing) -> Targets:
    """Return how often each sensor saw each pixel of a block in a year."""
    series = kept_series(workspace, block, Season(year, 4), listing)
    return clear_counts(dpixels_from_series(series, workspace.clear_rule))


def kept_series(workspace: Workspace, block: Block, season: Season, listing: Listing) -> PixelSeries:
    """Return the pixels of the listed scenes as they lie in the cube, which is left as it is.

    SeasonError where there is no cube; CardMismatchError when the encoder was not made for a scene's source.
    """
    for source in sorted({scene.source for scene in listing.scenes}):
        workspace.encoder_card.refuse_source(source)
    cube = find_cube(workspace.cube, block)
    if cube is None:
        raise SeasonError(f"replay: block {block.id}: {season.year} is not in the cube {workspace.cube}")
    return cube.read(season.start, season.end).keep(frozenset(listing.scene_ids))
