"""The data dictionary: every table, view and column of the warehouse with its meaning and unit."""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from warehouse.reader import Record, read
from warehouse.writer import open_writer

_HEADING = """\
# Data dictionary

Made from the comments in the warehouse itself (`warehouse/migrations/`); do not edit by hand. Tables hold all
that was ever recorded, views what counts now. Times are UTC. An unknown number is null, never zero.
"""


def data_dictionary(path: Path) -> str:
    """Return the dictionary of a warehouse as Markdown, views first."""
    with read(path) as reader:
        rows = sorted(reader.dictionary(), key=lambda row: (row["kind"] != "view", row["relation"]))
    relations = itertools.groupby(rows, key=lambda row: str(row["relation"]))
    lines = [line for name, columns in relations for line in _section(name, list(columns))]
    return "\n".join([_HEADING, *lines])


def _section(name: str, columns: Sequence[Record]) -> Iterator[str]:
    kind, comment = columns[0]["kind"], columns[0]["relation_comment"]
    yield from (f"## `{name}` ({kind})", "", comment, "", "| column | type | meaning |", "|---|---|---|")
    for column in columns:
        meaning = str(column["comment"]).replace("|", "\\|")
        yield f"| `{column['column_name']}` | {column['data_type']} | {meaning} |"
    yield ""


def write_page(out: Path) -> Path:
    """Write the dictionary of this version's schema, read out of an empty warehouse made for it."""
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.duckdb"
        with open_writer(empty, now=datetime(2026, 1, 1, tzinfo=UTC)):
            pass
        out.write_text(data_dictionary(empty), "utf-8")
    return out


if __name__ == "__main__":
    write_page(Path(sys.argv[1]))
