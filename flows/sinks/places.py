"""Places to hand files out at: a folder, a bucket, or any other address that fsspec knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit, urlunsplit

import fsspec
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from monitoring.errors import WarehouseError
from warehouse.drafts import discard, draft_of, settle

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Place:
    """A folder at an address. Names are relative to it, with `/` between folders.

    Every refusal of the file system behind it is one WarehouseError line without the address's credentials.
    """

    def __init__(self, files: fsspec.AbstractFileSystem, root: str, address: str) -> None:
        self._files = files
        self._root = root.rstrip("/")
        self.address = shown_place(address)

    def __str__(self) -> str:
        return self.address

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """Yield a file to write to; on a disk it has its name only once it is whole and forced there."""
        with self._refusals(name):
            if isinstance(self._files, LocalFileSystem):
                with _local_draft(Path(self._at(name))) as file:
                    yield file
            else:
                self._files.makedirs(self._at(name).rpartition("/")[0], exist_ok=True)
                with self._files.open(self._at(name), "wb") as file:
                    yield file

    def write(self, name: str, content: bytes) -> None:
        """Write a small file whole, in the place of an earlier one."""
        with self._refusals(name):
            if isinstance(self._files, LocalFileSystem):
                with _local_draft(Path(self._at(name))) as file:
                    file.write(content)
            else:
                self._files.makedirs(self._root, exist_ok=True)
                self._files.pipe_file(self._at(name), content)

    def read(self, name: str) -> bytes | None:
        """Return a small file; None where there is none."""
        with self._refusals(name):
            try:
                return bytes(self._files.cat_file(self._at(name)))
            except FileNotFoundError:
                return None

    def size(self, name: str) -> int | None:
        """Return how many bytes a file has; None where there is none."""
        with self._refusals(name):
            try:
                return int(self._files.info(self._at(name))["size"])
            except FileNotFoundError:
                return None

    def folders(self) -> list[str]:
        """Return the names of the folders in it."""
        with self._refusals(""):
            self._files.invalidate_cache()
            try:
                found: list[dict[str, Any]] = self._files.ls(self._root, detail=True)
            except FileNotFoundError:
                return []
        names = (each["name"] for each in found if each["type"] == "directory")
        return sorted(name.rstrip("/").rpartition("/")[2] for name in names)

    def remove(self, folder: str) -> None:
        """Remove a folder and all in it; nothing happens where there is none."""
        with self._refusals(folder):
            try:
                self._files.rm(self._at(folder), recursive=True)
            except FileNotFoundError:
                return

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _refusals(self, name: str) -> Iterator[None]:
        with refusals(self.address, name):
            yield


def open_place(address: str) -> Place:
    """Return the place at an address: a path, `file://`, `s3://`, `memory://`, ...

    WarehouseError for a scheme that is not known, or whose package is not installed. Credentials come from
    where the file system's own package looks for them.
    """
    if not address.strip() or _CONTROL.search(address):
        raise WarehouseError("address to export to: empty or unprintable")
    with refusals(shown_place(address)):
        files, root = url_to_fs(address)
    if not root.strip("/"):
        raise WarehouseError(f"{shown_place(address)}: names no folder to write in")
    return Place(files, root, address)


@contextmanager
def refusals(address: str, name: str = "") -> Iterator[None]:
    """Turn what a file system raises into one WarehouseError line."""
    try:
        yield
    except (OSError, ValueError, ImportError) as error:
        reason = getattr(error, "strerror", None) or next(iter(str(error).splitlines()), "")
        where = f"{address.rstrip('/')}/{name}" if name else address
        raise WarehouseError(f"{where}: cannot be used: {reason or type(error).__name__}") from error


def shown_place(address: str) -> str:
    """Return an address fit for a message: no credentials, no query, no fragment."""
    if "://" not in address:
        return _CONTROL.sub("?", address)
    try:
        parts = urlsplit(address)
    except ValueError:
        return "an unreadable address"
    plain = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    return _CONTROL.sub("?", plain if "://" in plain else address.partition("?")[0])


@contextmanager
def _local_draft(path: Path) -> Iterator[BinaryIO]:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_of(path)
    try:
        with draft.open("wb") as file:
            yield file
        settle(draft, path)
    finally:
        discard(draft)
