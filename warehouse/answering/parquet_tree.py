"""The public views of a snapshot as Parquet files, for people without DuckDB.

`site_history` is parted in the Hive manner (`site_history/target=richness/park=New%20Forest/part-0.parquet`),
every other view is one file. What has a place is GeoParquet 1.1 in EPSG:4326: polygons, or a point inside the
woodland. The same snapshot gives the same bytes, and any number of rows goes through little memory.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from monitoring.errors import WarehouseError
from warehouse.answering.answers import BATCH_ROWS, CRS, GEOMETRY, Answer, ask
from warehouse.reader import Reader

#: Opens a file to write, by its path within the tree; what was written counts once the `with` ends well.
Opened = Callable[[str], AbstractContextManager[BinaryIO]]
#: West, south, east, north in degrees.
Box = tuple[float, float, float, float]
#: Called with (parts written, parts in all).
Watch = Callable[[int, int], None]

#: Woodlands whose histories are one row group: 72,000 rows of 36 seasons.
SLICE_WOODLANDS = 2_000
#: Polygons that are read together: outlines of old woods have thousands of corners.
POLYGON_ROWS = 5_000
#: Most characters of a park in the name of a folder, which may have 255 bytes.
_FOLDER_LENGTH = 200
#: What a view of histories is asked for where there is none, to learn its columns.
_NO_SLICE = {"target": "", "park": "", "first": "", "last": ""}
_BBOX = pa.struct([(side, pa.float64()) for side in ("xmin", "ymin", "xmax", "ymax")])
#: Columns that no comment of the view tells of.
_MEANINGS = {
    "longitude": "Of a point inside the woodland, degrees east (WGS 84).",
    "latitude": "Of a point inside the woodland, degrees north (WGS 84).",
    "bbox": "Box of the polygon: degrees east and north.",
    "season": "Season it was used for, YYYY-Qn.",
    "block_id": "Block it was used for.",
}
_OF_GEOMETRY = {
    "point": "A point inside the woodland, WKB, EPSG:4326 (longitude, latitude).",
    "polygon": "Outline of the woodland, WKB, EPSG:4326 (longitude, latitude).",
}


@dataclass(frozen=True)
class View:
    """A view as it is handed out."""

    name: str
    of: str
    """View or table of the warehouse that its columns are described in."""
    place: str = ""
    """`polygon`, `point`, or empty where its rows have no place."""
    parted_by: tuple[str, ...] = ()


#: What is handed out, in the order it is written.
VIEWS = (
    View("site_history", "site_history", "point", ("target", "park")),
    View("woodlands", "woodland_history", "polygon"),
    View("woodland_history", "woodland_history", "polygon"),
    View("trends", "latest_trend", "point"),
    View("alerts", "alert_state", "point"),
    View("park_summary", "park_summary"),
    View("contrasts", "latest_contrast"),
    View("index_history", "index_history"),
    View("lineage", "woodland_lineage"),
    View("successors", "woodland_successor"),
    View("releases", "release"),
    View("scenes", "scene"),
)


@dataclass(frozen=True)
class WrittenFile:
    """A file of the tree."""

    path: str
    sha256: str
    n_bytes: int
    n_rows: int
    partition: Mapping[str, str]
    """Value of each column that the path tells, and the file does not hold."""


@dataclass(frozen=True)
class WrittenView:
    """A view in the tree."""

    view: View
    columns: tuple[tuple[str, str, str], ...]
    """Name, type and meaning with its unit, those that the path tells first."""
    files: tuple[WrittenFile, ...]
    box: Box | None
    """West, south, east, north of all its rows; None where they have no place."""

    @property
    def n_rows(self) -> int:
        """Rows of all its files."""
        return sum(file.n_rows for file in self.files)


@dataclass(frozen=True)
class _Part:
    """What becomes one file: its path, its rows slice by slice, and the box they lie in."""

    path: str
    slices: tuple[Mapping[str, str], ...]
    """Parameters of the query for each slice."""
    partition: Mapping[str, str]
    box: Box | None


def chosen_views(names: Sequence[str]) -> tuple[View, ...]:
    """Return the views of these names, all for none; WarehouseError names one that is not handed out."""
    known = {view.name: view for view in VIEWS}
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise WarehouseError(f"view {', '.join(unknown)}: not handed out; there are {', '.join(known)}")
    return tuple(view for view in VIEWS if view.name in names or not names)


def write_view(reader: Reader, view: View, opened: Opened, watch: Watch) -> WrittenView:
    """Write a view to files of a tree; return what they are."""
    parts = _parts(reader, view)
    fields = _fields(reader, view, parts)
    files = []
    for number, part in enumerate(parts, 1):
        files.append(_write_part(reader, view, part, _schema(view, fields, part.box), opened))
        watch(number, len(parts))
    described = tuple(map(_described, fields))
    return WrittenView(view, described, tuple(files), _around([part.box for part in parts if part.box]))


def _answer(reader: Reader, view: View, parameters: Mapping[str, str | None]) -> Answer:
    name = "history" if view.parted_by else view.name
    return ask(reader.connection, f"export/{name}", view.of, **parameters)


def _parts(reader: Reader, view: View) -> list[_Part]:
    if view.parted_by:
        return _history_parts(reader)
    box = _box(_answer(reader, view, {}), view)
    return [_Part(f"{view.name}.parquet", ({},), {}, box)]


def _history_parts(reader: Reader) -> list[_Part]:
    found = ask(reader.connection, "export/history_parts", "site_history").rows
    by_park = itertools.groupby(found, key=lambda row: (str(row["target"]), str(row["park"])))
    return [_history_part(target, park, list(rows)) for (target, park), rows in by_park]


def _history_part(target: str, park: str, rows: Sequence[Mapping[str, Any]]) -> _Part:
    firsts = range(0, len(rows), SLICE_WOODLANDS)
    chunks = [rows[first : first + SLICE_WOODLANDS] for first in firsts]
    key = {"target": target, "park": park}
    slices = tuple({**key, "first": chunk[0]["id"], "last": chunk[-1]["id"]} for chunk in chunks)
    east, north = [row["longitude"] for row in rows], [row["latitude"] for row in rows]
    folders = "/".join(f"{name}={folder_name(value)}" for name, value in key.items())
    return _Part(
        f"site_history/{folders}/part-0.parquet", slices, key, (min(east), min(north), max(east), max(north))
    )


def folder_name(value: str) -> str:
    """Return a value as part of a path: percent-encoded, so that no name of a park leads anywhere else.

    A value too long for a folder is cut and ends with a digest; the manifest holds it whole.
    """
    kept = value
    while len(quote(kept, safe="")) > _FOLDER_LENGTH:
        kept = kept[:-1]
    digest = hashlib.sha256(value.encode()).hexdigest()[:12]
    return quote(kept if kept == value else f"{kept}-{digest}", safe="")


def _box(answer: Answer, view: View) -> Box | None:
    """Return west, south, east, north of all rows; None where there is none, or they have no place."""
    if not view.place:
        return None
    names = (GEOMETRY,) if view.place == "polygon" else ("longitude", "latitude")
    return _around([_bounds(batch, view) for batch in answer.select(*names).batches(POLYGON_ROWS)])


def _around(boxes: Sequence[Box]) -> Box | None:
    if not boxes:
        return None
    west, south, east, north = zip(*boxes, strict=True)
    return min(west), min(south), max(east), max(north)


def _bounds(batch: pa.RecordBatch, view: View) -> Box:
    west, south, east, north = shapely.total_bounds(_shapes(batch, view))
    return float(west), float(south), float(east), float(north)


def _shapes(batch: Any, view: View) -> Any:
    if view.place == "polygon":
        return shapely.from_wkb(batch.column(GEOMETRY).to_numpy(zero_copy_only=False))
    sides = (batch.column(name).to_numpy(zero_copy_only=False) for name in ("longitude", "latitude"))
    return shapely.points(*sides)


def _fields(reader: Reader, view: View, parts: Sequence[_Part]) -> list[pa.Field]:
    """Return the columns of a view, those that the path tells first, each with its meaning."""
    answer = _answer(reader, view, parts[0].slices[0] if parts else _NO_SLICE)
    known = {**_MEANINGS, **{name: text for name, text in answer.meanings.items() if text}}
    fields = [field for field in answer.schema if field.name not in (*view.parted_by, GEOMETRY)]
    if view.place:
        known[GEOMETRY] = _OF_GEOMETRY[view.place]
        fields.append(pa.field(GEOMETRY, pa.binary()))
    if view.place == "polygon":
        fields.append(pa.field("bbox", _BBOX))
    told = [pa.field(name, pa.string()) for name in view.parted_by]
    return [each.with_metadata({"meaning": known.get(each.name, "")}) for each in (*told, *fields)]


def _described(field: pa.Field) -> tuple[str, str, str]:
    return field.name, str(field.type), field.metadata[b"meaning"].decode()


def _schema(view: View, fields: Sequence[pa.Field], box: Box | None) -> pa.Schema:
    """Return the columns that a file of the view holds, and what makes it GeoParquet."""
    within = [field for field in fields if field.name not in view.parted_by]
    return pa.schema(within, metadata={"geo": _geo(view, box)} if view.place else None)


def _geo(view: View, box: Box | None) -> str:
    """Return the `geo` metadata of GeoParquet 1.1."""
    import pyproj

    kinds = {"polygon": ["MultiPolygon", "Polygon"], "point": ["Point"]}[view.place]
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": kinds,
        "crs": pyproj.CRS.from_user_input(CRS).to_json_dict(),
        "edges": "planar",
    }
    if box:
        column["bbox"] = list(box)
    if view.place == "polygon":
        column["covering"] = {"bbox": {side: ["bbox", side] for side in _BBOX.names}}
    document = {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}
    return json.dumps(document, sort_keys=True)


def _write_part(reader: Reader, view: View, part: _Part, schema: pa.Schema, opened: Opened) -> WrittenFile:
    rows = BATCH_ROWS if view.place != "polygon" else POLYGON_ROWS
    with opened(part.path) as file:
        counted = _Counted(file)
        n_rows = _write_groups(counted, schema, _groups(reader, view, part, rows))
    return WrittenFile(part.path, counted.digest.hexdigest(), counted.n_bytes, n_rows, part.partition)


def _write_groups(file: _Counted, schema: pa.Schema, groups: Iterable[pa.Table]) -> int:
    n_rows = 0
    with pq.ParquetWriter(pa.PythonFile(file, mode="w"), schema, compression="zstd") as writer:
        for group in groups:
            n_rows += len(group)
            writer.write_table(group.select(schema.names).cast(schema), row_group_size=len(group))
    return n_rows


def _groups(reader: Reader, view: View, part: _Part, rows: int) -> Iterator[pa.Table]:
    """Yield row groups: exactly `rows` rows, but for the last of a slice, however they were read."""
    for parameters in part.slices:
        for table in _regrouped(_answer(reader, view, parameters).batches(rows), rows):
            yield _placed(table, view)


def _regrouped(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        while sum(map(len, held)) >= rows:
            table = pa.Table.from_batches(held)
            yield table[:rows].combine_chunks()
            held = table[rows:].to_batches()
    if sum(map(len, held)):
        yield pa.Table.from_batches(held).combine_chunks()


def _placed(table: pa.Table, view: View) -> pa.Table:
    """Return rows with the columns of their place as the file has them."""
    if not view.place:
        return table
    shapes = _shapes(table, view)
    if view.place == "polygon":
        sides = [pa.array(side) for side in shapely.bounds(shapes).T]
        table = table.drop_columns(GEOMETRY)
        table = table.append_column("bbox", pa.StructArray.from_arrays(sides, _BBOX.names))
    return table.append_column(GEOMETRY, pa.array(shapely.to_wkb(shapes), pa.binary()))


class _Counted:
    """A file that is only written to, with the number and digest of the bytes that went through."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.n_bytes = 0
        self.closed = False

    def write(self, content: Any) -> int:
        """Pass bytes on."""
        plain = bytes(content)
        self._file.write(plain)
        self.digest.update(plain)
        self.n_bytes += len(plain)
        return len(plain)

    def tell(self) -> int:
        """Bytes so far."""
        return self.n_bytes

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """The file below is closed by whoever opened it."""
        self.closed = True
