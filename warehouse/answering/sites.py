"""Sites: which woodlands there are, by park, standing and distance, and by whatever name people call them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from monitoring.errors import SettingsError, WarehouseError
from monitoring.woodlands import Status
from warehouse.answering.answers import GEOMETRY
from warehouse.database import query, refusals

#: Mean radius of the Earth (IUGG); a great circle on it is within 0.6 % of the distance on the ellipsoid.
EARTH_RADIUS_KM = 6371.0088
#: Half the way round the Earth: everything is within it.
FARTHEST_KM = 20_038.0
#: Position of the column that a distance is put at, after the place it is the distance of.
_DISTANCE_AT = 7


@dataclass(frozen=True)
class Near:
    """All that is within some distance of a point; SettingsError for a point or distance that is none."""

    latitude: float
    """Degrees north, WGS 84."""
    longitude: float
    """Degrees east, WGS 84."""
    within_km: float

    def __post_init__(self) -> None:
        if not -90 <= self.latitude <= 90:
            raise SettingsError(f"latitude {self.latitude:g}: not between -90 and 90")
        if not -180 <= self.longitude <= 180:
            raise SettingsError(f"longitude {self.longitude:g}: not between -180 and 180")
        if not 0 < self.within_km <= FARTHEST_KM:
            raise SettingsError(f"within {self.within_km:g} km: not more than 0 and at most {FARTHEST_KM:g}")

    @property
    def box(self) -> shapely.Polygon:
        """A box of longitude and latitude around all that is near; every longitude near a pole or 180."""
        reach = self.within_km / EARTH_RADIUS_KM
        south, north = (self.latitude + math.degrees(side * reach) for side in (-1, 1))
        west, east = -180.0, 180.0
        if south > -90 and north < 90:
            half = math.degrees(math.asin(math.sin(reach) / math.cos(math.radians(self.latitude))))
            if self.longitude - half >= -180 and self.longitude + half <= 180:
                west, east = self.longitude - half, self.longitude + half
        return shapely.box(west, max(south, -90.0), east, min(north, 90.0))

    def distances_km(self, polygons: NDArray[np.object_]) -> NDArray[np.float64]:
        """Return the great-circle distance (N,) to the nearest point of each polygon, km; 0 inside one."""
        flat = shapely.transform(polygons, self._flatten)
        return np.asarray(shapely.distance(flat, shapely.Point(0, 0)), np.float64)

    def _flatten(self, degrees: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map longitude and latitude (N, 2) to km east and north, true in distance from the point itself."""
        longitude, latitude = np.radians(degrees).T
        origin, turn = math.radians(self.latitude), longitude - math.radians(self.longitude)
        half = np.sin((latitude - origin) / 2) ** 2
        half += math.cos(origin) * np.cos(latitude) * np.sin(turn / 2) ** 2
        distance = 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(half, 1.0)))
        east = np.cos(latitude) * np.sin(turn)
        north = math.cos(origin) * np.sin(latitude) - math.sin(origin) * np.cos(latitude) * np.cos(turn)
        bearing = np.arctan2(east, north)
        return np.column_stack([distance * np.sin(bearing), distance * np.cos(bearing)])


def sites(
    connection: duckdb.DuckDBPyConnection,
    target: str,
    *,
    park: str | None = None,
    status: Status | None = None,
    near: Near | None = None,
    with_polygons: bool = False,
) -> pa.Table:
    """Return the woodlands that stand, by id, or by `distance_km` where a point is given.

    Each with its area (ha), a point inside it, its last season with mean and sd in the target's unit, and
    the level of the surest alert that stands. A distance is that of the polygon's nearest point.
    """
    chosen = {"target": target, "park": park, "status": status, "box": near and shapely.to_wkb(near.box)}
    with refusals("sites"):
        found = connection.sql(query("sites"), params=chosen)
        kept = [name for name in found.columns if name != GEOMETRY or near or with_polygons]
        table = found.select(*map(duckdb.ColumnExpression, kept)).to_arrow_table()
    if near:
        table = _nearest(table, near)
    return table if with_polygons or near is None else table.drop_columns([GEOMETRY])


def find_woodland(connection: duckdb.DuckDBPyConnection, asked: str) -> str:
    """Return the id of the one woodland with that id, inventory id or name; WarehouseError unless one has."""
    with refusals(f"woodland {asked!r}"):
        rows = connection.execute(query("woodlands_named"), {"asked": asked}).fetchall()
    found = [str(name) for (name,) in rows]
    if len(found) == 1:
        return found[0]
    trouble = f"{len(found)} woodlands have that name: {', '.join(found)}"
    raise WarehouseError(f"woodland {asked!r}: {trouble if found else 'not in the warehouse'}")


def family(connection: duckdb.DuckDBPyConnection, woodland_id: str) -> tuple[str, ...]:
    """Return the ids that a woodland led to, or that led to it, by id, its own left out."""
    with refusals(f"woodland {woodland_id!r}"):
        found = connection.execute(query("family"), {"id": woodland_id}).fetchall()
    return tuple(str(name) for (name,) in found)


def _nearest(table: pa.Table, near: Near) -> pa.Table:
    polygons = shapely.from_wkb(np.array(table[GEOMETRY].to_pylist(), np.object_))
    distance = near.distances_km(polygons)
    table = table.add_column(_DISTANCE_AT, "distance_km", pa.array(distance))
    inside = np.flatnonzero(distance <= near.within_km)
    return table.take(inside[np.argsort(distance[inside], kind="stable")])
