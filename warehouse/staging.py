"""Staged rows: what a block-season task leaves for the one writer to load."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from monitoring.errors import WarehouseError
from warehouse.columns import build, columns_of, schema_of
from warehouse.drafts import discard, draft_of, settle
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
    return write_columns(path, kind, columns_of(rows, kind))


def write_columns(path: Path, kind: type[StagedRow], rows: pa.Table) -> Path:
    """Write rows, as a table of exactly the type's columns, to a Parquet file; otherwise as `write_rows`."""
    draft = draft_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        table = rows.sort_by([(name, "ascending") for name in kind.KEY]).combine_chunks()
        # Without checksums a flipped bit would be read as another number, and be recorded for good.
        pq.write_table(table, draft, compression="zstd", write_page_checksum=True)
        settle(draft, path)
    except (OSError, pa.ArrowException) as error:
        discard(draft)
        raise WarehouseError(f"staged {kind.TABLE}s {path}: {error}") from error
    return path


def read_rows(path: Path, kind: type[S]) -> tuple[S, ...]:
    """Return the staged rows; WarehouseError for a file that is missing, damaged or of other columns."""
    return rows_of(read_columns(path, kind), kind)


def rows_of(table: pa.Table, kind: type[S]) -> tuple[S, ...]:
    """Return staged rows of a table of exactly the type's columns."""
    return tuple(build(kind, columns) for columns in table.to_pylist())


def read_all(paths: Iterable[Path], kind: type[StagedRow]) -> pa.Table:
    """Return the staged rows of all files as one Arrow table, of no rows where there is no file."""
    return pa.concat_tables([schema_of(kind).empty_table(), *(read_columns(path, kind) for path in paths)])


def read_columns(path: Path, kind: type[StagedRow]) -> pa.Table:
    """Return the staged rows as an Arrow table of exactly the type's columns; errors as `read_rows`."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(use_threads=False)
    except FileNotFoundError as error:
        raise WarehouseError(f"staged {kind.TABLE}s {path}: no such file; run the season again") from error
    except (OSError, pa.ArrowException) as error:
        first = str(error).splitlines()[0]
        raise WarehouseError(f"staged {kind.TABLE}s {path}: {first}; {_ANEW}") from error
    expected = schema_of(kind)
    table = _with_defaults(table, kind, expected)
    if not table.schema.equals(expected):
        found, wanted = _names(table.schema), _names(expected)
        raise WarehouseError(f"staged {kind.TABLE}s {path}: columns {found}; expected {wanted}; {_ANEW}")
    return table


def _with_defaults(table: pa.Table, kind: type[StagedRow], expected: pa.Schema) -> pa.Table:
    """Return the table of an older version with the columns it lacks; any other table as it is."""
    added = [field for field in dataclasses.fields(kind) if field.name not in table.column_names]
    if not all(field.name in kind.ADDED for field in added):
        return table
    for field in added:
        column = pa.array([field.default] * len(table), expected.field(field.name).type)
        table = table.append_column(expected.field(field.name), column)
    return table


def _names(schema: pa.Schema) -> str:
    # In a damaged file a name may hold anything, also the end of a line.
    return " ".join(", ".join(f"{field.name} {field.type}" for field in schema).split())
