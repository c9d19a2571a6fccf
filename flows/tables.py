"""Rows for people and for programs: a table, JSON or CSV on standard output."""

from __future__ import annotations

import csv
import io
import json
import math
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

Row = Mapping[str, Any]


class Format(StrEnum):
    """How rows come out."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


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
    if isinstance(value, date):
        return value.isoformat()
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
        table.add_row(*(_cell(value) for value in row.values()))
    return table


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return _printable(str(value)).replace("[", "\\[")


def _printable(text: str) -> str:
    """Return text that cannot steer a terminal: control characters but line ends and tabs become U+FFFD."""
    return "".join("\ufffd" if unicodedata.category(c) == "Cc" and c not in "\n\t" else c for c in text)
