"""Rebuild: estimates computed again from the pixel cube with the choices of their run, held against rows."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import groupby, product
from typing import Any, get_args

from flows.estimating.estimate import embed, inputs_hash, rows_of, season_dpixels
from flows.estimating.published import read_kept
from flows.ingesting.listing import Listing, listing_path, read_listing
from flows.progress import advance
from flows.provenance.nodes import estimate_name
from flows.provenance.scenes import latest_copies
from flows.settings import Settings
from flows.sources.scenes.offsets import OffsetRule
from flows.workspace import Workspace
from models.encoders.inputs.dpixels import clear_counts
from monitoring.errors import ModelError, UnderwoodError, WarehouseError
from monitoring.grid import Block, make_blocks
from monitoring.scenes import Scene, Sensor
from monitoring.science import Science, science_of
from monitoring.seasons import Season
from warehouse.answering.provenance import Chain
from warehouse.cube import Cube, find_cube
from warehouse.reader import Record
from warehouse.records import EstimateRow

#: What was computed; the other columns of the row name it.
FIGURES = (
    "mean", "sd", "sd_place", "sd_year", "coverage", "applicable_share", "n_pixels", "n_s2",
    "n_s1_ascending", "n_s1_descending",
)  # fmt: skip
#: What all estimates that are computed together have in common.
_TOGETHER = ("season", "block_id", "target", "encoder", "head", "config_hash", "inputs_hash", "run_id")
#: Woodlands of a block lie within its diagonal of each other: 1.42 edges, and a little for the projection.
_DIAGONAL = 1.5


@dataclass(frozen=True)
class Figure:
    """One column of an estimate, as stored and as rebuilt; None where nothing is known."""

    column: str
    stored: float | None
    rebuilt: float | None

    @property
    def is_equal(self) -> bool:
        """True where both are the same to the last bit."""
        return _bits(self.stored) == _bits(self.rebuilt)

    @property
    def difference(self) -> float | None:
        """Rebuilt minus stored; None where one of them is not known."""
        if self.stored is None or self.rebuilt is None:
            return None
        return self.rebuilt - self.stored


@dataclass(frozen=True)
class Rebuilt:
    """One estimate, computed again, or why it cannot be."""

    estimate_id: str
    woodland_id: str
    season: str
    target: str
    figures: tuple[Figure, ...] = ()
    trouble: str = ""
    """Why it cannot be rebuilt, one line; empty where it was."""
    notes: tuple[str, ...] = ()
    """What is not as it was when the estimate was made, and need not matter."""

    @property
    def is_equal(self) -> bool:
        """True where it was rebuilt and every column is the same to the last bit."""
        return not self.trouble and all(figure.is_equal for figure in self.figures)


def rebuild(workspace: Workspace, chain: Chain, estimates: Sequence[Record]) -> Iterator[Rebuilt]:
    """Yield each estimate computed again, block by block; nothing is written.

    estimates: rows of the log, those computed together beside each other.
    """
    workshop = _Workshop(workspace, chain)
    for _, together in groupby(estimates, key=lambda row: tuple(row[name] for name in _TOGETHER)):
        rows = list(together)
        yield from _rebuild_together(workshop, rows)
        advance("rebuild", len(rows), len(estimates))


def _rebuild_together(workshop: _Workshop, rows: Sequence[Record]) -> Iterator[Rebuilt]:
    try:
        then = workshop.as_it_was(rows[0])
        made_from = inputs_of(then, workshop.chain, rows[0])
        found = {each.woodland_id: each for each in _rows(made_from, Season.parse(rows[0]["season"]))}
    except UnderwoodError as error:
        yield from (_outcome(row, trouble=str(error)) for row in rows)
        return
    notes = _notes(workshop, rows[0], made_from)
    yield from (_held_against(row, found, notes) for row in rows)


@dataclass(frozen=True)
class _Workshop:
    """An installation and its warehouse, and each model that was set up again, loaded once."""

    workspace: Workspace
    chain: Chain
    known: dict[tuple[str, ...], Workspace] = field(default_factory=dict)

    def as_it_was(self, row: Record) -> Workspace:
        key = tuple(row[name] for name in ("encoder", "head", "run_id"))
        if key not in self.known:
            self.known[key] = as_it_was(self.workspace, self.chain, row)
        return self.known[key]


def _held_against(row: Record, found: Mapping[str, EstimateRow], notes: tuple[str, ...]) -> Rebuilt:
    again = found.get(row["woodland_id"])
    if again is None:
        return _outcome(row, trouble="the block has no such woodland", notes=notes)
    figures = (Figure(name, _known(row[name]), _known(getattr(again, name))) for name in FIGURES)
    return _outcome(row, figures=tuple(figures), notes=notes)


def _outcome(row: Record, **more: Any) -> Rebuilt:
    names = ("woodland_id", "season", "target")
    return Rebuilt(estimate_name(row), **{name: row[name] for name in names}, **more)


def as_it_was(workspace: Workspace, chain: Chain, row: Record) -> Workspace:
    """Return the workspace with the science, encoder and head of an estimate.

    WarehouseError where a run or card is not recorded, or gives other choices than the estimate names;
    ModelError where the head is not kept any more, or weights are not those that were recorded.
    """
    settings = workspace.settings
    if workspace.encoder_card.id != row["encoder"]:
        settings = settings.model_copy(update={"encoder": row["encoder"], "encoder_weights": None})
    then = Workspace(settings, _science(chain, row), head_id=row["head"])
    _refuse_other_weights(chain, row["encoder"], then.encoder_card.weights_sha256)
    _refuse_other_weights(chain, row["head"], then.head.card.tensors_sha256)
    return then


def _science(chain: Chain, row: Record) -> Science:
    run = chain.run(row["run_id"])
    if run is None:
        raise WarehouseError(f"run {row['run_id']}: not recorded, so its choices are not known")
    digest = hashlib.sha256(run["science"].encode()).hexdigest()[:12]
    if digest != row["config_hash"]:
        raise WarehouseError(
            f"run {row['run_id']}: its recorded choices are {digest}, the estimate names {row['config_hash']}"
        )
    return science_of(json.loads(run["science"]), f"run {row['run_id']}")


def _refuse_other_weights(chain: Chain, card_id: str, sha256: str) -> None:
    card = chain.card(card_id)
    if card is None:
        raise WarehouseError(f"model card {card_id}: not recorded")
    if card["sha256"] != sha256:
        raise ModelError(f"model {card_id}: weights are sha256 {sha256}, recorded is {card['sha256']}")


def _notes(workshop: _Workshop, row: Record, made_from: Inputs) -> tuple[str, ...]:
    """Return what is not now as it was then, and need not matter."""
    from importlib.metadata import version

    run, here = workshop.chain.run(row["run_id"]), version("underwood")
    then, now = made_from.workspace, workshop.workspace.settings
    pairs = (
        ("version", run["code_version"] if run else here, here),
        ("precision", then.settings.precision, now.precision),
        ("offset_rule", then.settings.offset_rule, now.offset_rule),
        ("choices", row["config_hash"], then.science.digest),
    )
    return tuple(f"{what} {was} then, {is_now} now" for what, was, is_now in pairs if was != is_now)


@dataclass(frozen=True)
class Inputs:
    """What the recorded hash of an estimate's inputs names: block, scenes, number format, offset rule."""

    workspace: Workspace
    block: Block
    listing: Listing
    inputs_hash: str


def inputs_of(then: Workspace, chain: Chain, row: Record) -> Inputs:
    """Return the inputs that have the hash an estimate names.

    The polygons are those known when it was recorded, the scenes those its block-season had used by then,
    without what was replaced or withdrawn: whichever give the recorded hash. WarehouseError where none do.
    """
    candidates = _Candidates(then, chain, row)
    for workspace, block, listing in candidates.all():
        if inputs_hash(block, listing, workspace.settings) == row["inputs_hash"]:
            _refuse_lacking(workspace, block, listing)
            return Inputs(workspace, block, listing, row["inputs_hash"])
    raise WarehouseError(candidates.refusal)


@dataclass(frozen=True)
class _Candidates:
    """What an estimate may have been made from."""

    workspace: Workspace
    chain: Chain
    row: Record

    def all(self) -> Iterator[tuple[Workspace, Block, Listing]]:
        """Yield what is likely first: few woodlands are redrawn, few scenes replaced."""
        for block, listing, settings in product(self.blocks, self.listings, self._settings()):
            is_same = settings is self.workspace.settings
            yield self.workspace if is_same else replace(self.workspace, settings=settings), block, listing

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The block as its polygons were: the woodland's own as named, then all of late, or all at first."""
        size_m = self.workspace.science.blocks.size_m
        near = self.chain.neighbours(self.row, _DIAGONAL * size_m)
        mine = (self.row["woodland_id"], self.row["boundary"])
        newest = {w.id: w for w, _, is_present in near if is_present or w.id == mine[0]}
        then = newest | {w.id: w for w, boundary, _ in near if (w.id, boundary) == mine}
        first = {w.id: w for w, *_ in reversed(near)}
        return tuple(self._blocks((then.values(), newest.values(), first.values()), size_m))

    def _blocks(self, groups: Iterable[Iterable[Any]], size_m: int) -> Iterator[Block]:
        seen = set()
        for group in groups:
            for block in make_blocks(group, size_m):
                key = (block.woodland_ids, block.pixels.digest, block.coverage.data.tobytes())
                if block.id == self.row["block_id"] and key not in seen:
                    seen.add(key)
                    yield block

    @cached_property
    def listings(self) -> tuple[Listing, ...]:
        """The scenes up to the estimate, then without replaced copies, then by when they were first used."""
        used = self.chain.scenes(self.row["season"], self.row["block_id"], self.row["recorded_at"])
        moments = sorted({scene["used_at"] for scene in used}, reverse=True)
        groups = [list(used), list(latest_copies(used))]
        groups += [[s for s in used if s["used_at"] <= moment] for moment in moments]
        groups += [[s for s in used if s["used_at"] == moment] for moment in moments]
        listings = [self._listing(group) for group in groups if group]
        return (*listings, *self._staged)

    @cached_property
    def _staged(self) -> tuple[Listing, ...]:
        season = Season.parse(self.row["season"])
        path = listing_path(self.workspace.staging, self.row["block_id"], season)
        with suppress(WarehouseError):
            return (read_listing(path),)
        return ()

    def _listing(self, scenes: Sequence[Record]) -> Listing:
        chosen = tuple(scene_of(scene) for scene in scenes)
        return Listing(self.row["block_id"], self.row["season"], chosen, (), ())

    def _settings(self) -> Iterator[Settings]:
        """Yield the settings with each number format and offset rule, the present ones first."""
        now = self.workspace.settings
        formats = _first(now.precision, get_args(Settings.model_fields["precision"].annotation))
        rules = _first(now.offset_rule, get_args(OffsetRule))
        yield now
        for precision, rule in list(product(formats, rules))[1:]:
            yield now.model_copy(update={"precision": precision, "offset_rule": rule})

    @property
    def refusal(self) -> str:
        """Why none of them is what the estimate was made from, and how near they come."""
        subject = f"estimate {self.row['woodland_id']}/{self.row['season']}: no inputs of its hash "
        subject += f"{self.row['inputs_hash']} are known any more"
        if not self.blocks:
            return f"{subject}: no recorded polygons make block {self.row['block_id']}"
        if not self.listings:
            return f"{subject}: no scene of its block is recorded and no listing is staged"
        return f"{subject}; {self._apart()}"

    def _apart(self) -> str:
        recorded, *_ = self.listings
        staged = next(iter(self._staged), recorded)
        now, then = set(staged.scene_ids), set(recorded.scene_ids)
        said = [
            f"{sign} {', '.join(sorted(ids))}" for sign, ids in (("+", now - then), ("-", then - now)) if ids
        ]
        beside = f" (the listing that is staged now: {'; '.join(said)})" if said else ""
        return f"{len(then)} scenes were recorded for the block-season by then{beside}"


def _first(chosen: str, known: Sequence[str]) -> list[str]:
    return [chosen, *(each for each in known if each != chosen)]


def scene_of(row: Record) -> Scene:
    """Return a recorded scene as far as an estimate asks: its pixels lie in the cube."""
    known = {field.name for field in fields(Scene)} & row.keys() - {"hrefs", "checksums"}
    values = {name: row[name] for name in known}
    values |= {
        "sensor": Sensor(row["sensor"]),
        "bbox": (row["west"], row["south"], row["east"], row["north"]),
        "hrefs": tuple(json.loads(row["hrefs"]).items()),
        "relative_orbit": row["relative_orbit"] or 0,
        "tile": row["tile"] or "",
    }
    return Scene(**values)


def _refuse_lacking(workspace: Workspace, block: Block, listing: Listing) -> None:
    """WarehouseError where the cube lacks a scene, or pixels of one: `open_cube` would only add emptiness."""
    if listing.published:
        return
    cube = find_cube(workspace.cube, block)
    if cube is None:
        raise WarehouseError(f"cube {workspace.cube / block.id}: is not there any more")
    if (cube.index < 0).any():
        raise WarehouseError(f"cube {cube.path}: lacks {int((cube.index < 0).sum())} pixels of the block")
    missing = _not_held(cube, listing)
    if missing:
        raise WarehouseError(
            f"cube {cube.path}: lacks {len(missing)} scenes, or pixels of them: {missing[0]}"
        )


def _not_held(cube: Cube, listing: Listing) -> list[str]:
    held = frozenset[str]().union(*(cube.scene_ids(sensor) for sensor in Sensor))
    return sorted(set(listing.scene_ids) - held)


def _rows(made_from: Inputs, season: Season) -> tuple[EstimateRow, ...]:
    workspace, block, listing = made_from.workspace, made_from.block, made_from.listing
    if listing.published:
        kept = read_kept(workspace, block, season, listing.published)
        return rows_of(workspace, block, season, made_from.inputs_hash, kept.embeddings, kept.counts)
    dpixels = season_dpixels(workspace, block, season, listing)
    embeddings = embed(workspace, dpixels, f"embed {season.id}")
    return rows_of(workspace, block, season, made_from.inputs_hash, embeddings, clear_counts(dpixels))


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _bits(value: float | None) -> bytes:
    return b"" if value is None else struct.pack("<d", value)
