"""Files that are either whole or not there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from monitoring.errors import WarehouseError
from warehouse.staging import settle


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file under a temporary name, force it to disk, then give it its name."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        settle(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise WarehouseError(f"{path}: cannot be written: {error.strerror}") from error
    return path


def write_json(path: Path, content: Any) -> Path:
    """Write a JSON document with sorted keys: the same content gives the same bytes."""
    return write_whole(path, json.dumps(content, sort_keys=True, indent=1).encode())
