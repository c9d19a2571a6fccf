"""Partitioned GeoParquet of the public views at any address, a version at a time.

    <address>/latest.json                      which version to read: written last, in one piece
    <address>/collection.json                  STAC collection of the versions
    <address>/<version>/manifest.json          its files with sha256, rows, columns, units
    <address>/<version>/item.json              STAC item
    <address>/<version>/site_history/target=richness/park=New%20Forest/part-0.parquet
    <address>/<version>/woodlands.parquet ...

Nothing that `latest.json` leads to ever changes: a new version is written beside the former, whole, before it
is named. One that failed half-way is named nowhere, and the next export removes it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.progress import advance
from flows.sinks.manifest import (
    COLLECTION,
    FORMAT,
    ITEM,
    LATEST,
    MANIFEST,
    Snapshot,
    as_json,
    manifest_text,
    opened_snapshot,
)
from flows.sinks.places import Place
from flows.sinks.stac import collection_text, item_text
from monitoring.errors import WarehouseError
from warehouse.answering.parquet_tree import View, WrittenView, chosen_views, write_view
from warehouse.reader import Reader

#: Versions that stay: the new one, and the one that somebody may be reading.
KEEP = 2
_VERSION = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{12}")


@dataclass(frozen=True)
class Exported:
    """What an export left at its address."""

    address: str
    version: str
    is_new: bool
    """False where that version lay there already, whole."""
    files: tuple[dict[str, Any], ...]
    """View, path, rows, bytes and sha256 of each."""
    removed: tuple[str, ...]
    """Versions that were removed."""


def export_snapshot(
    published: Path, place: Place, views: Sequence[str] = (), *, keep: int = KEEP
) -> Exported:
    """Write the public views of a snapshot as a new version at a place, then name it in `latest.json`.

    A version that lies there whole is not written again. WarehouseError leaves the former version as it was,
    also where another export was quicker: then this one's files are removed.
    """
    if keep < 1:
        raise WarehouseError(f"versions to keep: {keep}, at least 1")
    chosen = chosen_views(views)
    before = place.read(LATEST)
    known = _versions(before, place)
    with opened_snapshot(published) as (reader, snapshot):
        version = snapshot.version(chosen)
        manifest = _whole(place, version) if version in known else None
        is_new = manifest is None
        if manifest is None:
            # One that is named already and damaged is written over: the same files with the same bytes.
            if version not in known:
                place.remove(version)
            manifest = _write(reader, snapshot, chosen, place, version)
    versions = [version, *(each for each in known if each != version)][:keep]
    if place.read(LATEST) != before:
        _withdraw(place, version, is_new=is_new)
    _refuse_short(place, version, manifest)
    place.write(COLLECTION, collection_text(_items(place, versions)))
    place.write(LATEST, _latest(versions, manifest))
    return Exported(place.address, version, is_new, _files(manifest), _tidy(place, versions))


def latest_version(place: Place) -> str:
    """Return the version to read at a place; WarehouseError where nothing was exported."""
    versions = _versions(place.read(LATEST), place)
    if not versions:
        raise WarehouseError(f"{place}: nothing was exported there")
    return versions[0]


def _write(reader: Reader, snapshot: Snapshot, views: Sequence[View], place: Place, version: str) -> bytes:
    """Write all files of a version, its manifest last but for its item; return the manifest."""
    written = [_write_view(reader, view, place, version) for view in views]
    manifest = manifest_text(snapshot, written)
    place.write(f"{version}/{MANIFEST}", manifest)
    place.write(f"{version}/{ITEM}", item_text(snapshot, written, manifest))
    return manifest


def _write_view(reader: Reader, view: View, place: Place, version: str) -> WrittenView:
    written = write_view(reader, view, lambda name: place.writing(f"{version}/{name}"), _watch(view))
    advance("export views", 1, 1)
    return written


def _watch(view: View) -> Callable[[int, int], None]:
    return lambda _, total: advance(f"export {view.name}", 1, total)


def _whole(place: Place, version: str) -> bytes | None:
    """Return the manifest of a version all of whose files lie there in their sizes, else None."""
    manifest = place.read(f"{version}/{MANIFEST}")
    return manifest if manifest and not _short(place, version, manifest) else None


def _short(place: Place, version: str, manifest: bytes) -> list[str]:
    """Return the files of a version that are not there, or not in the size its manifest tells."""
    sizes = {file["path"]: file["bytes"] for file in _files(manifest)}
    return [path for path, size in sizes.items() if place.size(f"{version}/{path}") != size]


def _refuse_short(place: Place, version: str, manifest: bytes) -> None:
    """Look at what arrived, before anybody is sent there."""
    for path in _short(place, version, manifest):
        raise WarehouseError(f"{place}/{version}/{path}: not as long as it was written; export again")


def _withdraw(place: Place, version: str, *, is_new: bool) -> None:
    """Give way to an export that was quicker."""
    if is_new and version not in _versions(place.read(LATEST), place):
        place.remove(version)
    raise WarehouseError(f"{place}: another export finished meanwhile; export again")


def _versions(latest: bytes | None, place: Place) -> list[str]:
    """Return the versions that `latest.json` names, newest first; WarehouseError for one that is not ours."""
    if latest is None:
        return []
    try:
        document = json.loads(latest)
        found = document["versions"] if document["format"] == FORMAT else None
    except (ValueError, LookupError, TypeError):
        found = None
    if not isinstance(found, list) or not all(_VERSION.fullmatch(str(each)) for each in found):
        raise WarehouseError(f"{place}/{LATEST}: not of an export of ours, so nothing is written there")
    return [str(each) for each in found]


def _latest(versions: Sequence[str], manifest: bytes) -> bytes:
    return as_json(
        {
            "format": FORMAT,
            "version": versions[0],
            "manifest": f"{versions[0]}/{MANIFEST}",
            "sha256": hashlib.sha256(manifest).hexdigest(),
            "versions": list(versions),
        }
    )


def _items(place: Place, versions: Sequence[str]) -> dict[str, bytes]:
    found = {version: place.read(f"{version}/{ITEM}") for version in versions}
    return {version: text for version, text in found.items() if text is not None}


def _files(manifest: bytes) -> tuple[dict[str, Any], ...]:
    views = json.loads(manifest)["views"]
    return tuple(
        {"view": name, **{key: file[key] for key in ("path", "rows", "bytes", "sha256")}}
        for name, view in views.items()
        for file in view["files"]
    )


def _tidy(place: Place, versions: Sequence[str]) -> tuple[str, ...]:
    """Remove versions that are named no more, and what exports that failed left."""
    old = [name for name in place.folders() if _VERSION.fullmatch(name) and name not in versions]
    for name in old:
        place.remove(name)
    return tuple(old)
