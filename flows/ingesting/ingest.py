"""Ingest: from the catalogue to the pixel cube, one task per block-season."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

import pandas as pd

from flows.estimating.published import list_published
from flows.ingesting.indices import angles_ledger_path, stage_indices
from flows.ingesting.intake import take_in
from flows.ingesting.judging import contradicted, counted
from flows.ingesting.ledger import Entry, ledger_path, read_ledger
from flows.ingesting.listing import Check, LeftOut, Listing, listing_path, write_listing
from flows.quality.gate import Verdict, check_scenes
from flows.sources.catalogues.looks import Look, look
from flows.sources.scenes.duplicates import newest_copies
from flows.workspace import Workspace
from monitoring.grid import Block
from monitoring.scenes import Scene, Sensor
from monitoring.seasons import Season
from warehouse.cube import Cube, open_cube

#: Fields of a scene that its quality gate does not ask about.
_NOT_JUDGED = ("bbox", "hrefs", "offset_rule", "offset_from_dn", "relative_orbit", "tile", "checksums")

#: How the reason begins of a document that a catalogue names and that could not be read.
_UNREADABLE = "catalogue "


@dataclass(frozen=True)
class IngestReceipt:
    """What became of one block-season: a postcard."""

    block_id: str
    season: str
    listing: str
    n_scenes: int
    n_read: int
    n_left_out: int
    n_unread_remote: int
    """Scenes of a remote source that could not be read: asking again may help."""
    refused: str
    """Why the whole block-season cannot be used; empty where it can."""
    problems: tuple[str, ...]
    """One line for each thing that should have been read and could not be, and for a refusal."""


def ingest_block(workspace: Workspace, block: Block, season: Season, now: datetime) -> IngestReceipt:
    """Bring a block's cube up to date with a season's scenes and write down which ones it uses.

    Where embeddings are read as published, they are what is brought up to date, and there are no scenes.
    """
    if workspace.reads_published:
        listing, failed = list_published(workspace, block, season)
        return _noted(workspace, season, without(listing, failed), failed, n_read=0, n_unread_remote=0)
    seen = look_for(workspace, block, season, now)
    planned = list_scenes(workspace, block, season, seen)
    cube = open_cube(workspace.cube, block)
    intake = take_in(workspace, block, cube, planned.scenes, now, f"ingest {season.id}")
    read = without(replace(planned, scenes=intake.scenes), intake.unread)
    listing, failed = _settled(workspace, block, season, cube, read, seen, now)
    problems = (*_unheard(block, seen), *intake.changed, *intake.unread, *failed)
    return _noted(workspace, season, listing, problems, intake.n_read, intake.n_unread_remote)


def look_for(workspace: Workspace, block: Block, season: Season, now: datetime) -> Look:
    """Return what the catalogue offers a block-season, asking only for what is new since the last look."""
    scenes = workspace.science.scenes
    return look(
        workspace.catalogue,
        block.pixels.bbox,
        season.start,
        season.end,
        kept=workspace.looks / season.id / f"{block.id}.json",
        now=now,
        grace=timedelta(days=scenes.grace_days),
        overlap=timedelta(days=scenes.overlap_days),
    )


def _unheard(block: Block, seen: Look) -> tuple[LeftOut, ...]:
    """Return what a look has to say, and the documents of the catalogue that could not be read.

    Nobody knows which scenes such a document would have offered.
    """
    said = (LeftOut("catalogue", block.id, note) for note in seen.notes)
    lost = (one for one in seen.rejected if one.reason.startswith(_UNREADABLE))
    return (*said, *(LeftOut("catalogue", one.item_id, one.reason) for one in lost))


def _settled(
    workspace: Workspace,
    block: Block,
    season: Season,
    cube: Cube,
    listing: Listing,
    seen: Look,
    now: datetime,
) -> tuple[Listing, tuple[LeftOut, ...]]:
    """Return the listing once the pixels have spoken, and what they spoke against."""
    against = contradicted(workspace, block, cube, season, listing.scenes)
    kept = without(listing, against)
    blind = stage_indices(workspace, block, cube, season, kept.scenes, now)
    passes, silent = counted(workspace, block, season, cube, kept.scenes)
    settled = replace(
        kept,
        completeness=passes,
        is_frozen=seen.is_frozen,
        failures=_failures(workspace, block, listing),
    )
    return settled, (*against, *blind, *silent)


def _failures(workspace: Workspace, block: Block, listing: Listing) -> tuple[Entry, ...]:
    """Return what the block's ledgers, of pixels and of angles, say of the scenes of a listing."""
    asked = {scene.id for scene in listing.scenes} | {row.scene_id for row in listing.left_out}
    paths = ledger_path(workspace.staging, block.id), angles_ledger_path(workspace.staging, block)
    return tuple(entry for path in paths for entry in read_ledger(path).of(asked))


def _noted(
    workspace: Workspace,
    season: Season,
    listing: Listing,
    failed: Sequence[LeftOut],
    n_read: int,
    n_unread_remote: int,
) -> IngestReceipt:
    """Write down what a block-season uses and what was left out; return its receipt."""
    path = write_listing(listing_path(workspace.staging, listing.block_id, season), listing)
    return IngestReceipt(
        block_id=listing.block_id,
        season=season.id,
        listing=str(path),
        n_scenes=len(listing.scenes),
        n_read=n_read,
        n_left_out=len(listing.left_out),
        n_unread_remote=n_unread_remote,
        refused=listing.refused,
        problems=_problems(listing, failed),
    )


def _problems(listing: Listing, failed: Sequence[LeftOut]) -> tuple[str, ...]:
    where = f"block {listing.block_id} season {listing.season}"
    refusal = (f"{where}: {listing.refused}",) if listing.refused else ()
    found = listing.completeness
    standing = (f"{where}: not final: {found.reason}",) if found and not found.is_complete else ()
    return (*refusal, *standing, *(row.reason for row in failed))


def list_scenes(workspace: Workspace, block: Block, season: Season, seen: Look) -> Listing:
    """Return the scenes a block-season may use, with everything left out and why."""
    copies, older = newest_copies(seen.offers)
    gone = seen.withdrawn
    offered = tuple(offer.scene for offer in copies)
    found = tuple(scene for scene in offered if _is_ours(scene, block))
    verdict = check_scenes(_frame(found), season, workspace.science)
    accepted = frozenset(verdict.passed["id"])
    return Listing(
        block_id=block.id,
        season=season.id,
        scenes=() if verdict.fatal else tuple(scene for scene in found if scene.id in accepted),
        left_out=(
            *(LeftOut("catalogue", item.item_id, item.reason) for item in (*seen.rejected, *older)),
            *(
                LeftOut("catalogue", scene_id, "withdrawn: offered once, and now no more")
                for scene_id in gone
            ),
            *(_other_zone(scene, block) for scene in offered if not _is_ours(scene, block)),
            *(() if verdict.fatal else _refused_scenes(verdict)),
        ),
        checks=checks_of(verdict),
        refused=verdict.fatal,
    )


def _is_ours(scene: Scene, block: Block) -> bool:
    """True for radar of any zone, which is resampled onto the block's; optical tiles cover a zone wholly."""
    return scene.sensor is not Sensor.S2 or scene.epsg == block.pixels.epsg


def _refused_scenes(verdict: Verdict) -> list[LeftOut]:
    return [LeftOut("scenes", row["id"], row["reasons"]) for row in verdict.quarantined.to_dict("records")]


def _other_zone(scene: Scene, block: Block) -> LeftOut:
    reason = f"its grid is EPSG:{scene.epsg}, the block's is EPSG:{block.pixels.epsg}"
    return LeftOut("catalogue", scene.id, reason)


def checks_of(verdict: Verdict) -> tuple[Check, ...]:
    """Return a verdict's expectation results as plain rows."""
    return tuple(
        Check(verdict.suite, r.expectation, r.column, r.success, r.unexpected_count, r.observed)
        for r in verdict.results
    )


def _frame(scenes: Sequence[Scene]) -> pd.DataFrame:
    columns = [field.name for field in fields(Scene) if field.name not in _NOT_JUDGED]
    rows = [[getattr(scene, column) for column in columns] for scene in scenes]
    return pd.DataFrame(rows, columns=columns).astype({"sensor": "str"})


def without(listing: Listing, failed: Sequence[LeftOut]) -> Listing:
    """Return the listing without the scenes, or the pixels, that could not be read."""
    lost = {row.scene_id for row in failed}
    return replace(
        listing,
        scenes=tuple(scene for scene in listing.scenes if scene.id not in lost),
        left_out=(*listing.left_out, *failed),
    )
