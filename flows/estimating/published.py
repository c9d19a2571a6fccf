"""Published embeddings in the season's line: read at ingest, kept under staging, estimated from there."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from flows.files import write_whole
from flows.ingesting.listing import Check, LeftOut, Listing
from flows.progress import counting
from flows.sources.published.pixels import PublishedPixels
from flows.sources.published.places import open_published
from flows.workspace import Workspace
from models.encoders.embeddings import Reason
from monitoring.errors import SeasonError, WarehouseError
from monitoring.grid import Block
from monitoring.scenes import Sensor
from monitoring.seasons import Season

#: Name of the gate under which everything about published embeddings is recorded.
GATE = "published"
#: Reasons that another reading could change; water stays water.
PASSING = (Reason.NOT_PUBLISHED, Reason.CORRUPT_SCALE, Reason.OUTSIDE)


@dataclass(frozen=True)
class Kept:
    """What was read of a block's year, and where."""

    source: str
    """The publication it was read from, in words: address, version, variant, build."""
    pixels: PublishedPixels

    @property
    def digest(self) -> str:
        """Names the source and every byte read, hexadecimal."""
        return hashlib.sha256(f"{self.source}\n{self.pixels.digest}".encode()).hexdigest()

    @property
    def is_whole(self) -> bool:
        """True when reading again could find no more."""
        return not np.isin(self.pixels.reason, PASSING).any()


def list_published(workspace: Workspace, block: Block, season: Season) -> tuple[Listing, tuple[LeftOut, ...]]:
    """Read what is published for a block's year; return what is used, and what is corrupt.

    SeasonError for a season that is not a calendar year: nothing else is published.
    """
    if not season.is_final:
        raise SeasonError(
            f"season {season}: published embeddings are of calendar years, so of Q4 seasons only, "
            f"such as {season.year}-Q4"
        )
    kept = _bring_up_to_date(workspace, block, season)
    listing = Listing(
        block_id=block.id,
        season=season.id,
        scenes=(),
        left_out=(),
        checks=_checks(kept),
        refused=_refusal(kept, season),
        published=kept.digest,
    )
    return listing, _corrupt(kept, block)


def read_kept(workspace: Workspace, block: Block, season: Season, digest: str) -> PublishedPixels:
    """Return the pixels that a listing names; WarehouseError when they are not there any more."""
    path = _kept_path(workspace, block, season)
    kept = _read(path)
    if kept is None or kept.digest != digest:
        raise WarehouseError(f"published embeddings {path}: missing or damaged; ingest the season again")
    return kept.pixels


def _bring_up_to_date(workspace: Workspace, block: Block, season: Season) -> Kept:
    """Return what is published now; it is read again unless everything of this very build was read before."""
    path = _kept_path(workspace, block, season)
    before = _read(path)
    with open_published(workspace.settings.catalogue, workspace.encoder_card) as source:
        said = str(source.publication)
        if before is not None and before.source == said and before.is_whole:
            return before
        kept = Kept(said, source.read(block.pixels, season.year, counting(f"read {season.id}")))
    write_whole(path, _bytes(kept))
    return kept


def _kept_path(workspace: Workspace, block: Block, season: Season) -> Path:
    key = "\n".join((block.pixels.digest, workspace.encoder_card.id, workspace.settings.catalogue))
    name = f"{block.id}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.{GATE}.npz"
    return workspace.staging / season.id / name


def _bytes(kept: Kept) -> bytes:
    pixels, buffer = kept.pixels, io.BytesIO()
    arrays: dict[str, NDArray[Any]] = {
        "codes": pixels.codes,
        "scales": pixels.scales,
        "reason": pixels.reason,
        "source": np.array(kept.source),
        **{f"count_{sensor.name}": pixels.counts[sensor] for sensor in Sensor},
    }
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _read(path: Path) -> Kept | None:
    """Return what a file holds; None where there is none, or not a whole one."""
    try:
        content = io.BytesIO(path.read_bytes())  # numpy leaves a broken file open
        with np.load(content, allow_pickle=False) as file:
            counts = {sensor: file[f"count_{sensor.name}"] for sensor in Sensor}
            pixels = PublishedPixels(file["codes"], file["scales"], file["reason"], counts)
            return Kept(str(file["source"]), pixels)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None


def _checks(kept: Kept) -> tuple[Check, ...]:
    """Return what was seen, as rows of the quality table: the source, the pixels, who counted."""
    pixels = kept.pixels
    corrupt = pixels.count(Reason.CORRUPT_SCALE)
    missing = sum(pixels.count(reason) for reason in PASSING)
    uncounted = [sensor.value for sensor in Sensor if np.isnan(pixels.counts[sensor]).all()]
    counted = f"not counted: {', '.join(uncounted)}" if uncounted else "all sensors are counted"
    return (
        Check(GATE, "source_is_what_the_card_says", "", True, 0, kept.source),
        Check(GATE, "scales_are_sound", "scales", not corrupt, corrupt, f"{corrupt} corrupt"),
        Check(GATE, "pixels_have_an_embedding", "reason", missing == 0, missing, said_of(pixels)),
        Check(GATE, "observations_are_counted", "", True, 0, counted),
    )


def said_of(pixels: PublishedPixels) -> str:
    """Return how many pixels there are of each reason, in words."""
    counts = [(pixels.count(reason), reason.name.lower().replace("_", " ")) for reason in Reason]
    return ", ".join(f"{count} {name}" for count, name in counts if count)


def _refusal(kept: Kept, season: Season) -> str:
    if kept.pixels.count(Reason.EMBEDDED):
        return ""
    return f"no pixel has an embedding of {season.year} in {kept.source}: {said_of(kept.pixels)}"


def _corrupt(kept: Kept, block: Block) -> tuple[LeftOut, ...]:
    corrupt = kept.pixels.count(Reason.CORRUPT_SCALE)
    if not corrupt:
        return ()
    reason = f"{corrupt} of {len(kept.pixels.reason)} pixels of block {block.id} have a corrupt scale"
    return (LeftOut(GATE, block.id, f"{kept.source}: {reason}"),)
