"""Columns of a table of histories: a CSV or Parquet file as arrays, and the line a row stands on."""

from __future__ import annotations

import csv
import io
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from monitoring.errors import SourceError

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

#: Largest table that is read: 50,000 woodlands over 20 years with every column take under 0.2 GB.
MAX_FILE_BYTES = 256 * 1024**2
MAX_ROWS = 5_000_000
#: Longest text of a woodland, park or any other name.
MAX_TEXT = 200
#: Bytes in which the end of the first line is looked for.
_MAX_HEADER = 1024**2
_SEPARATORS = (",", ";", "\t")
_QUOTED = re.compile(r'"[^"]*"')
_LINE_END = re.compile(rb"\r\n|\n|\r")
_MARK = b"\xef\xbb\xbf"
_MISSING = pa.array(["", "na", "n/a", "#n/a", "nan", "null", "none"])
#: How the reader tells of a row that is wider or narrower than the header.
_UNEVEN = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")
_COMMA_NUMBER = re.compile(r"[+-]?[\d.]*\d,\d[\d,]*")
#: Column names that a message lists before it only counts them.
_LISTED = 12


@dataclass(frozen=True)
class Columns:
    """The known columns of a table, by what they hold."""

    path: Path
    cells: Mapping[str, pa.ChunkedArray]
    ignored: tuple[str, ...]
    """Columns of the file that mean nothing here, in its order."""
    n_rows: int
    where: Callable[[int], str]
    """Returns `line 7` for a row, counted from 0; `row 6` of a file without lines."""

    def refusal(self, row: int, what: str) -> SourceError:
        """Return the error that says what is wrong with a row."""
        return SourceError(f"histories {self.path}: {self.where(row)}: {what}")

    def words(self, name: str) -> tuple[Codes, tuple[str, ...]]:
        """Return a code per row and the text of each code, in no order; -1 where a row states nothing.

        SourceError for text that cannot be printed or is longer than anybody's name.
        """
        if name not in self.cells:
            return np.full(self.n_rows, -1, np.int64), ()
        codes, stored = _dictionary(self.cells[name])
        texts = [_stated(text) for text in stored.to_pylist()]
        for code, text in enumerate(texts):
            if (not text.isprintable() or len(text) > MAX_TEXT) and (
                rows := np.flatnonzero(codes == code)
            ).size:
                raise self.refusal(
                    int(rows[0]), f"{name} {text[:20]!r}: must be at most {MAX_TEXT} printable characters"
                )
        place = {text: number for number, text in enumerate(dict.fromkeys(text for text in texts if text))}
        meaning = np.array([place.get(text, -1) for text in texts] + [-1], np.int64)
        return meaning[codes], tuple(place)

    def numbers(self, name: str, low: float, high: float) -> Floats:
        """Return a number per row, NaN where it states none; SourceError outside low to high."""
        if name not in self.cells:
            return np.full(self.n_rows, np.nan)
        values = self._floats(name, self.cells[name])
        odd = np.flatnonzero(np.isinf(values) | (values < low) | (values > high))
        if odd.size:
            bounds = (
                f"must be from {low:g} to {high:g}" if np.isfinite([low, high]).any() else "must be finite"
            )
            raise self.refusal(int(odd[0]), f"{name} {values[odd[0]]:g}: {bounds}")
        return values

    def _floats(self, name: str, column: pa.ChunkedArray) -> Floats:
        if not _is_text(column.type):
            return _plain(pc.cast(column, pa.float64(), safe=False))
        if pa.types.is_dictionary(column.type):
            codes, stored = _dictionary(column)
            values, unreadable = _parsed(stored)
            rows = np.flatnonzero(codes == unreadable) if unreadable >= 0 else np.array([], np.int64)
            row = int(rows[0]) if rows.size else -1
            values = np.append(values, np.nan)[codes]
        else:
            values, row = _parsed(column)
        if row >= 0:
            raise self.refusal(row, f"{name} {_not_a_number(_stated(column[row].as_py()))}")
        return values


def read_columns(path: Path, known: Mapping[str, Sequence[str]]) -> Columns:
    """Return the columns of a CSV or Parquet file that have a known name, letter case aside.

    known: names by what the column holds, the preferred first. CSV is UTF-8 text, cells parted by commas,
    semicolons or tabs, decimals written with a point. SourceError for what is no such file, is larger than
    it may be, has two columns of one name or a row of another width than the header.
    """
    with _one_line(path):
        _refuse_unfit(path)
        read = {".csv": _read_csv, ".parquet": _read_parquet}.get(path.suffix.lower())
        if read is None:
            raise SourceError(f"histories {path}: extension {path.suffix!r}: known are .csv and .parquet")
        return read(path, known)


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """Give what a reader raises as one SourceError that names the table."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise SourceError(f"histories {path}: not UTF-8 text; save it as UTF-8") from error
    except (OSError, pa.ArrowException) as error:
        cause = getattr(error, "strerror", None) or " ".join(str(error).split())[:MAX_TEXT]
        cause = "not UTF-8 text; save it as UTF-8" if "invalid UTF8" in cause else _printable(cause)
        raise SourceError(f"histories {path}: {cause}") from error


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


def _refuse_unfit(path: Path) -> None:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise SourceError(f"histories {path}: not a file")
    if found.st_size > MAX_FILE_BYTES:
        raise SourceError(f"histories {path}: {found.st_size} bytes, at most {MAX_FILE_BYTES} are read")


def _read_csv(path: Path, known: Mapping[str, Sequence[str]]) -> Columns:
    content = path.read_bytes()
    start, end = _header_bounds(content)
    line = content[start:end].decode("utf-8")
    separator = _separator(line)
    header = [name.strip() for name in next(csv.reader([line], delimiter=separator), [])]
    found = _find(path, header, known)
    where = partial(_line, content, separator)
    body = pa.BufferReader(pa.py_buffer(content).slice(min(end + 1, len(content))))
    cells = _csv_cells(path, body, len(header), list(found.values()), separator, where)
    return _columns(path, header, found, cells, where)


def _header_bounds(content: bytes) -> tuple[int, int]:
    """Return where the first line that is not blank begins and ends."""
    start = len(_MARK) if content.startswith(_MARK) else 0
    while end := _LINE_END.search(content, start, start + _MAX_HEADER):
        if content[start : end.start()].strip():
            return start, end.start()
        start = end.end()
    return start, min(len(content), start + _MAX_HEADER)


def _csv_cells(
    path: Path,
    body: pa.BufferReader,
    width: int,
    places: Sequence[int],
    separator: str,
    where: Callable[[int], str],
) -> pa.Table:
    """Return the cells of the columns at some places as text; nothing is read as missing yet."""
    names, wanted = [str(place) for place in range(width)], [str(place) for place in places]
    try:
        return pa_csv.read_csv(
            body,
            pa_csv.ReadOptions(column_names=names, use_threads=False),
            pa_csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            pa_csv.ConvertOptions(column_types=dict.fromkeys(wanted, pa.string()), include_columns=wanted),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            return pa.table({name: pa.array([], pa.string()) for name in wanted})
        if uneven := _UNEVEN.search(str(error)):
            number, needed, found = map(int, uneven.groups())
            raise SourceError(
                f"histories {path}: {where(number - 1)}: {found} cells, the header has {needed}"
            ) from error
        raise


def _line(content: bytes, separator: str, row: int) -> str:
    """Return the line on which a row begins; the file is read again, which only a refusal does."""
    text = io.StringIO(content.decode("utf-8-sig", "replace"), newline="")
    reader = csv.reader(text, delimiter=separator)
    before, number = 0, -2
    for record in reader:
        number += bool(record)
        if record and number == row:
            return f"line {before + 1}"
        before = reader.line_num
    return f"row {row + 1}"


def _separator(header: str) -> str:
    """Return the most frequent separator outside quotes; the comma where none is there."""
    bare = _QUOTED.sub("", header)
    return max(_SEPARATORS, key=bare.count)


def _read_parquet(path: Path, known: Mapping[str, Sequence[str]]) -> Columns:
    schema = pq.read_schema(path)
    # Text stays a dictionary, so that a long text in every row takes the room of one.
    texts = [field.name for field in schema if pa.types.is_string(field.type)]
    file = pq.ParquetFile(path, read_dictionary=texts)
    size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
    if size > MAX_FILE_BYTES:
        raise SourceError(f"histories {path}: {size} bytes unpacked, at most {MAX_FILE_BYTES} are read")
    _refuse_long(path, file.metadata.num_rows)
    header = [name.strip() for name in schema.names]
    found = _find(path, header, known)
    for place in found.values():
        _refuse_unreadable(path, schema.field(place))
    table = file.read(columns=[schema.names[place] for place in found.values()], use_threads=False)
    # A damaged file may hold codes without a text, and text that is none.
    table.validate(full=True)
    return _columns(path, header, found, table, lambda row: f"row {row + 1}")


def _refuse_unreadable(path: Path, field: pa.Field) -> None:
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not (
        is_number or pa.types.is_boolean(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
    ):
        raise SourceError(f"histories {path}: column {field.name!r} holds {kind}, not text or numbers")


def _refuse_long(path: Path, n_rows: int) -> None:
    if n_rows > MAX_ROWS:
        raise SourceError(f"histories {path}: {n_rows} rows, at most {MAX_ROWS} are read")


def _columns(
    path: Path, header: Sequence[str], found: Mapping[str, int], table: pa.Table, where: Callable[[int], str]
) -> Columns:
    _refuse_long(path, table.num_rows)
    used = set(found.values())
    ignored = tuple(name for place, name in enumerate(header) if place not in used)
    return Columns(path, dict(zip(found, table.columns, strict=True)), ignored, table.num_rows, where)


def _find(path: Path, header: Sequence[str], known: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Return the place of each known column that the header has; SourceError where it has none at all."""
    lower = [name.lower() for name in header]
    found: dict[str, int] = {}
    for key, names in known.items():
        name = next((name for name in names if name in lower), None)
        if name is not None and lower.count(name) > 1:
            raise SourceError(f"histories {path}: {lower.count(name)} columns are called {name!r}")
        if name is not None:
            found[key] = lower.index(name)
    if not found:
        listed = ", ".join(ascii(name)[1:-1][:MAX_TEXT] for name in header[:_LISTED]) or "none"
        raise SourceError(f"histories {path}: no known column; its columns are {listed}")
    return found


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


def _dictionary(column: pa.ChunkedArray) -> tuple[Codes, pa.Array]:
    """Return the code of each row, -1 for none, and the texts the codes stand for."""
    if not _is_text(column.type):
        column = pc.cast(column, pa.string())
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column)
    whole = column.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        if not whole.num_chunks:
            return np.array([], np.int64), pa.array([], pa.string())
        whole = whole.chunk(0)
    codes = pc.fill_null(pc.cast(whole.indices, pa.int64()), -1)
    return codes.to_numpy(zero_copy_only=False), pc.cast(whole.dictionary, pa.string())


def _stated(text: str | None) -> str:
    """Return a cell without blanks around it, empty where it states nothing."""
    stripped = (text or "").strip()
    return "" if stripped.lower() in _MISSING.to_pylist() else stripped


def _parsed(texts: pa.Array | pa.ChunkedArray) -> tuple[Floats, int]:
    """Return the numbers, NaN for none, and the position of the first text that is no number, else -1."""
    trimmed = pc.utf8_trim_whitespace(texts)
    missing = pc.is_in(pc.utf8_lower(trimmed), _MISSING)
    try:
        return _plain(pc.cast(pc.if_else(missing, None, trimmed), pa.float64())), -1
    except pa.ArrowInvalid:
        first = next(place for place, text in enumerate(texts.to_pylist()) if not _is_number(_stated(text)))
        return np.full(len(texts), np.nan), first


def _is_number(text: str) -> bool:
    try:
        pc.cast(pa.scalar(text or "0"), pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _plain(column: pa.Array | pa.ChunkedArray) -> Floats:
    values: Floats = pc.fill_null(column, float("nan")).to_numpy()
    return values


def _not_a_number(text: str) -> str:
    hint = "; write decimals with a point" if _COMMA_NUMBER.fullmatch(text) else ""
    return f"{text[:40]!r}: not a number{hint}"
