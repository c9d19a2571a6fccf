"""Answers of the warehouse as notebooks want them: Arrow, pandas, GeoDataFrames, or plain rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import shapely

from monitoring.errors import WarehouseError
from warehouse.columns import utc
from warehouse.database import query, refusals

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

Record = dict[str, Any]
"""One row, keyed by column in the order of the table or view; see the data dictionary. An unknown number of a
floating-point column is NaN, a time is aware UTC."""

#: Longitude and latitude on WGS 84: what every polygon of the warehouse is in.
CRS = "EPSG:4326"
GEOMETRY = "geometry"
#: Rows that travel together when an answer is read in parts.
BATCH_ROWS = 100_000
_UTC = pa.timestamp("us", tz="UTC")
#: Names a row's woodland, to find its polygon by.
_WOODLAND = "woodland_id"


class Answer:
    """What a question gives, taken as `arrow()`, `pandas()`, `geopandas()`, `batches()` or `rows`.

    Ask and take while the reader is open; what was taken stays valid after. Times are aware UTC. What is
    not known is null in Arrow, NaN (NaT, <NA>) in pandas, and never zero. `meanings` tells the units.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, relation: duckdb.DuckDBPyRelation, of: str
    ) -> None:
        self._connection = connection
        self._relation = relation
        self._of = of

    def __repr__(self) -> str:
        return f"Answer from {self._of}: {', '.join(self.columns)}"

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        with self._taking():
            return tuple(self._relation.columns)

    @property
    def meanings(self) -> Mapping[str, str]:
        """What each column says, with its unit, as in the data dictionary; empty where not commented."""
        known = meanings(self._connection, self._of)
        return {name: known.get(name, "") for name in self.columns}

    @property
    def schema(self) -> pa.Schema:
        """The columns with their Arrow types; no row is read."""
        with self._taking():
            return aware(self._relation.limit(0).to_arrow_table()).schema

    def select(self, *columns: str) -> Answer:
        """The same rows with these columns only; the others are not even read."""
        unknown = sorted(set(columns) - set(self.columns))
        if unknown or not columns:
            raise WarehouseError(
                f"{self._of}: no column {', '.join(unknown) or 'named'}; it has {', '.join(self.columns)}"
            )
        with self._taking():
            return Answer(
                self._connection, self._relation.select(*map(duckdb.ColumnExpression, columns)), self._of
            )

    def batches(self, rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """Yield the rows in parts of up to `rows`: any number of rows in little memory."""
        with self._taking():
            reader = self._relation.to_arrow_reader(rows)
            yield from (aware(batch) for batch in reader)

    def arrow(self) -> pa.Table:
        """Return an Arrow table; a polygon is WKB (`geoarrow.wkb`, longitude and latitude)."""
        with self._taking():
            return aware(self._relation.to_arrow_table())

    def pandas(self) -> pd.DataFrame:
        """Return a DataFrame with the index 0, 1, 2, ...; a polygon is WKB.

        Where some are not known, numbers are float64 with NaN and truths `boolean`.
        """
        return framed(self.arrow())

    def geopandas(self) -> gpd.GeoDataFrame:
        """Return a GeoDataFrame in EPSG:4326 (longitude, latitude).

        Rows without a polygon of their own get the newest one of their woodland; WarehouseError for rows
        that are of no woodland.
        """
        import geopandas as gpd

        table = self.arrow()
        if GEOMETRY in table.column_names:
            geometry = shapely.from_wkb(table[GEOMETRY].to_numpy())
            return gpd.GeoDataFrame(framed(table.drop_columns(GEOMETRY)), geometry=geometry, crs=CRS)
        frame = framed(table)
        return gpd.GeoDataFrame(frame, geometry=self._polygons(frame), crs=CRS)

    @property
    def rows(self) -> tuple[Record, ...]:
        """The rows as dictionaries: an unknown real number is NaN, any other unknown None."""
        with self._taking():
            return _records(self._relation.columns, self._relation.types, self._relation.fetchall())

    def _polygons(self, frame: pd.DataFrame) -> list[Any]:
        if _WOODLAND not in frame.columns:
            raise WarehouseError(
                f"{self._of}: rows of no woodland have no place; columns {', '.join(self.columns)}"
            )
        found = ask(self._connection, "shapes", "woodland_history").arrow()
        shapes = shapely.from_wkb(found[GEOMETRY].to_numpy())
        polygons = dict(zip(found["id"].to_pylist(), shapes, strict=True))
        return [polygons.get(each) for each in frame[_WOODLAND]]

    def _taking(self) -> AbstractContextManager[None]:
        return refusals(f"{self._of} (taken while its reader is open?)")


def ask(
    connection: duckdb.DuckDBPyConnection, name: str, of: str, **parameters: str | datetime | None
) -> Answer:
    """Return the answer of `queries/<name>.sql`, which gives columns of the view or table `of`."""
    with refusals(name):
        return Answer(connection, connection.sql(query(name), params=parameters), of)


def rows(connection: duckdb.DuckDBPyConnection, name: str, **parameters: object) -> tuple[Record, ...]:
    """Return the rows of `queries/<name>.sql`: as `Answer.rows`, planned once and so sooner for a few."""
    with refusals(name):
        found = connection.execute(query(name), parameters)
        columns = [column[0] for column in found.description]
        kinds = [column[1] for column in found.description]
        return _records(columns, kinds, found.fetchall())


def history_query(woodland_id: str | None, as_of: datetime | None) -> str:
    """Return the query of histories: one woodland's, now, is read in one piece and not sought in all."""
    return "history" if woodland_id is None or as_of is not None else "history_of_woodland"


def moment(as_of: datetime) -> datetime:
    """Return a moment as the warehouse keeps time; WarehouseError for anything but an aware datetime."""
    if not isinstance(as_of, datetime):
        raise WarehouseError(f"as_of {as_of!r}: not a datetime with a time zone")
    return utc(as_of)


def meanings(connection: duckdb.DuckDBPyConnection, of: str) -> dict[str, str]:
    """Return the comment of each column of a view or table, with its unit."""
    with refusals(of):
        found = connection.execute(query("meanings"), {"relation": of}).fetchall()
    return {str(name): str(comment) for name, comment in found}


def aware(found: Any) -> Any:
    """Return an Arrow table or batch with its times said to be the UTC that they are."""
    for place, field in enumerate(found.schema):
        if pa.types.is_timestamp(field.type) and field.type.tz is None:
            found = found.set_column(place, field.with_type(_UTC), found.column(place).cast(_UTC))
    return found


def framed(table: pa.Table) -> pd.DataFrame:
    """Return an Arrow table as a DataFrame; a truth that is sometimes unknown stays one (`boolean`)."""
    frame: pd.DataFrame = table.to_pandas(date_as_object=False)
    for field in table.schema:
        if pa.types.is_boolean(field.type) and table[field.name].null_count:
            frame[field.name] = frame[field.name].astype("boolean")
    return frame


def _records(
    columns: Sequence[str], kinds: Sequence[object], found: Sequence[Sequence[Any]]
) -> tuple[Record, ...]:
    named = [(name, str(kind) == "DOUBLE") for name, kind in zip(columns, kinds, strict=True)]
    return tuple(
        {name: _value(value, is_real) for (name, is_real), value in zip(named, row, strict=True)}
        for row in found
    )


def _value(value: Any, is_real: bool) -> Any:
    if is_real and value is None:
        return math.nan
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
