"""Rows of the replay: one per woodland, rich year and poor year, in files named by all they depend on."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from flows.estimating.estimate import inputs_hash
from flows.files import whole_file
from flows.ingesting.listing import Listing, listing_path, read_listing
from flows.workspace import Workspace
from monitoring.errors import WarehouseError
from monitoring.gates.replay import ReplayDifference
from monitoring.grid import Block
from monitoring.seasons import Season
from warehouse.columns import build, columns_of, schema_of
from warehouse.staging import staging_path

#: Folder of the replay's rows, in the staging folder.
FOLDER = "replay"
#: Raised when the same observations would be thinned in another way.
THINNING_VERSION = "1"


@dataclass(frozen=True)
class ReplayRow:
    """What thinning alone did to one woodland in one rich year; counts are means per pixel, NaN = unknown."""

    TABLE: ClassVar[str] = "replay_difference"
    KEY: ClassVar[tuple[str, ...]] = (
        "woodland_id",
        "year",
        "like_year",
        "seed",
        "target",
        "encoder",
        "head",
        "config_hash",
        "inputs_hash",
        "like_inputs_hash",
    )

    woodland_id: str
    year: int
    """The rich year that was embedded again."""
    like_year: int
    """The poor year whose density it was given."""
    seed: int
    target: str
    encoder: str
    head: str
    config_hash: str
    inputs_hash: str
    """Of the rich year's estimate."""
    like_inputs_hash: str
    """Of the poor year's."""
    block_id: str
    full_mean: float
    """The estimate from all observations, target's unit."""
    thinned_mean: float
    full_coverage: float
    """Share of the woodland's area with an estimate, 0-1."""
    thinned_coverage: float
    n_s2_full: float
    n_s2_thinned: float
    n_s1_ascending_full: float
    n_s1_ascending_thinned: float
    n_s1_descending_full: float
    n_s1_descending_thinned: float

    @property
    def difference(self) -> float:
        """Thinned minus full, target's unit; NaN where either has no estimate."""
        return self.thinned_mean - self.full_mean


def replay_path(
    workspace: Workspace, block: Block, year: int, like_year: int, seed: int, inputs: Sequence[str]
) -> Path:
    """Return where the rows of a block's rich year, thinned like a poor one, are staged.

    inputs: the input hashes of the rich year and of the poor one.
    """
    science, card = workspace.science, workspace.encoder_card
    models = (card.id, card.weights_sha256, workspace.head.card.id)
    key = (science.estimation.target, *models, science.digest, *inputs)
    asked = (str(like_year), str(seed), THINNING_VERSION)
    return staging_path(workspace.staging / FOLDER, Season(year, 4).id, block.id, *key, *asked)


def inputs_of(workspace: Workspace, block: Block, *listings: Listing) -> list[str]:
    """Return the input hash of each of a block's listed years."""
    return [inputs_hash(block, listing, workspace.settings) for listing in listings]


def listing_of(workspace: Workspace, block: Block, year: int) -> Listing | None:
    """Return what a block uses of a calendar year; None where it was not ingested, or nothing can be used."""
    path = listing_path(workspace.staging, block.id, Season(year, 4))
    listing = read_listing(path) if path.exists() else None
    return None if listing is None or listing.refused or not listing.scenes else listing


def write_replay(path: Path, rows: Sequence[ReplayRow]) -> Path:
    """Write rows to a Parquet file that is either whole or not there."""
    ordered = columns_of(sorted(rows, key=lambda row: row.woodland_id), ReplayRow)
    with whole_file(path) as temporary:
        pq.write_table(ordered, temporary, compression="zstd")
    return path


def read_replay(path: Path) -> tuple[ReplayRow, ...]:
    """Return the rows of a file; WarehouseError where it is missing, damaged or of other columns."""
    try:
        table = pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise _unusable(path, str(error).splitlines()[0]) from error
    if not table.schema.equals(schema_of(ReplayRow)):
        raise _unusable(path, "other columns than expected")
    return tuple(build(ReplayRow, columns) for columns in table.to_pylist())


def _unusable(path: Path, why: str) -> WarehouseError:
    return WarehouseError(f"staged replay {path}: {why}; delete it and replay again, which makes it anew")


def replay_rows(workspace: Workspace) -> tuple[ReplayRow, ...]:
    """Return every staged row that the encoder, head, science and observations in use would give again."""
    found: list[ReplayRow] = []
    for path in sorted((workspace.staging / FOLDER).glob("*/[!.]*.parquet")):
        rows = read_replay(path)
        found.extend(rows if _is_current(workspace, path, rows) else ())
    return tuple(found)


def _is_current(workspace: Workspace, path: Path, rows: Sequence[ReplayRow]) -> bool:
    """True where a file has the name that it would get today."""
    block = workspace.blocks.get(rows[0].block_id) if rows else None
    if block is None:
        return False
    first = rows[0]
    rich, poor = (listing_of(workspace, block, year) for year in (first.year, first.like_year))
    if rich is None or poor is None:
        return False
    inputs = inputs_of(workspace, block, rich, poor)
    return path == replay_path(workspace, block, first.year, first.like_year, first.seed, inputs)


def replay_differences(workspace: Workspace) -> tuple[ReplayDifference, ...]:
    """Return one difference per woodland and rich year: the mean over its poor years, as gate G3 takes it.

    Rows without an estimate on either side say nothing; a woodland-year with no other is not returned.
    """
    found: dict[tuple[str, int], list[ReplayRow]] = defaultdict(list)
    for row in replay_rows(workspace):
        if math.isfinite(row.difference):
            found[row.woodland_id, row.year].append(row)
    return tuple(_differences(found))


def _differences(found: dict[tuple[str, int], list[ReplayRow]]) -> Iterator[ReplayDifference]:
    for (woodland_id, year), rows in sorted(found.items()):
        mean = math.fsum(row.difference for row in rows) / len(rows)
        yield ReplayDifference(woodland_id, year, mean, tuple(sorted({row.like_year for row in rows})))
