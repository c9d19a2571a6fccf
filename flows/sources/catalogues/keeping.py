"""Keeping: what a catalogue offered for one block and season, in one file, without secrets."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import shapely
from shapely.errors import GEOSException

from flows.files import write_json
from flows.sources.addresses import shown
from flows.sources.catalogues.asking import MAX_DOCUMENT_BYTES
from flows.sources.scenes.acquisitions import Version
from flows.sources.scenes.items import Offer, Rejected
from monitoring.scenes import Scene, Sensor

#: Raised whenever files of before no longer say what an offer is: they are then read as none.
FORMAT = 1

#: The threads of one process write under one temporary name.
_WRITING = threading.Lock()

_MOMENTS = ("processed_at", "created_at", "updated_at")

#: (collection, item id).
Name = tuple[str, str]


@dataclass(frozen=True)
class Question:
    """What was asked; what is kept answers no other question."""

    catalogue: str
    """Address, without secrets."""
    source: str
    offset_rule: str
    bbox: tuple[float, float, float, float]
    start: str
    end: str


@dataclass(frozen=True)
class Kept:
    """All that was on offer at the last look."""

    question: Question
    looked_at: datetime
    looked_whole_at: datetime
    """When all that there is was last told."""
    n_since_whole: int
    """Looks after that one."""
    is_frozen: bool
    is_bare: bool
    """True where addresses lost their query (a signature) when they were kept."""
    offers: tuple[Offer, ...]
    rejected: tuple[Rejected, ...]
    withdrawn: tuple[Name, ...]
    """Items that were offered once and are not any more."""


def name_of(offer: Offer) -> Name:
    """Return what names an item among those of a catalogue."""
    return offer.scene.collection, offer.scene.id


def in_order(offers: Sequence[Offer]) -> tuple[Offer, ...]:
    """Return offers by time, id and collection."""
    return tuple(sorted(offers, key=lambda o: (o.scene.acquired_at, o.scene.id, o.scene.collection)))


def read_kept(path: Path) -> Kept:
    """Return what a file keeps; FileNotFoundError, or ValueError for one that is damaged or not of ours."""
    if path.stat().st_size > MAX_DOCUMENT_BYTES:
        raise ValueError(f"larger than {MAX_DOCUMENT_BYTES} bytes")
    try:
        return _kept(json.loads(path.read_text("utf-8")))
    except (KeyError, TypeError, AttributeError, RecursionError, OverflowError, GEOSException) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def write_kept(path: Path, kept: Kept) -> None:
    """Write the file whole or not at all."""
    with _WRITING:
        write_json(path, _as_table(kept))


def _as_table(kept: Kept) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "question": asdict(kept.question),
        "looked_at": kept.looked_at.isoformat(),
        "looked_whole_at": kept.looked_whole_at.isoformat(),
        "n_since_whole": kept.n_since_whole,
        "is_frozen": kept.is_frozen,
        "is_bare": kept.is_bare,
        "offers": [as_record(offer) for offer in kept.offers],
        "rejected": [asdict(one) for one in kept.rejected],
        "withdrawn": [list(name) for name in kept.withdrawn],
    }


def _kept(table: Mapping[str, Any]) -> Kept:
    if table["format"] != FORMAT:
        raise ValueError(f"of format {table['format']!r}, not {FORMAT}")
    question = table["question"]
    return Kept(
        question=Question(**{**question, "bbox": tuple(question["bbox"])}),
        looked_at=_moment(table["looked_at"]),
        looked_whole_at=_moment(table["looked_whole_at"]),
        n_since_whole=int(table["n_since_whole"]),
        is_frozen=table["is_frozen"] is True,
        is_bare=table["is_bare"] is True,
        offers=tuple(offer_of(record) for record in table["offers"]),
        rejected=tuple(Rejected(**row) for row in table["rejected"]),
        withdrawn=tuple((str(collection), str(item_id)) for collection, item_id in table["withdrawn"]),
    )


def as_record(offer: Offer) -> dict[str, Any]:
    """Return an offer as JSON can keep it, its addresses without their secrets."""
    return {
        "scene": _scene_record(offer.scene),
        "version": {k: v.isoformat() if k in _MOMENTS else v for k, v in asdict(offer.version).items()},
        "footprint": shapely.to_wkb(offer.footprint, hex=True),
    }


def _scene_record(scene: Scene) -> dict[str, Any]:
    cloud = scene.cloud_fraction
    return asdict(scene) | {
        "acquired_at": scene.acquired_at.isoformat(),
        "cloud_fraction": None if math.isnan(cloud) else cloud,
        "hrefs": [[band, shown(href)] for band, href in scene.hrefs],
    }


def offer_of(record: Mapping[str, Any]) -> Offer:
    """Return the offer of a record; KeyError, TypeError, ValueError or GEOSException where it is none."""
    version = record["version"]
    moments = {name: _moment(version[name]) for name in _MOMENTS}
    return Offer(
        scene=_scene(record["scene"]),
        version=Version(**{**version, **moments, "baseline": tuple(version["baseline"])}),
        footprint=shapely.from_wkb(record["footprint"]),
    )


def _scene(record: Mapping[str, Any]) -> Scene:
    pairs = {key: tuple((band, text) for band, text in record[key]) for key in ("hrefs", "checksums")}
    cloud = record["cloud_fraction"]
    fields = {
        **record,
        **pairs,
        "sensor": Sensor(record["sensor"]),
        "acquired_at": _moment(record["acquired_at"]),
        "bbox": tuple(record["bbox"]),
        "cloud_fraction": math.nan if cloud is None else cloud,
    }
    return Scene(**fields)


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text}: no time zone")
    return at
