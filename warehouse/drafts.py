"""Files that are whole or not there: a draft beside the file, forced to disk, then given its name."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterator
from pathlib import Path


def draft_of(path: Path) -> Path:
    """Return the name that this process gives to a file until it is whole; `unfinished` finds it."""
    return path.with_name(f".{path.name}.{os.getpid()}.draft")


def unfinished(path: Path) -> Iterator[Path]:
    """Yield the drafts of a file that killed processes left."""
    yield from path.parent.glob(f".{glob.escape(path.name)}.*.draft*")


def discard(draft: Path) -> None:
    """Remove an unfinished file, if there is one to remove."""
    with contextlib.suppress(OSError):
        draft.unlink(missing_ok=True)


def settle(draft: Path, path: Path) -> None:
    """Give a finished file its name, once its bytes and then the name itself are on disk."""
    force_to_disk(draft)
    draft.replace(path)
    force_to_disk(path.parent)


def force_to_disk(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on disk.

    Not for a file that a DuckDB of this process has open: see `warehouse.database.copy_apart`.
    """
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
