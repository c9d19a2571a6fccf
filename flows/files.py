"""Files that are either whole or not there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from monitoring.errors import WarehouseError
from warehouse.drafts import discard, draft_of, settle


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file under a temporary name, force it to disk, then give it its name."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
    return path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary name to write to; it becomes `path`, forced to disk, when the `with` ends well.

    WarehouseError where it cannot be written; nothing is left then, and an older file stays as it was.
    """
    temporary = draft_of(path)
    try:
        _make_folder_of(path)
        yield temporary
        settle(temporary, path)
    except OSError as error:
        raise WarehouseError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        discard(temporary)


def _make_folder_of(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise WarehouseError(f"{path}: cannot be written: {path.parent} is not a folder") from error


def write_json(path: Path, content: Any) -> Path:
    """Write a JSON document with sorted keys: the same content gives the same bytes."""
    return write_whole(path, json.dumps(content, sort_keys=True, indent=1).encode())
