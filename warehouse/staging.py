"""Staged estimates: what a block-season task leaves for the one writer to load."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from monitoring.errors import WarehouseError
from warehouse.columns import build, flat, schema_of
from warehouse.records import EstimateRow


def staging_path(root: Path, season: str, block_id: str, *parts: str) -> Path:
    """Return `root/<season>/<block id>-<digest of the other key parts>.parquet`.

    Give every other part of the key (target, encoder, head, config hash, inputs hash): a part changed is
    another file.
    """
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return root / season / f"{block_id}-{digest}.parquet"


def write_estimates(path: Path, rows: Sequence[EstimateRow]) -> Path:
    """Write rows to a Parquet file that is either whole or not there; the same rows give the same bytes."""
    ordered = [flat(row) for row in sorted(rows, key=lambda row: dataclasses.astuple(row.key))]
    table = pa.Table.from_pylist(ordered, schema=schema_of(EstimateRow))
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, draft, compression="zstd")
        settle(draft, path)
    except (OSError, pa.ArrowException) as error:
        discard(draft)
        raise WarehouseError(f"staged estimates {path}: {error}") from error
    return path


def read_estimates(path: Path) -> tuple[EstimateRow, ...]:
    """Return the staged rows; WarehouseError for a file that is missing, damaged or of other columns."""
    try:
        table = pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        first = str(error).splitlines()[0]
        raise WarehouseError(f"staged estimates {path}: {first}") from error
    expected = schema_of(EstimateRow)
    if not table.schema.equals(expected):
        found, wanted = _names(table.schema), _names(expected)
        raise WarehouseError(f"staged estimates {path}: columns {found}; expected {wanted}")
    return tuple(build(EstimateRow, columns) for columns in table.to_pylist())


def discard(draft: Path) -> None:
    """Remove an unfinished file, if there is one to remove."""
    with contextlib.suppress(OSError):
        draft.unlink(missing_ok=True)


def settle(draft: Path, path: Path) -> None:
    """Give a finished file its name, once its bytes and then the name itself are on disk."""
    _fsync(draft, os.O_RDWR)
    draft.replace(path)
    _fsync(path.parent, os.O_RDONLY)


def _fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _names(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)
