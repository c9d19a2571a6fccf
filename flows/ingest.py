"""Ingest: from the catalogue to the pixel cube, one task per block-season."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from itertools import islice

import pandas as pd

from flows.listing import Check, LeftOut, Listing, listing_path, without_secrets, write_listing
from flows.progress import advance
from flows.published import list_published
from flows.quality.gate import Verdict, check_scenes
from flows.sources.addresses import is_web
from flows.sources.assets.pixels import read_scene
from flows.workspace import Workspace
from monitoring.errors import PixelReadError
from monitoring.grid import Block, PixelSet
from monitoring.scenes import Scene
from monitoring.seasons import Season
from warehouse.cube import Cube, Observation, open_cube

#: Scenes held in memory before they are committed to the cube.
SCENES_PER_COMMIT = 32
#: Fields of a scene that its quality gate does not ask about.
_NOT_JUDGED = ("bbox", "hrefs", "offset_rule", "offset_from_dn", "relative_orbit", "tile", "checksums")
#: Scenes of one block read at once; decoding releases the interpreter lock.
READERS_PER_BLOCK = 2


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


def ingest_block(workspace: Workspace, block: Block, season: Season) -> IngestReceipt:
    """Bring a block's cube up to date with a season's scenes and write down which ones it uses.

    Where embeddings are read as published, they are what is brought up to date, and there are no scenes.
    """
    if workspace.reads_published:
        return _noted(workspace, season, *list_published(workspace, block, season), n_read=0)
    planned = list_scenes(workspace, block, season)
    cube = open_cube(workspace.cube, block)
    failed, n_read = read_new_scenes(cube, planned.scenes, block.pixels, f"ingest {season.id}")
    return _noted(workspace, season, planned, failed, n_read)


def _noted(
    workspace: Workspace, season: Season, planned: Listing, failed: Sequence[LeftOut], n_read: int
) -> IngestReceipt:
    """Write down what a block-season uses and what was left out; return its receipt."""
    listing = without(planned, failed)
    path = write_listing(listing_path(workspace.staging, planned.block_id, season), listing)
    return IngestReceipt(
        block_id=planned.block_id,
        season=season.id,
        listing=str(path),
        n_scenes=len(listing.scenes),
        n_read=n_read,
        n_left_out=len(listing.left_out),
        n_unread_remote=_count_remote(planned, failed),
        refused=listing.refused,
        problems=_problems(listing, failed),
    )


def _count_remote(planned: Listing, failed: Sequence[LeftOut]) -> int:
    lost = {row.scene_id for row in failed}
    return sum(scene.id in lost and is_web(scene.hrefs[0][1]) for scene in planned.scenes)


def _problems(listing: Listing, failed: Sequence[LeftOut]) -> tuple[str, ...]:
    where = f"block {listing.block_id} season {listing.season}"
    refusal = (f"{where}: {listing.refused}",) if listing.refused else ()
    return (*refusal, *(row.reason for row in failed))


def list_scenes(workspace: Workspace, block: Block, season: Season) -> Listing:
    """Return the scenes a block-season may use, with everything left out and why."""
    offered, rejected = workspace.catalogue.scenes_and_rejects(block.pixels.bbox, season.start, season.end)
    found = tuple(scene for scene in offered if scene.epsg == block.pixels.epsg)
    verdict = check_scenes(_frame(found), season, workspace.science)
    accepted = frozenset(verdict.passed["id"])
    return Listing(
        block_id=block.id,
        season=season.id,
        scenes=() if verdict.fatal else tuple(scene for scene in found if scene.id in accepted),
        left_out=(
            *(LeftOut("catalogue", item.item_id, item.reason) for item in rejected),
            *(_other_zone(scene, block) for scene in offered if scene.epsg != block.pixels.epsg),
            *(() if verdict.fatal else _refused_scenes(verdict)),
        ),
        checks=checks_of(verdict),
        refused=verdict.fatal,
    )


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


def read_new_scenes(
    cube: Cube, scenes: Sequence[Scene], pixels: PixelSet, label: str
) -> tuple[tuple[LeftOut, ...], int]:
    """Append the scenes the cube does not hold yet; return what could not be read, and how many were."""
    held = {sensor: cube.scene_ids(sensor) for sensor in {scene.sensor for scene in scenes}}
    new = [scene for scene in scenes if scene.id not in held[scene.sensor]]
    failed: list[LeftOut] = []
    for batch in _batches(new, SCENES_PER_COMMIT):
        outcomes = list(_read_batch(batch, pixels))
        advance(label, len(batch), len(new))
        cube.append([outcome for outcome in outcomes if isinstance(outcome, Observation)])
        failed += [outcome for outcome in outcomes if isinstance(outcome, LeftOut)]
    return tuple(failed), len(new) - len(failed)


def _read_batch(scenes: Sequence[Scene], pixels: PixelSet) -> Iterator[Observation | LeftOut]:
    with ThreadPoolExecutor(READERS_PER_BLOCK) as readers:
        yield from readers.map(lambda scene: _read(scene, pixels), scenes)


def _read(scene: Scene, pixels: PixelSet) -> Observation | LeftOut:
    """Read one scene; one that cannot be read is left out and fails nothing else."""
    try:
        read = read_scene(scene, pixels)
    except PixelReadError as error:
        return LeftOut("pixels", scene.id, str(error))
    return Observation(without_secrets(scene), read.values, read.scl)


def _batches(scenes: Iterable[Scene], size: int) -> Iterator[list[Scene]]:
    iterator = iter(scenes)
    while batch := list(islice(iterator, size)):
        yield batch


def without(listing: Listing, failed: Sequence[LeftOut]) -> Listing:
    """Return the listing without the scenes, or the pixels, that could not be read."""
    lost = {row.scene_id for row in failed}
    return replace(
        listing,
        scenes=tuple(scene for scene in listing.scenes if scene.id not in lost),
        left_out=(*listing.left_out, *failed),
    )
