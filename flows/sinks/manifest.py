"""What an exported version says of itself: where it came from, its files, its columns with their units."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.sources.addresses import shown
from monitoring.errors import WarehouseError
from warehouse.answering.answers import ask
from warehouse.answering.parquet_tree import View, WrittenView
from warehouse.reader import Reader, read

FORMAT = "underwood-parquet-1"
MANIFEST, LATEST, ITEM, COLLECTION = "manifest.json", "latest.json", "item.json", "collection.json"
#: Scenes an item links to; all of them are in the view `scenes`.
MOST_LINKS = 1_000
_CHUNK = 1 << 20
#: How often a snapshot that is replaced while it is opened is opened again.
_TRIES = 5


@dataclass(frozen=True)
class Snapshot:
    """A published snapshot as it was opened: its bytes and what it holds in all."""

    sha256: str
    n_bytes: int
    recorded_until: datetime
    """When the newest thing in it was recorded, UTC."""
    facts: dict[str, Any]
    scene_addresses: tuple[tuple[str, str], ...]
    """Scene id and the address of its first band, without secrets; the oldest `MOST_LINKS`."""

    def version(self, views: Sequence[View]) -> str:
        """Return the name of an export of it: the same snapshot and views, the same name."""
        words = "\n".join([FORMAT, self.sha256, *(view.name for view in views)])
        return f"{self.recorded_until:%Y%m%dT%H%M%SZ}-{hashlib.sha256(words.encode()).hexdigest()[:12]}"

    @property
    def attribution(self) -> str:
        """Whom to name when the figures are used."""
        seasons = (self.facts["first_season"], self.facts["last_season"])
        years = sorted({str(season)[:4] for season in seasons if season})
        observed = f"Contains modified Copernicus Sentinel data {'-'.join(years)}".strip()
        boundaries = ", ".join(self.facts["releases"] or ())
        return f"{observed}; woodland boundaries: {boundaries}" if boundaries else observed


@contextmanager
def opened_snapshot(path: Path) -> Iterator[tuple[Reader, Snapshot]]:
    """Open a published snapshot with its digest: what is read and what was hashed is one and the same file.

    WarehouseError as `read`, and where the file is replaced again and again meanwhile.
    """
    for _ in range(_TRIES):
        with read(path) as reader:
            found = _hashed(path)
            if found is not None and _still(path, found[2]):
                yield reader, _snapshot(reader, found[0], found[1])
                return
    raise WarehouseError(f"snapshot {path}: replaced {_TRIES} times while it was opened; try again")


def _hashed(path: Path) -> tuple[str, int, int] | None:
    """Return the digest, size and inode of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        status = os.fstat(file.fileno())
    return digest.hexdigest(), status.st_size, status.st_ino


def _still(path: Path, inode: int) -> bool:
    return path.stat().st_ino == inode


def _snapshot(reader: Reader, sha256: str, n_bytes: int) -> Snapshot:
    (facts,) = ask(reader.connection, "export/facts", "site_history").rows
    scenes = ask(reader.connection, "export/scene_addresses", "scene", most=str(MOST_LINKS)).rows
    addresses = ((str(row["id"]), _first_address(str(row["hrefs"]))) for row in scenes)
    return Snapshot(
        sha256,
        n_bytes,
        facts["recorded_until"],
        facts,
        tuple((scene_id, address) for scene_id, address in addresses if address),
    )


def _first_address(hrefs: str) -> str:
    """Return the address of a scene's first band as it was recorded, without secrets; empty for none."""
    try:
        found = json.loads(hrefs)
    except ValueError:
        return ""
    pairs = sorted(found.items()) if isinstance(found, dict) else sorted(map(tuple, found or ()))
    return shown(str(pairs[0][1])) if pairs else ""


def manifest_text(snapshot: Snapshot, written: Sequence[WrittenView]) -> bytes:
    """Return the manifest of a version: the same snapshot and views give the same bytes."""
    document = {
        "format": FORMAT,
        "version": snapshot.version([each.view for each in written]),
        "snapshot": {
            "sha256": snapshot.sha256,
            "bytes": snapshot.n_bytes,
            "recorded_until": f"{snapshot.recorded_until:%Y-%m-%dT%H:%M:%S.%fZ}",
            "schema": snapshot.facts["schema_number"],
        },
        "seasons": [snapshot.facts["first_season"], snapshot.facts["last_season"]],
        "targets": snapshot.facts["targets"] or [],
        "attribution": snapshot.attribution,
        "unknown": "An unknown value is null, never zero; times are UTC; an empty park is none.",
        "views": {each.view.name: _view(each) for each in written},
    }
    return as_json(document)


def _view(written: WrittenView) -> dict[str, Any]:
    return {
        "rows": written.n_rows,
        "geometry": written.view.place or None,
        "partitioned_by": list(written.view.parted_by),
        "columns": [
            {"name": name, "type": kind, "meaning": meaning} for name, kind, meaning in written.columns
        ],
        "files": [
            {
                "path": file.path,
                "sha256": file.sha256,
                "bytes": file.n_bytes,
                "rows": file.n_rows,
                **({"partition": dict(file.partition)} if file.partition else {}),
            }
            for file in written.files
        ],
    }


def as_json(document: Any) -> bytes:
    """Return a document as JSON with sorted keys."""
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
