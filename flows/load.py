"""Load: what is staged for a season goes through its gate into the warehouse, in the one writer's hands."""

from __future__ import annotations

import dataclasses
import json
import math
import uuid
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from flows.estimating.estimate import EstimateReceipt, observations_path
from flows.estimating.judged import judge_estimates
from flows.ingesting.indices import indices_path, quarter_of
from flows.ingesting.ingest import IngestReceipt, checks_of
from flows.ingesting.listing import Check, Listing, read_listing
from flows.quality.gate import Verdict
from flows.releases.loading import record_inventory
from flows.workspace import Workspace
from monitoring.errors import WarehouseError
from monitoring.scenes import Sensor
from monitoring.seasons import Season
from monitoring.woodlands import boundary_digest
from warehouse.columns import with_text
from warehouse.records import (
    AssetFailureRow,
    BlockSeasonRow,
    CompletenessRow,
    EstimateRow,
    ModelRow,
    ObservationRow,
    QualityRow,
    QuarantineRow,
    RunRow,
)
from warehouse.staging import read_all, write_columns
from warehouse.writer import Writer, open_writer

if TYPE_CHECKING:
    from models.encoders.card import EncoderCard
    from models.heads.card import HeadCard

#: Namespace of run ids: the same run of the same inputs has the same id.
RUN_NAMESPACE = uuid.UUID("6f2d8a52-6a1c-4e0e-9c39-3d6f0b6c5c11")
#: How long the load waits for another writer's lease, seconds.
LEASE_WAIT_S = 300.0


@dataclass(frozen=True)
class LoadReceipt:
    """What a load did: a postcard."""

    run_id: str
    n_rows_added: int
    problems: tuple[str, ...]
    """One line for each estimate held back by the gate, or for a season held back whole."""


def load_season(
    workspace: Workspace,
    season: Season,
    ingested: Sequence[IngestReceipt],
    staged: Sequence[EstimateReceipt],
    now: datetime,
) -> LoadReceipt:
    """Load a season's scenes, checks and estimates in one transaction.

    What its gate refuses goes to quarantine instead.
    """
    refuse_lost_warehouse(workspace.warehouse, workspace.published)
    listings = [read_listing(Path(receipt.listing)) for receipt in ingested]
    inputs = {receipt.block_id: receipt.inputs_hash for receipt in staged}
    judged = judge_estimates(workspace, season, (Path(receipt.staged) for receipt in staged))
    verdict = judged.verdict
    run_id = name_run(workspace, season, staged)
    passed = _recorded(judged.sound, run_id, boundaries_of(workspace))
    with open_writer(workspace.warehouse, now=now, wait_s=LEASE_WAIT_S) as writer:
        with writer.as_one(f"season {season}"):
            added = writer.record_run(_run_row(workspace, season, run_id, now))
            added += load_reference(writer, workspace, now)
            added += load_listings(writer, season, listings, run_id, now)
            added += load_standings(writer, listings, inputs, run_id, now)
            added += sum(load_indices(writer, workspace, listing, run_id, now) for listing in listings)
            checks = (*checks_of(verdict), *judged.not_judged)
            added += writer.load_quality(quality_rows(checks, season.id, "all", run_id), now=now)
            added += writer.quarantine(held_back(verdict, season.id, "woodland_id", run_id), now=now)
            added += writer.load_observations(_observations(staged, run_id), now=now)
            if len(passed):
                path = workspace.staging / season.id / f"load.{run_id}.parquet"
                added += writer.load_estimates(write_columns(path, EstimateRow, passed), now=now)
            else:
                added += writer.finish_run(run_id, "failed", now=now)
        writer.cluster()
    return LoadReceipt(run_id, added, _problems(verdict, season) if len(judged.staged) else ())


def refuse_lost_warehouse(warehouse: Path, published: Path) -> None:
    """Raise WarehouseError where there is a published snapshot and no warehouse it could come from.

    A new warehouse would hold one season, and publishing it would replace the histories of all.
    """
    if published.is_file() and not warehouse.exists():
        raise WarehouseError(
            f"warehouse {warehouse}: missing, while its snapshot {published} exists; put the warehouse back "
            "(underwood warehouse restore BACKUP, or a copy of the snapshot), or move the snapshot away "
            "to begin anew"
        )


def name_run(workspace: Workspace, season: Season, staged: Sequence[EstimateReceipt]) -> str:
    """Return the run's id, made of everything its numbers depend on."""
    parts = (
        season.id,
        workspace.science.digest,
        workspace.encoder_card.id,
        workspace.head.card.id,
        version("underwood"),
        *sorted(f"{receipt.block_id}={receipt.inputs_hash}" for receipt in staged),
    )
    return str(uuid.uuid5(RUN_NAMESPACE, "|".join(parts)))


def _run_row(workspace: Workspace, season: Season, run_id: str, now: datetime) -> RunRow:
    science = json.dumps(dataclasses.asdict(workspace.science), sort_keys=True)
    return RunRow(run_id, season.id, workspace.science.digest, science, version("underwood"), now)


def _recorded(staged: pa.Table, run_id: str, boundaries: Mapping[str, str]) -> pa.Table:
    """Return staged estimates as a run records them: named by it, each of the polygon now in use."""
    polygons = [boundaries[name] for name in staged["woodland_id"].to_pylist()]
    return with_text(with_text(staged, "run_id", [run_id] * len(staged)), "boundary", polygons)


def boundaries_of(workspace: Workspace) -> dict[str, str]:
    """Return the name of the polygon in use of each woodland, by id: what its estimates are of."""
    return {woodland.id: boundary_digest(woodland.geometry) for woodland in workspace.woodlands}


def load_reference(writer: Writer, workspace: Workspace, now: datetime) -> int:
    """Record what later rows name: woodlands and model cards."""
    cards = (
        model_row("encoder", workspace.encoder_card, workspace.encoder_card.weights_sha256),
        model_row("head", workspace.head.card, workspace.head.card.tensors_sha256),
    )
    return record_inventory(writer, workspace.inventory, now) + writer.load_models(cards, now=now)


def model_row(kind: str, card: EncoderCard | HeadCard, sha256: str) -> ModelRow:
    """Return the row of a model card."""
    return ModelRow(kind, card.id, json.dumps(dataclasses.asdict(card), sort_keys=True), sha256)


def load_listings(
    writer: Writer, season: Season, listings: Sequence[Listing], run_id: str, now: datetime
) -> int:
    """Record the scenes of every block of a season, their checks, and what was left out."""
    scenes = {listing.block_id: listing.scenes for listing in listings}
    checks = [
        row for each in listings for row in quality_rows(each.checks, each.season, each.block_id, run_id)
    ]
    return (
        writer.load_season_scenes(season.id, scenes, now=now)
        + writer.load_quality(checks, now=now)
        + writer.quarantine([row for each in listings for row in left_out_rows(each, run_id)], now=now)
        + writer.load_asset_failures(
            [row for each in listings for row in failure_rows(each, run_id)], now=now
        )
    )


def left_out_rows(listing: Listing, run_id: str) -> list[QuarantineRow]:
    """Return the scenes that a block-season does not use, and the block itself where it cannot be used."""
    refused = [("scenes", listing.block_id, listing.refused)] if listing.refused else []
    left_out = [(row.gate, row.scene_id, row.reason) for row in listing.left_out]
    return [
        QuarantineRow(gate, listing.season, key, reason, "{}", run_id)
        for gate, key, reason in (*left_out, *refused)
    ]


def load_standings(
    writer: Writer, listings: Sequence[Listing], inputs: Mapping[str, str], run_id: str, now: datetime
) -> int:
    """Record how block-seasons stand: their passes by stream, whether they are enough, what is used now."""
    standings = [standing_row(each, inputs.get(each.block_id, ""), run_id) for each in listings]
    streams = [row for each in listings for row in stream_rows(each, run_id)]
    return writer.load_completeness(streams, now=now) + writer.load_block_seasons(standings, now=now)


def stream_rows(listing: Listing, run_id: str) -> list[CompletenessRow]:
    """Return the passes of a block-season by stream; none where they are not counted."""
    found = listing.completeness
    return [
        CompletenessRow.of(stream, season=listing.season, block_id=listing.block_id, run_id=run_id)
        for stream in (found.streams if found else ())
    ]


def standing_row(listing: Listing, inputs: str, run_id: str) -> BlockSeasonRow:
    """Return how a block-season stands."""
    if listing.completeness is None:
        return _uncounted(listing, inputs, run_id)
    return BlockSeasonRow.of(
        listing.completeness,
        block_id=listing.block_id,
        is_frozen=listing.is_frozen,
        n_scenes=len(listing.scenes),
        n_left_out=len(listing.left_out),
        run_id=run_id,
        inputs_hash=inputs,
    )


def _uncounted(listing: Listing, inputs: str, run_id: str) -> BlockSeasonRow:
    """Return the standing of a block-season whose embeddings were read as published."""
    return BlockSeasonRow(
        season=listing.season,
        block_id=listing.block_id,
        expected=math.nan,
        found=0,
        missing_share=math.nan,
        floor=0.0,
        is_complete=True,
        is_frozen=False,
        n_scenes=0,
        n_left_out=len(listing.left_out),
        reason="published embeddings: passes are not counted",
        run_id=run_id,
        inputs_hash=inputs,
    )


def failure_rows(listing: Listing, run_id: str) -> list[AssetFailureRow]:
    """Return the ledger's records of a block-season as warehouse rows."""
    return [
        AssetFailureRow(
            season=listing.season,
            block_id=listing.block_id,
            scene_id=entry.scene_id,
            band=entry.band,
            attempts=entry.attempts,
            error=entry.error,
            first_failed_at=entry.first_failed_at,
            last_failed_at=entry.last_failed_at,
            state=entry.state.value,
            run_id=run_id,
        )
        for entry in listing.failures
    ]


def load_indices(writer: Writer, workspace: Workspace, listing: Listing, run_id: str, now: datetime) -> int:
    """Record the vegetation indices of a block-season's scenes, as far as they are staged."""
    block = workspace.blocks[listing.block_id]
    quarters = sorted({quarter_of(scene) for scene in listing.scenes if scene.sensor is Sensor.S2})
    paths = [indices_path(workspace.staging, block, quarter) for quarter in quarters]
    return sum(writer.load_indices(path, run_id=run_id, now=now) for path in paths if path.exists())


def _observations(staged: Sequence[EstimateReceipt], run_id: str) -> pa.Table:
    """Return what was seen of the woodlands of a season, as staged, as found by a run."""
    paths = [observations_path(Path(receipt.staged)) for receipt in staged]
    found = read_all(filter(Path.exists, paths), ObservationRow)
    return with_text(found, "run_id", [run_id] * len(found))


def quality_rows(checks: Sequence[Check], season: str, scope: str, run_id: str) -> list[QualityRow]:
    """Return checks as warehouse rows."""
    return [
        QualityRow(
            gate=check.gate,
            season=season,
            scope=scope,
            expectation=check.expectation,
            column_name=check.column,
            success=check.success,
            unexpected_count=check.unexpected_count,
            observed=json.dumps(check.observed),
            run_id=run_id,
        )
        for check in checks
    ]


def held_back(verdict: Verdict, season: str, key: str, run_id: str) -> list[QuarantineRow]:
    """Return what a gate refused as warehouse rows."""
    return [
        QuarantineRow(verdict.suite, season, str(row[key]), str(row["reasons"]), _row_json(row), run_id)
        for row in verdict.quarantined.to_dict("records")
    ]


def _row_json(row: Mapping[Hashable, Any]) -> str:
    """Return a row as JSON; NaN becomes null."""
    return json.dumps({k: None if v != v else v for k, v in row.items()}, sort_keys=True, default=str)


def _problems(verdict: Verdict, season: Season) -> tuple[str, ...]:
    if verdict.fatal:
        return (f"estimates {season}: {verdict.fatal}",)
    rows = verdict.quarantined.to_dict("records")
    return tuple(f"woodland {row['woodland_id']} {season}: quarantined: {row['reasons']}" for row in rows)
