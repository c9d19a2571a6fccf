"""Polygons of fellings and fires: how much of each woodland they cover, many by many in bounded time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from flows.sources.boundaries.vectors import attribute_text, read_features
from flows.sources.disturbances.layer import DisturbanceLayer, DisturbanceReading
from flows.sources.disturbances.moments import FIRST_YEAR, LAST_YEAR, spans
from monitoring.corroboration.disturbances import KINDS, Disturbance
from monitoring.errors import BoundaryError
from monitoring.woodlands import Woodland

Geometries = NDArray[np.object_]

#: Column names that are recognised, the preferred first, and lower case.
DATE_COLUMNS = (
    "date",
    "felling_date",
    "fire_date",
    "event_date",
    "alert_date",
    "year",
    "felling_year",
    "fire_year",
)
START_COLUMNS = ("start_date", "start", "first_day", "from_date")
END_COLUMNS = ("end_date", "end", "last_day", "to_date")
KIND_COLUMNS = ("kind", "type", "cause", "disturbance")
#: Words of a kind column, lower case, beside the kinds themselves.
KIND_WORDS: Mapping[str, str] = {
    "fell": "felling",
    "felled": "felling",
    "clearfell": "felling",
    "clear felling": "felling",
    "thinning": "felling",
    "harvest": "felling",
    "logging": "felling",
    "wildfire": "fire",
    "burn": "fire",
    "burnt": "fire",
    "windthrow": "storm",
    "wind": "storm",
    "pest": "disease",
    "insects": "disease",
}
#: Largest polygon that is laid over woodlands in one piece; larger ones are quartered first.
MAX_VERTICES = 512
#: How often a polygon is halved at most: more than any outline of real land needs.
MAX_HALVINGS = 24
#: A polygon wider than this crosses the antimeridian the wrong way round, degrees.
MAX_WIDTH = 180.0
#: Smaller shares of a woodland are slivers of two outlines of one line.
MIN_SHARE = 1e-4


@dataclass(frozen=True)
class _Events:
    """The usable features of a layer, n of them."""

    geometries: Geometries
    kinds: list[str]
    spans: list[tuple[date, date]]


def read_polygons(
    path: Path, woodlands: Sequence[Woodland], years: tuple[int, int], layer: DisturbanceLayer
) -> DisturbanceReading:
    """Return the disturbances of a vector file in the years, first and last inclusive."""
    try:
        frame = read_features(path, layer.layer)
    except BoundaryError as error:
        raise BoundaryError(str(error).replace("boundary file", "disturbance layer", 1)) from error
    events, notes = _events(frame, layer, path)
    wanted = [
        i for i, (first, last) in enumerate(events.spans) if last.year >= years[0] and first.year <= years[1]
    ]
    events = _Events(
        events.geometries[wanted], [events.kinds[i] for i in wanted], [events.spans[i] for i in wanted]
    )
    source = path.name if layer.layer is None else f"{path.name}, {layer.layer}"
    return DisturbanceReading(_disturbances(events, woodlands, source), notes)


def _events(frame: gpd.GeoDataFrame, layer: DisturbanceLayer, path: Path) -> tuple[_Events, tuple[str, ...]]:
    moments, written = _moments(frame, layer, path)
    kinds, strange = _kinds(frame, layer, path)
    geometries = np.asarray(frame.geometry, object)
    refused: list[str] = [_unlike_polygon(one) for one in geometries]
    for number, (moment, text) in enumerate(zip(moments, written, strict=True)):
        if not refused[number] and moment is None:
            refused[number] = f"no date from {FIRST_YEAR} to {LAST_YEAR}: {text[:40]!r}"
    usable = np.flatnonzero([not reason for reason in refused])
    made, invalid = _made_valid(geometries[usable])
    for number in usable[invalid]:
        refused[number] = "invalid beyond repair"
    kept = usable[~invalid]
    known = [moment for moment in (moments[i] for i in kept) if moment is not None]
    return _Events(made[~invalid], [kinds[i] for i in kept], known), _notes(path, refused, strange)


def _moments(
    frame: gpd.GeoDataFrame, layer: DisturbanceLayer, path: Path
) -> tuple[list[tuple[date, date] | None], list[str]]:
    """Return the days of each feature, None where it has none, and what is written there."""
    start = _column(frame, layer.start_column, START_COLUMNS, path)
    end = _column(frame, layer.end_column, END_COLUMNS, path)
    when = _column(frame, layer.date_column, DATE_COLUMNS, path)
    if layer.date_column is None and start is not None and end is not None:
        firsts, lasts = spans(frame[start].tolist()), spans(frame[end].tolist())
        written = [f"{one} to {other}" for one, other in zip(*_texts(frame, start, end), strict=True)]
        return [_joined(one, other) for one, other in zip(firsts, lasts, strict=True)], written
    only = when or end or start
    if only is None:
        known = ", ".join((*DATE_COLUMNS, *START_COLUMNS, *END_COLUMNS))
        raise BoundaryError(f"disturbance layer {path}: no date column, known are {known}")
    return spans(frame[only].tolist()), _texts(frame, only)[0]


def _joined(first: tuple[date, date] | None, last: tuple[date, date] | None) -> tuple[date, date] | None:
    if first is None or last is None:
        return first or last
    return (first[0], last[1]) if first[0] <= last[1] else None


def _texts(frame: gpd.GeoDataFrame, *columns: str) -> list[list[str]]:
    return [[attribute_text(value) for value in frame[column].tolist()] for column in columns]


def _column(frame: gpd.GeoDataFrame, asked: str | None, known: Sequence[str], path: Path) -> str | None:
    present = [str(column) for column in frame.columns if column != frame.geometry.name]
    if asked is not None:
        if asked not in present:
            raise BoundaryError(f"disturbance layer {path}: no column {asked!r}, it has {', '.join(present)}")
        return asked
    by_name = {column.lower(): column for column in reversed(present)}
    return next((by_name[name] for name in known if name in by_name), None)


def _kinds(frame: gpd.GeoDataFrame, layer: DisturbanceLayer, path: Path) -> tuple[list[str], list[str]]:
    """Return the kind of each feature and the words that are not known, taken as the stated kind."""
    stated = layer.kind or "disturbance"
    # A stated kind goes before a column that was not asked for: many tables have a `type` of their own.
    column = (
        None
        if layer.kind and layer.kind_column is None
        else _column(frame, layer.kind_column, KIND_COLUMNS, path)
    )
    if column is None:
        return [stated] * len(frame), []
    words = [text.casefold() for text in _texts(frame, column)[0]]
    known = {**{kind: kind for kind in KINDS}, **KIND_WORDS}
    strange = [word for word in words if word and word not in known]
    return [known.get(word, stated) for word in words], strange


def _unlike_polygon(geometry: Any) -> str:
    if geometry is None or geometry.is_empty:
        return "no geometry"
    if geometry.geom_type not in ("Polygon", "MultiPolygon"):
        return f"a {geometry.geom_type}: a polygon is needed"
    bounds = np.array(geometry.bounds)
    if not np.isfinite(shapely.get_coordinates(geometry)).all() or np.abs(bounds).max() > 180:
        return "coordinates that are not finite, or outside the reference system's domain"
    if bounds[2] - bounds[0] > MAX_WIDTH:
        return f"wider than {MAX_WIDTH:g} degrees: to be split at the antimeridian"
    return ""


def _made_valid(geometries: Geometries) -> tuple[Geometries, NDArray[np.bool_]]:
    """Return the geometries flat and valid, and (n,) True where nothing with an area is left."""
    made = shapely.force_2d(geometries)
    broken = ~shapely.is_valid(made)
    made[broken] = shapely.make_valid(made[broken], method="structure", keep_collapsed=False)
    return made, shapely.area(made) == 0


def _notes(path: Path, refused: Sequence[str], strange: Sequence[str]) -> tuple[str, ...]:
    where = f"disturbance layer {path.name}"
    first: dict[str, tuple[int, str]] = {}
    count: Counter[str] = Counter()
    for number, reason in enumerate(refused, 1):
        if reason:
            count[reason.split(":")[0]] += 1
            first.setdefault(reason.split(":")[0], (number, reason))
    lines = [
        f"{where}: {count[key]} features left out, first {n}: {reason}" for key, (n, reason) in first.items()
    ]
    if strange:
        lines.append(f"{where}: kind {strange[0][:40]!r} is not known ({len(strange)} features)")
    return tuple(lines)


def _disturbances(events: _Events, woodlands: Sequence[Woodland], source: str) -> tuple[Disturbance, ...]:
    """Return one disturbance for each woodland, kind and span of years."""
    areas = _equal_area(np.array([woodland.geometry for woodland in woodlands], object))
    pieces, owner = _subdivided(_equal_area(events.geometries))
    piece, wood = shapely.STRtree(areas).query(pieces, predicate="intersects")
    common = shapely.intersection(pieces[piece], areas[wood])
    groups: dict[tuple[int, str, int, int], list[int]] = {}
    for position, (event, which) in enumerate(zip(owner[piece].tolist(), wood.tolist(), strict=True)):
        first, last = events.spans[event]
        groups.setdefault((which, events.kinds[event], first.year, last.year), []).append(position)
    found = []
    for (which, kind, _, _), positions in sorted(groups.items()):
        share = _covered(common[positions]) / float(areas[which].area)
        if share >= MIN_SHARE:
            days = [events.spans[owner[piece[position]]] for position in positions]
            first, last = min(day[0] for day in days), max(day[1] for day in days)
            found.append(Disturbance(woodlands[which].id, kind, first, last, min(share, 1.0), source))
    return tuple(found)


def _covered(parts: Geometries) -> float:
    return float(parts[0].area if len(parts) == 1 else shapely.union_all(parts).area)


def _equal_area(geometries: Geometries) -> Geometries:
    """Return geometries in degrees on Lambert's cylinder, where shares of area are true: (x, sin y).

    Of the sphere: the ellipsoid changes the share of a woodland 10 km from north to south by under 1e-5.
    """
    return np.asarray(
        shapely.transform(
            geometries, lambda xy: np.column_stack([np.radians(xy[:, 0]), np.sin(np.radians(xy[:, 1]))])
        ),
        object,
    )


def _subdivided(geometries: Geometries) -> tuple[Geometries, NDArray[np.int64]]:
    """Return pieces of at most `MAX_VERTICES` and the geometry each is of.

    A fire with a million vertices laid over thousands of woodlands one by one would never end.
    """
    pieces, owner = geometries, np.arange(len(geometries))
    for _ in range(MAX_HALVINGS):
        large = shapely.get_num_coordinates(pieces) > MAX_VERTICES
        if not large.any():
            break
        halves = [half for piece in pieces[large] for half in _halves(piece)]
        grown = np.repeat(owner[large], 2)
        kept = np.array([not half.is_empty for half in halves], bool)
        pieces = np.concatenate([pieces[~large], np.array(halves, object)[kept]])
        owner = np.concatenate([owner[~large], grown[kept]])
    return pieces, owner


def _halves(geometry: Any) -> Iterable[Any]:
    west, south, east, north = geometry.bounds
    if east - west >= north - south:
        middle = (west + east) / 2
        boxes = ((west, south, middle, north), (middle, south, east, north))
    else:
        middle = (south + north) / 2
        boxes = ((west, south, east, middle), (west, middle, east, north))
    return [_polygons_of(shapely.clip_by_rect(geometry, *box)) for box in boxes]


def _polygons_of(geometry: Any) -> Any:
    """Return the polygons of what a cut left; it may leave points and lines, and rings that touch."""
    made = (
        geometry
        if geometry.is_valid
        else shapely.make_valid(geometry, method="structure", keep_collapsed=False)
    )
    parts = [part for part in shapely.get_parts(made) if part.geom_type == "Polygon"]
    return shapely.MultiPolygon(parts)
