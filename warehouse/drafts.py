"""Files and folders that are whole or not there: a draft beside them, forced to disk, then given its name."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

#: Most bytes of a name that its draft's name repeats, of the 255 that a name may have; else characters.
_MOST_BYTES, _CHARACTERS = 200, 50
#: A draft is hidden and mostly named for the process that makes it; a database's may have a log beside it.
_DRAFT = re.compile(r"\..+?\.((?P<maker>\d+)\.)?(draft|part)(\.wal.*)?", re.DOTALL)


def draft_of(path: Path, what: str = "draft") -> Path:
    """Return the name that this process gives to a file or folder until it is whole."""
    return path.with_name(f".{_short(path.name)}.{os.getpid()}.{what}")


def unfinished(path: Path) -> Iterator[Path]:
    """Yield the drafts of a file or folder, whoever makes them or was killed over them."""
    yield from path.parent.glob(f".{glob.escape(_short(path.name))}.*.draft*")


def _short(name: str) -> str:
    return name if len(os.fsencode(name)) <= _MOST_BYTES else name[:_CHARACTERS]


def is_draft(path: Path) -> bool:
    """Tell whether a path is named as something unfinished is."""
    return _DRAFT.fullmatch(path.name) is not None


def is_left_over(path: Path) -> bool:
    """Tell whether a path is the draft of a process that is gone."""
    named = _DRAFT.fullmatch(path.name)
    return named is not None and named["maker"] is not None and not _is_alive(int(named["maker"]))


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # somebody else's; a number that says nothing
        return True
    return True


def discard(draft: Path) -> None:
    """Remove an unfinished file, if there is one to remove."""
    with contextlib.suppress(OSError):
        draft.unlink(missing_ok=True)


def settle(draft: Path, path: Path) -> None:
    """Give a finished file its name, once its bytes and then the name itself are on disk."""
    force_to_disk(draft)
    draft.replace(path)
    force_to_disk(path.parent)


def put_in_place(draft: Path, path: Path) -> None:
    """Give a finished file or folder its name; an earlier folder goes only once the new one is there."""
    if not path.is_dir():
        draft.replace(path)
        return
    aside = draft_of(path, "old")
    path.rename(aside)
    draft.rename(path)
    shutil.rmtree(aside, ignore_errors=True)


def force_to_disk(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on disk.

    Not for a file that a DuckDB of this process has open: see `warehouse.database.copy_apart`.
    """
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
