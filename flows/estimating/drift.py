"""Drift: before anything is embedded, the encoder must still say what it said of frozen inputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from flows.estimating.estimate import embed, season_dpixels, staged_block_path
from flows.estimating.panels import (
    AS_FROZEN,
    Compared,
    Looked,
    StoredPanel,
    has_panels,
    instant,
    last_compared,
    last_looked,
    panel_folder,
    panel_path,
    panel_paths,
    read_panel,
    write_compared,
    write_looked,
    write_panel,
)
from flows.ingesting.ingest import IngestReceipt
from flows.ingesting.listing import Listing, read_listing
from flows.progress import advance
from flows.workspace import Workspace
from models.encoders.embeddings import Embeddings
from models.encoders.inputs.dpixels import DPixels, clear_counts, dpixels_from_series
from models.encoders.panel import (
    Environment,
    Panel,
    PanelRecord,
    bound_between,
    choose_pixels,
    compare,
    inputs_digest,
)
from monitoring.errors import DriftError, SettingsError
from monitoring.grid import Block
from monitoring.seasons import Season
from warehouse.cube import open_cube


def refuse_drift(workspace: Workspace, receipts: Sequence[IngestReceipt], now: datetime | None = None) -> int:
    """Compare the panels of the blocks about to be embedded; return how many; DriftError for any drift.

    Where none of them has a panel yet, one of another block stands witness: a new block must not be
    accepted from an encoder that has drifted. What is staged already needs no encoder, and no comparison.
    """
    if not has_panels(workspace):
        return 0
    due = [receipt for receipt in receipts if not staged_block_path(workspace, receipt).exists()]
    paths = witnesses(workspace, [receipt.block_id for receipt in due]) if due else ()
    _refuse_drifted(workspace, paths, now, "the season stops")
    return len(paths)


def refuse_drifted_training(workspace: Workspace, now: datetime | None = None) -> int:
    """Compare every panel of the encoder in use before a head is fitted; return how many.

    DriftError for any drift: a head fitted to a drifted encoder would carry the drift into every estimate.
    """
    paths = panel_paths(panel_folder(workspace)) if has_panels(workspace) else ()
    _refuse_drifted(workspace, paths, now, "no head is fitted")
    return len(paths)


def _refuse_drifted(workspace: Workspace, paths: Sequence[Path], now: datetime | None, ends: str) -> None:
    drifted = [each for each in compare_panels(workspace, paths, now) if not each[1].agrees]
    if drifted:
        raise DriftError(f"{refusal(*drifted[0], n_others=len(drifted) - 1)}; {ends}")


def witnesses(workspace: Workspace, block_ids: Iterable[str]) -> tuple[Path, ...]:
    """Return the panels of these blocks, or where they have none, the first of any block."""
    own = [path for path in (panel_path(workspace, block_id) for block_id in block_ids) if path.exists()]
    return tuple(own) or panel_paths(panel_folder(workspace))[:1]


def compare_panels(
    workspace: Workspace, paths: Sequence[Path], now: datetime | None = None
) -> Iterator[tuple[StoredPanel, Compared]]:
    """Yield each panel with what comparing it now found, which is also written beside it."""
    for path in paths:
        stored = read_panel(path)
        compared = compare_now(workspace, stored, now)
        write_compared(stored, compared)
        advance("compare panels", 1, len(paths))
        yield stored, compared


def compare_now(workspace: Workspace, stored: StoredPanel, now: datetime | None = None) -> Compared:
    """Return how the encoder in use compares with a panel; nothing is written."""
    found, here = embed_panel(workspace, stored.panel.inputs, stored.block_id)
    compared = held_against(stored, found, here, now)
    if compared.agrees:
        workspace.agreed_panels.add(stored.sha256)
    return compared


def embed_panel(workspace: Workspace, inputs: DPixels, block_id: str) -> tuple[Embeddings, Environment]:
    """Return what the encoder in use says of a panel's inputs, and what it computes with."""
    from models.encoders.environment import environment_of

    return embed(workspace, inputs, f"panel {block_id}"), environment_of(workspace.encoder)


def held_against(
    stored: StoredPanel, found: Embeddings, here: Environment, now: datetime | None = None
) -> Compared:
    """Return how embeddings computed `here` compare with the accepted ones of a panel."""
    accepted = stored.panel.record.environment
    comparison = compare(stored.panel.embeddings, found, bound_between(accepted, here))
    return Compared(
        panel=stored.sha256,
        compared_at=instant(now),
        agrees=comparison.agrees,
        difference=comparison.difference,
        cosine=comparison.cosine,
        within_one_level=comparison.within_one_level,
        bitwise=comparison.bitwise,
        deviates_at=comparison.deviates_at,
        changed=accepted.changes_to(here),
        said=str(comparison),
    )


def refusal(stored: StoredPanel, compared: Compared, n_others: int = 0) -> str:
    """Return what is wrong: the block, the encoder, how far it is off, and what changed around it."""
    record = stored.panel.record
    others = f" (and {n_others} more blocks)" if n_others else ""
    changed = "; ".join(compared.changed) or "nothing of what is recorded: suspect this machine"
    return (
        f"block {record.block_id}{others}: encoder {record.encoder} has drifted: {compared.said}; "
        f"changed since {record.accepted_at[:10]}: {changed}"
    )


def hold_to_panel(
    workspace: Workspace, block: Block, season: Season, listing_uri: str, now: datetime | None = None
) -> None:
    """Make sure, on the machine that embeds a block, that its encoder agrees; freeze the block's first panel.

    A panel that this process has compared already is not compared again.
    """
    if not has_panels(workspace):
        return
    for path in witnesses(workspace, [block.id]):
        _refuse_disagreement(workspace, read_panel(path), now)
    path = panel_path(workspace, block.id)
    if not path.exists():
        panel = frozen_panel(workspace, block, season, read_listing(Path(listing_uri)), now)
        workspace.agreed_panels.add(write_panel(path, panel).sha256)


def _refuse_disagreement(workspace: Workspace, stored: StoredPanel, now: datetime | None) -> None:
    if stored.sha256 in workspace.agreed_panels:
        return
    for _, compared in compare_panels(workspace, [stored.path], now):
        if not compared.agrees:
            raise DriftError(f"{refusal(stored, compared)}; the season stops")


def frozen_panel(
    workspace: Workspace, block: Block, season: Season, listing: Listing, now: datetime | None = None
) -> Panel:
    """Return a new panel of a block: pixels chosen, their inputs of a season frozen, embedded, accepted."""
    dpixels = season_dpixels(workspace, block, season, listing)
    chosen = choose_pixels(block.pixels.digest, clear_counts(dpixels))
    inputs = dpixels.pixels(chosen)
    embeddings, environment = embed_panel(workspace, inputs, block.id)
    record = PanelRecord(
        block_id=block.id,
        encoder=workspace.encoder_card.id,
        weights_sha256=workspace.encoder_card.weights_sha256,
        season=season.id,
        scene_ids=listing.scene_ids,
        epsg=block.pixels.epsg,
        accepted_at=instant(now),
        environment=environment,
    )
    return Panel(record, block.pixels.column[chosen], block.pixels.row[chosen], inputs, embeddings)


def accept_again(
    workspace: Workspace, path: Path, why: str, now: datetime | None = None
) -> tuple[StoredPanel, Compared]:
    """Accept what the encoder in use says of a panel's inputs, and why; the old panel is kept beside it.

    Returned with how the new one compares with the old: the size of the step that was accepted.
    """
    if not why.strip():
        raise SettingsError("--why: say why the encoder may change what it says; the reason is kept")
    old = read_panel(path)
    embeddings, environment = embed_panel(workspace, old.panel.inputs, old.block_id)
    record = dataclasses.replace(
        old.panel.record,
        accepted_at=instant(now),
        environment=environment,
        why=why.strip(),
        replaces=old.sha256,
    )
    new = write_panel(path, dataclasses.replace(old.panel, record=record, embeddings=embeddings))
    return new, held_against(old, embeddings, environment, now)


def look_at_inputs(workspace: Workspace, stored: StoredPanel, now: datetime | None = None) -> Looked:
    """Return, and write beside the panel, whether the cube still gives the frozen inputs."""
    looked = Looked(stored.sha256, instant(now), _inputs_now(workspace, stored.panel))
    write_looked(stored, looked)
    return looked


def _inputs_now(workspace: Workspace, panel: Panel) -> str:
    """Return AS_FROZEN, or in words why the cube does not give a panel's inputs (any more)."""
    block = {**workspace.blocks, **workspace.reference_blocks}.get(panel.record.block_id)
    if block is None:
        return "the block is no longer watched"
    season = Season.parse(panel.record.season)
    series = open_cube(workspace.cube, block).read(season.start, season.end).keep(set(panel.record.scene_ids))
    gone = len(set(panel.record.scene_ids) - set(series.scene_ids))
    if gone:
        return f"the cube lacks {gone} of their {len(panel.record.scene_ids)} scenes"
    position = block.pixels.index_of(panel.column, panel.row)
    member = position >= 0
    now = dpixels_from_series(series, workspace.clear_rule).pixels(position[member])
    then = panel.inputs.pixels(member.nonzero()[0])
    return AS_FROZEN if inputs_digest(now) == inputs_digest(then) else f"changed: {_differing(then, now)}"


def _differing(then: DPixels, now: DPixels) -> str:
    """Return the names of the arrays that are not equal."""
    names = [field.name for field in dataclasses.fields(DPixels)]
    pairs = [(name, getattr(then, name), getattr(now, name)) for name in names]
    return ", ".join(name for name, one, other in pairs if one.shape != other.shape or (one != other).any())


def standing_of_panels(workspace: Workspace) -> str:
    """Return how the panels of the encoder in use stand, for the doctor; DriftError where one has drifted.

    Every file is read; one panel is compared, the one whose last comparison was worst. Nothing is written.
    """
    if not has_panels(workspace):
        return f"none: {workspace.encoder_card.id} is not computed here"
    stored = [read_panel(path) for path in panel_paths(panel_folder(workspace))]
    if not stored:
        return "none frozen yet: the first season does it"
    worst = max(stored, key=_badness)
    compared = compare_now(workspace, worst)
    if not compared.agrees:
        raise DriftError(refusal(worst, compared))
    return f"{len(stored)} blocks; {worst.block_id}: {compared.said}{_warning(stored)}"


def _badness(stored: StoredPanel) -> tuple[bool, float]:
    last = last_compared(stored)
    return (not last.agrees, last.difference) if last else (False, 0.0)


def _warning(stored: Sequence[StoredPanel]) -> str:
    lines = [line for line in map(inputs_warning, stored) if line]
    return f"; warning: {lines[0]} (of {len(lines)} such)" if lines else ""


def inputs_warning(stored: StoredPanel) -> str:
    """Return a line when the last look found that the cube no longer gives a panel's inputs, else nothing."""
    looked = last_looked(stored)
    if looked is None or looked.inputs == AS_FROZEN:
        return ""
    season = stored.panel.record.season
    return f"block {stored.block_id}: frozen inputs of {season} are not what the cube gives: {looked.inputs}"
