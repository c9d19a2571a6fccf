"""Staged rows: what a block-season task leaves for the one writer to load."""

from __future__ import annotations

import contextlib
import hashlib
import operator
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from monitoring.errors import WarehouseError
from warehouse.columns import build, columns_of, schema_of
from warehouse.records import EstimateRow, IndexRow, ObservationRow, StagedRow

#: What to do about a staged file that cannot be used: it holds nothing that cannot be computed again.
_ANEW = "delete it and run the season again, which makes it anew"

S = TypeVar("S", EstimateRow, ObservationRow, IndexRow)


def staging_path(root: Path, season: str, block_id: str, *parts: str) -> Path:
    """Return `root/<season>/<block id>-<digest of the other key parts>.parquet`.

    Give every other part of the key (target, encoder, head, config hash, inputs hash): a part changed is
    another file.
    """
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return root / season / f"{block_id}-{digest}.parquet"


def write_estimates(path: Path, rows: Sequence[EstimateRow]) -> Path:
    """Write estimates to a Parquet file; see `write_rows`."""
    return write_rows(path, EstimateRow, rows)


def read_estimates(path: Path) -> tuple[EstimateRow, ...]:
    """Return the staged estimates; see `read_rows`."""
    return read_rows(path, EstimateRow)


def write_rows(path: Path, kind: type[S], rows: Sequence[S]) -> Path:
    """Write rows of one type to a Parquet file that is either whole or not there.

    The same rows in any order give the same bytes; the type makes a file of no rows one of that type too.
    """
    by_key = operator.attrgetter(*kind.KEY)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(columns_of(sorted(rows, key=by_key), kind), draft, compression="zstd")
        settle(draft, path)
    except (OSError, pa.ArrowException) as error:
        discard(draft)
        raise WarehouseError(f"staged {kind.TABLE}s {path}: {error}") from error
    return path


def read_rows(path: Path, kind: type[S]) -> tuple[S, ...]:
    """Return the staged rows; WarehouseError for a file that is missing, damaged or of other columns."""
    return tuple(build(kind, columns) for columns in read_columns(path, kind).to_pylist())


def read_columns(path: Path, kind: type[StagedRow]) -> pa.Table:
    """Return the staged rows as an Arrow table of exactly the type's columns; errors as `read_rows`."""
    try:
        table = pq.read_table(path, partitioning=None)
    except FileNotFoundError as error:
        raise WarehouseError(f"staged {kind.TABLE}s {path}: no such file; run the season again") from error
    except (OSError, pa.ArrowException) as error:
        first = str(error).splitlines()[0]
        raise WarehouseError(f"staged {kind.TABLE}s {path}: {first}; {_ANEW}") from error
    expected = schema_of(kind)
    if not table.schema.equals(expected):
        found, wanted = _names(table.schema), _names(expected)
        raise WarehouseError(f"staged {kind.TABLE}s {path}: columns {found}; expected {wanted}; {_ANEW}")
    return table


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
