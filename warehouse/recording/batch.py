"""A batch on its way in: refused in one line where it cannot be recorded, or else added whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from monitoring.errors import WarehouseError
from warehouse.columns import table, utc
from warehouse.database import query


class Batch:
    """Rows of equal columns, laid where statements look for them: as the relation `batch`.

    They lie there for each statement anew, so batches never meet. One of no rows adds nothing, and nothing is
    wrong with it. To be used inside the transaction of the load.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        rows: pa.Table | Sequence[Mapping[str, Any]],
        subject: str = "",
    ) -> None:
        """`subject` says where the rows come from, in refusals that would not tell otherwise."""
        self._connection = connection
        self._rows = rows if isinstance(rows, pa.Table) else table(rows) if rows else pa.table({})
        self._subject = subject

    def refuse(self, *names: str) -> None:
        """Raise WarehouseError with the words of the first of `queries/refuse/<name>.sql` that has any."""
        for name in names:
            for found in self.found(f"refuse/{name}"):
                raise WarehouseError(f"{self._subject}: " * bool(self._subject) + found["refusal"])

    def found(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of `queries/<name>.sql`, by column."""
        if not len(self._rows):
            return []
        self._connection.register("batch", self._rows)
        result = self._connection.execute(query(name))
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def add(self, name: str, **parameters: str | datetime) -> int:
        """Execute `queries/insert/<name>.sql`; return the number of rows added."""
        if not len(self._rows):
            return 0
        self._connection.register("batch", self._rows)
        return changed(self._connection, f"insert/{name}", **parameters)

    def values(self, column: str) -> list[Any]:
        """Return the distinct values of a column."""
        return list(self._rows[column].unique().to_pylist())


def changed(connection: duckdb.DuckDBPyConnection, name: str, **parameters: str | datetime) -> int:
    """Execute the statement `queries/<name>.sql`; return the number of rows it added or changed.

    Times are given aware; WarehouseError for a naive one.
    """
    plain = {name: utc(value) if isinstance(value, datetime) else value for name, value in parameters.items()}
    (count,) = connection.execute(query(name), plain).fetchone() or (0,)
    return int(count)
