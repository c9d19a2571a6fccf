"""Tables of field samples: the text of some columns of a CSV or Parquet file."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from monitoring.errors import SampleError

#: Largest table that is read; GlobalFungi's sample table is under 0.1 GB.
MAX_FILE_BYTES = 512 * 1024**2
#: Characters in which the separator is looked for; ten thousand column names fit.
_MAX_HEADER = 1024**2
_SEPARATORS = (",", ";", "\t")
_QUOTED = re.compile(r'"[^"]*"')

Header = Callable[[Path], list[str]]
Rows = Callable[[Path, Sequence[str]], Iterator[list[str]]]


def read_header(path: Path) -> list[str]:
    """Return the column names of a table, without blanks around them."""
    with _one_line(path):
        if (size := path.stat().st_size) > MAX_FILE_BYTES:
            raise SampleError(f"sample table {path}: {size} bytes, at most {MAX_FILE_BYTES} are read")
        return _kind(path)[0](path)


def read_rows(path: Path, names: Sequence[str]) -> Iterator[list[str]]:
    """Yield the cells of the named columns as text, row by row, blank lines left out; missing is empty."""
    with _one_line(path):
        yield from _kind(path)[1](path, names)


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """Give what a reader raises as one SampleError that names the table."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise SampleError(
            f"sample table {path}: not UTF-8 text (byte {error.object[error.start]:#04x}); save it as UTF-8"
        ) from error
    except (OSError, csv.Error, pa.ArrowException) as error:
        cause = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise SampleError(f"sample table {path}: {cause}") from error


def _kind(path: Path) -> tuple[Header, Rows]:
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        known = " and ".join(_KINDS)
        raise SampleError(f"sample table {path}: extension {path.suffix or 'none'!r}, known are {known}")
    return kind


def _csv_header(path: Path) -> list[str]:
    return [name.strip() for name in next(_csv_records(path), [])]


def _csv_rows(path: Path, names: Sequence[str]) -> Iterator[list[str]]:
    records = _csv_records(path)
    header = [name.strip() for name in next(records, [])]
    places = [header.index(name) for name in names]
    for number, record in enumerate(records, 1):
        if any(cell.strip() for cell in record[len(header) :]):
            raise SampleError(
                f"sample table {path}: row {number} has {len(record)} cells, the header {len(header)}"
            )
        yield [record[place] if place < len(record) else "" for place in places]


def _csv_records(path: Path) -> Iterator[list[str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        separator = _separator(file.readline(_MAX_HEADER))
        file.seek(0)
        yield from (record for record in csv.reader(file, delimiter=separator, strict=True) if record)


def _separator(header: str) -> str:
    """Return the most frequent separator outside quotes; the comma where none is there."""
    bare = _QUOTED.sub("", header)
    return max(_SEPARATORS, key=bare.count)


def _parquet_header(path: Path) -> list[str]:
    file = pq.ParquetFile(path)
    groups = range(file.metadata.num_row_groups)
    if (size := sum(file.metadata.row_group(i).total_byte_size for i in groups)) > MAX_FILE_BYTES:
        raise SampleError(f"sample table {path}: {size} bytes unpacked, at most {MAX_FILE_BYTES} are read")
    return [str(name).strip() for name in file.schema_arrow.names]


def _parquet_rows(path: Path, names: Sequence[str]) -> Iterator[list[str]]:
    file = pq.ParquetFile(path)
    stored = {str(name).strip(): name for name in file.schema_arrow.names}
    for name in names:
        _refuse_unreadable(path, name, file.schema_arrow.field(stored[name]).type)
    for batch in file.iter_batches(columns=[stored[name] for name in names]):
        cells = [batch.column(stored[name]).to_pylist() for name in names]
        yield from ([_text(cell) for cell in row] for row in zip(*cells, strict=True))


def _refuse_unreadable(path: Path, name: str, kind: pa.DataType) -> None:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_nested(value) or pa.types.is_binary(value) or pa.types.is_large_binary(value):
        raise SampleError(f"sample table {path}: column {name!r} holds {kind}, not text or numbers")


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell)


_KINDS: Mapping[str, tuple[Header, Rows]] = {
    ".csv": (_csv_header, _csv_rows),
    ".parquet": (_parquet_header, _parquet_rows),
}
