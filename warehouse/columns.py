"""From frozen rows to Arrow tables and back: one column per field, nested values spread flat."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints

import pyarrow as pa

from monitoring.errors import WarehouseError
from warehouse.records import Row

T = TypeVar("T")

_ARROW = {
    str: pa.string(),
    float: pa.float64(),
    int: pa.int64(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us"),
}


def flat(row: Any) -> dict[str, Any]:
    """Return a row's columns: NaN becomes None, a time UTC without zone, an enumeration its text."""
    columns: dict[str, Any] = {}
    kind: Any = type(row)
    for name in _names(kind):
        value = getattr(row, name)
        if dataclasses.is_dataclass(value):
            columns |= flat(value)
        else:
            columns[name] = _plain(value)
    return columns


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


@cache
def _hints(kind: type) -> dict[str, Any]:
    """Return the types of a row's fields; working them out takes longer than a row."""
    return get_type_hints(kind)


def utc(moment: datetime) -> datetime:
    """Return a moment as the warehouse keeps it: UTC, no zone attached; a naive one is refused."""
    if moment.tzinfo is None:
        raise WarehouseError(f"time {moment.isoformat()}: has no time zone")
    return moment.astimezone(UTC).replace(tzinfo=None)


def settled(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the columns of each distinct row; WarehouseError when one key comes with two contents."""
    by_key: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        columns = flat(row)
        key = tuple(columns[name] for name in row.KEY)
        if by_key.setdefault(key, columns) != columns:
            raise WarehouseError(f"{row.TABLE} {'/'.join(map(str, key))}: twice in one batch, not alike")
    return list(by_key.values())


def table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return rows of equal columns as one Arrow table."""
    return pa.table({name: pa.array([row[name] for row in rows]) for name in rows[0]})


def schema_of(kind: type) -> pa.Schema:
    """Return the Arrow schema of a flat row type."""
    hints = _hints(kind)
    return pa.schema([(name, _ARROW[_known(hints[name])]) for name in _names(kind)])


def columns_of(rows: Sequence[Any], kind: type) -> pa.Table:
    """Return flat rows of one type as an Arrow table, in their order."""
    schema = schema_of(kind)
    return pa.table(
        {name: pa.array([_plain(getattr(row, name)) for row in rows], schema.field(name).type)
         for name in schema.names},
        schema=schema,
    )  # fmt: skip


def with_text(table: pa.Table, name: str, texts: Sequence[str]) -> pa.Table:
    """Return a table with other texts in one of its columns."""
    return table.set_column(table.column_names.index(name), name, pa.array(texts, pa.string()))


def build(kind: type[T], columns: Mapping[str, Any]) -> T:
    """Return a flat row from stored columns: a null float becomes NaN, a time aware UTC."""
    fields: Any = kind  # mypy takes a type variable for something that cannot be hashed
    hints = _hints(fields)
    return kind(**{name: _typed(hints[name], columns[name]) for name in _names(fields)})


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, Enum):
        return value.value
    return utc(value) if isinstance(value, datetime) else value


def _typed(hint: Any, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    return math.nan if hint is float and value is None else value


def _known(hint: Any) -> Any:
    """Return the type of a field's values but for None."""
    return next((kind for kind in get_args(hint) if kind is not NoneType), hint)
