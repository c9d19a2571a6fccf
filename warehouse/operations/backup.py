"""Copies of the warehouse that can be put back: made whole, held against checksums, never half restored."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from monitoring.errors import WarehouseError
from warehouse.columns import utc
from warehouse.database import connect, refusals
from warehouse.drafts import draft_of, force_to_disk, is_draft, settle
from warehouse.lease import Lease
from warehouse.migrate import refuse_newer_schema
from warehouse.operations.rooms import table_sums
from warehouse.publish import write_lease

MANIFEST = "manifest.json"
#: What a backup of the warehouse is called inside the backup's folder.
DATABASE = "warehouse.duckdb"
#: Version of the manifest's form.
FORM = 1
_CHUNK = 2**22

#: Called with (bytes done, bytes in all).
Progress = Callable[[int, int], None]


def _silent(_done: int, _total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Kept:
    """One file of a backup."""

    bytes: int
    sha256: str
    """Hexadecimal."""


@dataclass(frozen=True)
class Manifest:
    """What a backup holds."""

    made_at: str
    """ISO time, UTC."""
    schema: int
    """Number of migrations applied to the warehouse."""
    rows: Mapping[str, int]
    """Rows of each table."""
    parts: tuple[str, ...]
    """Names of what lies beside the warehouse: folders and files of the home."""
    files: Mapping[str, Kept]
    """By path inside the backup, with slashes."""
    form: int = FORM

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(kept.bytes for kept in self.files.values())


def back_up(
    warehouse: Path,
    folder: Path,
    *,
    parts: Mapping[str, Path],
    now: datetime,
    wait_s: float = 0.0,
    progress: Progress = _silent,
) -> Manifest:
    """Copy the warehouse and other parts of the home into a new folder; whole, or not at all.

    The copy is of one moment: it is made under the lease. Parts are files or folders that only grow by whole
    files (the cube, heads): no ingest may run meanwhile. The copy is read through before it counts as a
    backup; WarehouseError for a damaged warehouse, a folder that exists, or a link among the parts.
    """
    if folder.exists() or folder.is_symlink():
        raise WarehouseError(f"backup {folder}: exists already; name a new folder")
    if not warehouse.is_file():
        raise WarehouseError(f"warehouse {warehouse}: no such file")
    draft = draft_of(folder)
    try:
        with refusals(f"backup {folder}"):
            draft.mkdir(parents=True)
            manifest = _copy_all(warehouse, draft, parts, now, wait_s, progress)
            (draft / MANIFEST).write_text(json.dumps(asdict(manifest), sort_keys=True, indent=1), "utf-8")
            force_to_disk(draft / MANIFEST)
            settle_folder(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return manifest


def _copy_all(
    warehouse: Path, draft: Path, parts: Mapping[str, Path], now: datetime, wait_s: float, progress: Progress
) -> Manifest:
    sources = dict(_files_of(parts))
    with write_lease(warehouse, wait_s=wait_s) as held:
        checkpoint(warehouse, held)
        files = dict(_copy_each({DATABASE: warehouse, **sources}, draft, progress))
    schema, rows = examine(draft / DATABASE)
    return Manifest(utc(now).isoformat(), schema, rows, tuple(sorted(parts)), files)


def checkpoint(warehouse: Path, held: Lease) -> None:
    """Bring what was committed last from the log beside the file into the file; under the lease."""
    with connect(warehouse, read_only=False, held=held) as connection, refusals(f"warehouse {warehouse}"):
        connection.execute("checkpoint warehouse")


def _files_of(parts: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    """Yield (path inside the backup, file) of every file of the parts; a link is refused."""
    for name, place in parts.items():
        for path in [place, *sorted(place.rglob("*"))]:
            if path.is_symlink():
                raise WarehouseError(f"backup: {path} is a link; a backup holds files alone")
            if path.is_file() and not is_draft(path):
                inside = path.relative_to(place).parts if place.is_dir() else ()
                yield str(PurePosixPath(name, *inside)), path


def _copy_each(sources: Mapping[str, Path], draft: Path, progress: Progress) -> Iterator[tuple[str, Kept]]:
    total, done = sum(path.stat().st_size for path in sources.values()), 0
    for name, source in sources.items():
        kept = copy_file(source, draft / name)
        done += kept.bytes
        progress(min(done, total), total)
        yield name, kept


def copy_file(source: Path, target: Path) -> Kept:
    """Copy a file, forced to disk, and return the size and checksum of what was copied."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as given, target.open("xb") as taken:
        while chunk := given.read(_CHUNK):
            digest.update(chunk)
            size += taken.write(chunk)
    force_to_disk(target)
    target.chmod(source.stat().st_mode & 0o777)
    return Kept(size, digest.hexdigest())


def settle_folder(draft: Path, folder: Path) -> None:
    """Give a finished folder its name; what is in it is on disk already."""
    draft.rename(folder)
    force_to_disk(folder.parent)


def examine(path: Path) -> tuple[int, dict[str, int]]:
    """Return (schema, rows by table) of a database file that was read through.

    WarehouseError where it cannot be read, MigrationError where a newer version or another schema wrote it.
    """
    with connect(path, read_only=True) as connection:
        schema = refuse_newer_schema(connection)
        return schema, {name: n for name, (n, _) in table_sums(connection).items()}


def read_manifest(folder: Path) -> Manifest:
    """Return what a backup says it holds; WarehouseError where that cannot be read or names other places."""
    try:
        told: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
        files = {str(name): Kept(**kept) for name, kept in told.pop("files").items()}
        manifest = Manifest(**{**told, "parts": tuple(told["parts"]), "files": files})
    except FileNotFoundError as error:
        raise WarehouseError(f"backup {folder}: no {MANIFEST} in it; this is not a whole backup") from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise WarehouseError(f"backup {folder}: {MANIFEST} is damaged: {type(error).__name__}") from error
    if manifest.form != FORM:
        raise WarehouseError(f"backup {folder}: {MANIFEST} of form {manifest.form}; {FORM} is read here")
    for name in manifest.files:
        if not _is_inside(name, manifest.parts):
            raise WarehouseError(
                f"backup {folder}: {MANIFEST} names {name!r}, which has no place in a backup"
            )
    return manifest


def _is_inside(name: str, parts: tuple[str, ...]) -> bool:
    steps = PurePosixPath(name).parts
    is_plain = str(PurePosixPath(*steps)) == name and not {"..", "/", "."} & set(steps) and "\\" not in name
    return is_plain and (name == DATABASE or steps[0] in parts)


def verify(folder: Path, manifest: Manifest, *, progress: Progress = _silent) -> None:
    """Raise WarehouseError, naming the first file, unless each is as long and has the checksum it had."""
    done = 0
    for name, kept in manifest.files.items():
        path = folder / name
        if any(step.is_symlink() for step in (path, *path.parents) if folder in step.parents):
            raise WarehouseError(f"backup {folder}: {name} is a link")
        found = _measure(path)
        if found != kept:
            what = f"{found.bytes} bytes, not {kept.bytes}" if found.bytes != kept.bytes else "changed since"
            raise WarehouseError(f"backup {folder}: {name}: {what}; nothing was restored")
        done += kept.bytes
        progress(done, manifest.bytes)


def _measure(path: Path) -> Kept:
    with refusals(f"backup file {path}"), path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return Kept(file.tell(), digest.hexdigest())


@dataclass(frozen=True)
class Restored:
    """What was put back, and where that which it replaced lies now."""

    manifest: Manifest
    replaced: tuple[Path, ...]


def restore(
    folder: Path,
    warehouse: Path,
    *,
    parts: Mapping[str, Path],
    now: datetime,
    force: bool = False,
    wait_s: float = 0.0,
    progress: Progress = _silent,
) -> Restored:
    """Put the warehouse, and the parts named, back from a backup; what is there is kept aside.

    Nothing is replaced before every file agrees with its checksum and the copy was read through with the rows
    the manifest states. WarehouseError where something would be replaced and `force` is not set, where the
    backup lacks a part, and as `verify`, `examine` and the lease do.
    """
    manifest = read_manifest(folder)
    _refuse_unfit(folder, manifest, {DATABASE: warehouse, **parts}, force)
    verify(folder, manifest, progress=progress)
    stamp = f"replaced-{utc(now):%Y%m%dT%H%M%S}"
    places = {**parts, DATABASE: warehouse}
    with (
        refusals(f"restore of {folder}"),
        write_lease(warehouse, wait_s=wait_s) as held,
        _drafts(places) as drafts,
    ):
        for name, draft in drafts.items():
            _bring(folder, manifest, name, draft)
        _refuse_other_content(folder, manifest, drafts[DATABASE])
        with held.fenced():
            moved = [_put(drafts[name], place, stamp) for name, place in places.items()]
    return Restored(manifest, tuple(path for path in moved if path is not None))


def _refuse_unfit(folder: Path, manifest: Manifest, places: Mapping[str, Path], force: bool) -> None:
    for name, place in places.items():
        if name != DATABASE and name not in manifest.parts:
            raise WarehouseError(f"backup {folder}: has no {name}")
        if place.exists() and not force:
            raise WarehouseError(f"{place}: exists; --force keeps it aside and puts the backup in its place")
    if DATABASE not in manifest.files:
        raise WarehouseError(f"backup {folder}: has no {DATABASE}")


@contextmanager
def _drafts(places: Mapping[str, Path]) -> Iterator[dict[str, Path]]:
    """Yield a temporary place beside each; whatever is left in one goes at the end."""
    drafts = {name: draft_of(place) for name, place in places.items()}
    try:
        yield drafts
    finally:
        for draft in drafts.values():
            if draft.is_dir():
                shutil.rmtree(draft, ignore_errors=True)
            draft.unlink(missing_ok=True)


def _bring(folder: Path, manifest: Manifest, part: str, draft: Path) -> None:
    """Copy one part to its draft; the bytes copied are held against the manifest once more."""
    for name, kept in manifest.files.items():
        steps = PurePosixPath(name).parts
        if steps[0] == part and copy_file(folder / name, draft.joinpath(*steps[1:])) != kept:
            raise WarehouseError(f"backup {folder}: {name}: changed while it was read; nothing was restored")


def _refuse_other_content(folder: Path, manifest: Manifest, copy: Path) -> None:
    schema, rows = examine(copy)
    if (schema, rows) != (manifest.schema, dict(manifest.rows)):
        raise WarehouseError(f"backup {folder}: {DATABASE} holds other rows than {MANIFEST} says")


def _put(draft: Path, place: Path, stamp: str) -> Path | None:
    """Put a draft in its place; return where what was there lies now, None where nothing was."""
    aside = place.with_name(f"{place.name}.{stamp}")
    was_there = place.exists()
    if was_there and place.is_file():
        os.link(place, aside)
    elif was_there:
        place.rename(aside)
    # What was committed last may still be in the log beside the file: they stay together.
    log = place.with_name(f"{place.name}.wal")
    if log.is_file():
        log.rename(aside.with_name(f"{aside.name}.wal"))
    if draft.is_file():
        settle(draft, place)
    elif draft.is_dir():
        settle_folder(draft, place)
    return aside if was_there else None
