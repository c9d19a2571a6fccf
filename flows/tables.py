"""Rows for people and for programs: a table, JSON or CSV on standard output; answers as Parquet too."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, time
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table

from flows.files import whole_file
from monitoring.errors import SettingsError, WarehouseError

if TYPE_CHECKING:
    import pyarrow as pa

Row = Mapping[str, Any]

#: Columns in degrees, of which four digits would be a place kilometres away.
_DEGREES = frozenset({"latitude", "longitude"})
#: Longer polygons are cut in a table, and whole in every other form.
_MOST_TEXT = 60


class FileFormat(StrEnum):
    """What files of rows are written as."""

    CSV = "csv"
    PARQUET = "parquet"


class Format(StrEnum):
    """How rows come out."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class AnswerFormat(StrEnum):
    """How the rows of an answer come out."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


def form_of(form: AnswerFormat | None, out: Path | None) -> AnswerFormat:
    """Return the form asked for, or else the one that a file's name ends with; a table where nothing says."""
    ending = out.suffix.lower().lstrip(".") if out else ""
    chosen = form or (AnswerFormat(ending) if ending in set(AnswerFormat) else AnswerFormat.TABLE)
    if chosen is AnswerFormat.PARQUET and out is None and sys.stdout.isatty():
        raise SettingsError("--format parquet: not for a terminal; name a file with --out, or pipe it")
    return chosen


def hand_out(
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    form: AnswerFormat,
    out: Path | None = None,
    *,
    empty: str = "nothing to show",
    brief: Sequence[str] = (),
) -> None:
    """Write an answer to a file, whole or not at all, or to standard output as it comes.

    Missing values as in `show`, null in Parquet; a polygon is WKT, and WKB in Parquet (GeoParquet 1.1). A
    table shows the `brief` columns only, and is the one form that waits for the last row.
    """
    if form is AnswerFormat.PARQUET:
        with _opened_binary(out) as sink:
            _write_parquet(sink, schema, batches)
        return
    with _opened_text(out) as stream:
        if form is AnswerFormat.JSON:
            _write_json(stream, _rows(schema, batches))
        elif form is AnswerFormat.CSV:
            _write_csv(stream, schema.names, _rows(schema, batches))
        else:
            _write_table(stream, list(_rows(schema, batches)), brief, empty)


def show(
    rows: Sequence[Row], form: Format, *, empty: str = "nothing to show", brief: Sequence[str] = ()
) -> None:
    """Write rows to standard output; missing values are dashes, empty cells, or null in JSON.

    A table shows the `brief` columns only, where they are given; JSON and CSV always hold everything.
    """
    plain = [{key: _plain(value) for key, value in row.items()} for row in rows]
    if form is Format.JSON:
        typer.echo(json.dumps(plain, indent=1, ensure_ascii=False))
    elif form is Format.CSV:
        typer.echo(_csv(plain), nl=False)
    elif plain:
        Console().print(_table([{key: row[key] for key in brief or row} for row in plain]))
    else:
        typer.echo(empty)


def _plain(value: Any) -> Any:
    """Return a JSON value: NaN and infinities become None, dates ISO text, arrays and numbers plain."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for key in rows[0]:
        numbers = all(isinstance(row[key], int | float | None) for row in rows)
        table.add_column(key, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value, key) for key, value in row.items()))
    return table


def _cell(value: Any, key: str) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.5f}" if key in _DEGREES else f"{value:.4g}"
    return _printable(str(value)).replace("[", "\\[")


def _printable(text: str) -> str:
    """Return text that cannot steer a terminal: control characters but line ends and tabs become U+FFFD."""
    return "".join("\ufffd" if unicodedata.category(c) == "Cc" and c not in "\n\t" else c for c in text)


@contextmanager
def _opened_binary(out: Path | None) -> Iterator[IO[bytes]]:
    if out is None:
        yield sys.stdout.buffer
        return
    with whole_file(out) as draft, draft.open("wb") as sink:
        yield sink


@contextmanager
def _opened_text(out: Path | None) -> Iterator[IO[str]]:
    if out is None:
        yield sys.stdout
        return
    with whole_file(out) as draft, draft.open("w", encoding="utf-8", newline="") as stream:
        yield stream


def _rows(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[dict[str, Any]]:
    """Yield plain rows; WarehouseError for a value that Python has no room for, such as the year 290,000."""
    polygons = _geometries(schema)
    for batch in batches:
        try:
            columns = [_column(batch.column(name), name in polygons) for name in schema.names]
        except (OverflowError, ValueError) as error:
            raise WarehouseError(f"an answer: {error}; cast it to text") from error
        for values in zip(*columns, strict=True):
            yield dict(zip(schema.names, values, strict=True))


def _column(values: pa.Array, is_geometry: bool) -> list[Any]:
    if not is_geometry:
        return [_plain(value) for value in values.to_pylist()]
    import shapely

    return [None if wkb is None else shapely.from_wkb(wkb).wkt for wkb in values.to_pylist()]


def _geometries(schema: pa.Schema) -> list[str]:
    key = b"ARROW:extension:name"
    return [field.name for field in schema if (field.metadata or {}).get(key) == b"geoarrow.wkb"]


def _write_json(stream: IO[str], rows: Iterable[Row]) -> None:
    """Write what `json.dumps` with an indent of 1 gives for the list, row by row."""
    before = "[\n"
    for row in rows:
        text = json.dumps(row, indent=1, ensure_ascii=False).replace("\n", "\n ")
        stream.write(f"{before} {text}")
        before = ",\n"
    stream.write("[]\n" if before == "[\n" else "\n]\n")


def _write_csv(stream: IO[str], names: Sequence[str], rows: Iterable[Row]) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(row.values() for row in rows)


def _write_table(stream: IO[str], rows: Sequence[Row], brief: Sequence[str], empty: str) -> None:
    console = Console(file=stream)
    if rows:
        console.print(_table([{key: _short(row[key]) for key in brief or row} for row in rows]))
    else:
        stream.write(f"{empty}\n")


def _short(value: Any) -> Any:
    """Cut the text of a polygon, of which a terminal shows nothing anybody could read."""
    is_long = isinstance(value, str) and len(value) > _MOST_TEXT
    return f"{value[:_MOST_TEXT]}…" if is_long and value.endswith("))") else value


def _write_parquet(sink: IO[bytes], schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    named = {**(schema.metadata or {}), **_geo_metadata(schema)}
    try:
        with pq.ParquetWriter(sink, schema.with_metadata(named), compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch.replace_schema_metadata(named))
    except pa.ArrowException as error:
        raise WarehouseError(f"parquet: {str(error).splitlines()[0]}; cast that column to text") from error


def _geo_metadata(schema: pa.Schema) -> dict[bytes, bytes]:
    """Return what makes a Parquet file GeoParquet 1.1; longitude and latitude on WGS 84 is its default."""
    names = _geometries(schema)
    columns = {name: {"encoding": "WKB", "geometry_types": []} for name in names}
    geo = {"version": "1.1.0", "primary_column": names[0] if names else "", "columns": columns}
    return {b"geo": json.dumps(geo, sort_keys=True).encode()} if names else {}
