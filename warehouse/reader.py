"""The reader: everything the rest of the service asks of a warehouse, read-only."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import shapely
from numpy.typing import NDArray

from monitoring.alerts.alert import Level
from monitoring.alerts.events import AlertEvent, EventKind, FieldResult
from monitoring.alerts.life import AlertState, states_of
from monitoring.errors import WarehouseError
from monitoring.gates.seen import SeenYears
from monitoring.seasons import Season
from monitoring.trends.histories import RichnessSeries
from monitoring.woodlands import Status, Woodland
from warehouse.answering.answers import CRS, Record, history_query, moment, rows
from warehouse.answering.tables import Tables
from warehouse.columns import build
from warehouse.database import connect
from warehouse.migrate import refuse_other_schema
from warehouse.records import EstimateKey, WoodlandRow
from warehouse.snapshots import advised

if TYPE_CHECKING:
    import geopandas as gpd

__all__ = ["Reader", "Record", "read", "refuse_mix"]


@contextmanager
def read(path: Path | str) -> Iterator[Reader]:
    """Open a published snapshot (or a warehouse nobody writes to) for reading.

    WarehouseError for a file that is missing, not a warehouse or being written; MigrationError for one of
    another schema. The snapshot opened stays what it was however often a newer one is published.
    """
    path = Path(path)
    with advised(path), opened(path) as connection:
        yield Reader(connection)


@contextmanager
def opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Connect to a warehouse or snapshot read-only; errors as `read`, without its advice."""
    if not path.is_file():
        raise WarehouseError(f"warehouse {path}: no such file; nothing has been published there yet")
    with connect(path, read_only=True) as connection:
        refuse_other_schema(connection)
        yield connection


class Reader:
    """An open snapshot. An argument left None asks for all.

    The methods give plain rows or values; `tables` gives the same and more as pandas, Arrow or GeoDataFrames.
    `as_of`, an aware datetime, asks for what was known then.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The connection it reads through, for those who hand out whole views."""
        return self._connection

    @property
    def tables(self) -> Tables:
        """The same questions with answers for notebooks: `reader.tables.history("W-17").pandas()`."""
        return Tables(self._connection)

    def history(
        self,
        woodland_id: str | None = None,
        target: str | None = None,
        *,
        season: str | None = None,
        park: str | None = None,
        as_of: datetime | None = None,
    ) -> tuple[Record, ...]:
        """Rows of `site_history`, by woodland, target and season."""
        chosen = {"woodland_id": woodland_id, "target": target, "season": season, "park": park}
        return self._rows(history_query(woodland_id, as_of), as_of, **chosen)

    def estimate(self, woodland_id: str, season: str, target: str | None = None) -> tuple[Record, ...]:
        """Every estimate recorded of a woodland and season, by target, oldest first.

        `is_current` tells the one that holds, `superseded_by` in words why another does not.
        """
        return self._rows("estimates", woodland_id=woodland_id, season=season, target=target)

    def series(
        self, target: str, *, park: str | None = None, up_to: Season | None = None
    ) -> tuple[RichnessSeries, ...]:
        """The annual history of each woodland, final seasons only, ready for the trend tests.

        A season whose block is recorded as under its floor is not final, so its year is not in the series;
        one that is not applicable is among the years `outside`. `up_to` is the last season included.
        WarehouseError rather than a series of two models.
        """
        rows = self._rows("series", target=target, park=park, up_to=up_to.id if up_to else None)
        refuse_mix(rows)
        by_woodland = itertools.groupby(rows, key=lambda row: str(row["woodland_id"]))
        return tuple(_series(woodland_id, list(members)) for woodland_id, members in by_woodland)

    def anchor_series(self, target: str, season: Season) -> tuple[RichnessSeries, ...]:
        """The seasons of each woodland that end with the same quarter, up to `season`: a year apart."""
        rows = self._rows("anchor_series", target=target, quarter=season.id[-1], up_to=season.id)
        refuse_mix(rows)
        by_woodland = itertools.groupby(rows, key=lambda row: str(row["woodland_id"]))
        return tuple(_series(woodland_id, list(members)) for woodland_id, members in by_woodland)

    def seen_years(self, target: str, *, up_to: Season) -> tuple[SeenYears, ...]:
        """What lies behind the annual estimates of each woodland, final seasons only."""
        rows = self._rows("seen_years", target=target, up_to=up_to.id)
        by_woodland = itertools.groupby(rows, key=lambda row: str(row["woodland_id"]))
        return tuple(_seen(woodland_id, list(members)) for woodland_id, members in by_woodland)

    def trends(self, target: str | None = None, *, park: str | None = None) -> tuple[Record, ...]:
        """Rows of `latest_trend`, by target and woodland."""
        return self._rows("trends", target=target, park=park)

    def contrasts(self, target: str | None = None, *, park: str | None = None) -> tuple[Record, ...]:
        """Rows of `latest_contrast`, by target and park."""
        return self._rows("contrasts", target=target, park=park)

    def alerts(self, target: str | None = None, *, park: str | None = None) -> tuple[Record, ...]:
        """Rows of `open_alert`, those that stand: the surest first, then the largest loss."""
        return self._rows("alerts", target=target, park=park)

    def alert_states(
        self,
        target: str | None = None,
        *,
        park: str | None = None,
        level: str | None = None,
        state: str | None = None,
    ) -> tuple[Record, ...]:
        """Rows of `alert_state`, dismissed and ended ones too, in the order of `alerts`."""
        return self._rows("alert_states", target=target, park=park, level=level, state=state)

    def alert_events(
        self, target: str | None = None, *, alert_id: str | None = None
    ) -> tuple[AlertEvent, ...]:
        """What happened to alerts, by alert and number."""
        return tuple(_event(row) for row in self._rows("alert_events", target=target, alert_id=alert_id))

    def alert_lives(self, target: str) -> dict[str, AlertState]:
        """Where the events of each alert of a target led, by alert id: what a look goes by."""
        return states_of(self.alert_events(target))

    def looks(self, target: str | None = None) -> tuple[Record, ...]:
        """Yearly looks, by target and number."""
        return self._rows("looks", target=target)

    def look_number(self, target: str, season: str) -> int:
        """The number of the look at a final season: the one it has, or would have after those before it."""
        numbers = {str(row["season"]): int(row["number"]) for row in self.looks(target)}
        return numbers.get(season, 1 + sum(earlier < season for earlier in numbers))

    def park_trends(self, target: str | None = None) -> tuple[Record, ...]:
        """Rows of `latest_park_trend`, by target, the whole first, park, class and weighting."""
        return self._rows("park_trends", target=target)

    def balances(self, target: str | None = None) -> tuple[Record, ...]:
        """Rows of `latest_balance`, by target, park and property."""
        return self._rows("balances", target=target)

    def gate_findings(self, target: str | None = None) -> tuple[Record, ...]:
        """Rows of `latest_gate_finding`, by target, gate and scope; `figures` as JSON text."""
        return self._rows("gate_findings", target=target)

    def corroborations(
        self, target: str | None = None, *, woodland_id: str | None = None
    ) -> tuple[Record, ...]:
        """Rows of `latest_corroboration`, by target, woodland and kind."""
        return self._rows("corroborations", target=target, woodland_id=woodland_id)

    def weather_years(
        self, target: str | None = None, *, woodland_id: str | None = None
    ) -> tuple[Record, ...]:
        """Rows of `latest_weather_year`, by target, woodland and year."""
        return self._rows("weather_years", target=target, woodland_id=woodland_id)

    def calibrations(self) -> tuple[Record, ...]:
        """Calibrations of the alert rule, oldest first; `figures` as JSON text."""
        return self._rows("calibrations")

    def past_alerts(self, alert_id: str) -> tuple[Record, ...]:
        """Every time one event was alerted, in season order."""
        return self._rows("past_alerts", id=alert_id)

    def parks(self) -> tuple[Record, ...]:
        """Each park with n_woodlands, n_ancient and area_ha; an empty name stands for no park."""
        return self._rows("parks")

    def park_summary(
        self,
        target: str | None = None,
        *,
        park: str | None = None,
        season: str | None = None,
        as_of: datetime | None = None,
    ) -> tuple[Record, ...]:
        """Rows of `park_summary`: by park, ancient before other, season."""
        return self._rows("park_summary", as_of, target=target, park=park, season=season)

    def woodlands(self, park: str | None = None, *, as_of: datetime | None = None) -> gpd.GeoDataFrame:
        """The woodlands that stand, by id, with their polygons in EPSG:4326."""
        import geopandas as gpd
        import pandas as pd

        columns = [field.name for field in dataclasses.fields(WoodlandRow)]
        frame = pd.DataFrame(list(self._rows("woodlands", as_of, park=park)), columns=columns)
        return gpd.GeoDataFrame(frame, geometry=shapely.from_wkb(frame["geometry"]), crs=CRS)

    def releases(self) -> tuple[Record, ...]:
        """Releases of the woodland inventory, in the order they were loaded."""
        return self._rows("releases")

    def lineage(self, woodland_id: str | None = None) -> tuple[Record, ...]:
        """Rows of `woodland_lineage`: of a woodland, of those it comes from and those it led to."""
        return self._rows("lineage", woodland_id=woodland_id)

    def successors(self, woodland_id: str | None = None) -> tuple[Record, ...]:
        """Rows of `woodland_successor`: the present woodlands an id leads to, the largest share first."""
        return self._rows("successors", woodland_id=woodland_id)

    def woodland_values(self, park: str | None = None) -> tuple[Woodland, ...]:
        """The woodlands by id, as they were loaded."""
        return tuple(woodland_of(row) for row in self._rows("woodlands", park=park))

    def scenes(self, *, season: str | None = None, block_id: str | None = None) -> tuple[Record, ...]:
        """Which scenes each season of a block was estimated from, in time order."""
        return self._rows("scenes", season=season, block_id=block_id)

    def completeness(self, season: str | None = None, block_id: str | None = None) -> tuple[Record, ...]:
        """Rows of `latest_completeness`: passes expected and found, by season, block and stream."""
        return self._rows("completeness", season=season, block_id=block_id)

    def standing(self, season: str | None = None, *, park: str | None = None) -> tuple[Record, ...]:
        """Rows of `season_standing`, by season and block; a park's blocks are those it has estimates in."""
        return self._rows("standing", season=season, park=park)

    def missing(self, season: str | None = None, *, park: str | None = None) -> tuple[Record, ...]:
        """Passes expected and found and the missing share, NaN where unknown, by season and sensor."""
        return self._rows("missing", season=season, park=park)

    def observations(self, season: str | None = None) -> tuple[Record, ...]:
        """What was seen of each woodland in a season, as last counted, by season, woodland and inputs."""
        return self._rows("observations", season=season)

    def index_history(
        self, woodland_id: str | None = None, index_name: str | None = None, *, park: str | None = None
    ) -> tuple[Record, ...]:
        """Rows of `index_history`: growing-season medians, by woodland, index and year."""
        return self._rows("index_history", woodland_id=woodland_id, index_name=index_name, park=park)

    def index_months(
        self, woodland_id: str | None = None, index_name: str | None = None
    ) -> tuple[Record, ...]:
        """Rows of `index_month`: monthly medians, by woodland, index, year and month."""
        return self._rows("index_months", woodland_id=woodland_id, index_name=index_name)

    def asset_failures(self, season: str | None = None, *, park: str | None = None) -> tuple[Record, ...]:
        """Rows of `asset_standing`: assets that could not be read at some time, with their present state."""
        return self._rows("asset_failures", season=season, park=park)

    def quality(self, season: str | None = None) -> tuple[Record, ...]:
        """The latest result of each expectation of the quality gates."""
        return self._rows("quality", season=season)

    def quarantined(self, season: str | None = None) -> tuple[Record, ...]:
        """What the quality gates refused, with reasons."""
        return self._rows("quarantined", season=season)

    def runs(self) -> tuple[Record, ...]:
        """Executions, oldest first; `finished_at` is None for one that runs or was killed."""
        return self._rows("runs")

    def models(self) -> tuple[Record, ...]:
        """Model cards recorded."""
        return self._rows("models")

    def current_models(self) -> tuple[Record, ...]:
        """The model that speaks for each target."""
        return self._rows("current_models")

    def promotions(self, target: str | None = None) -> tuple[Record, ...]:
        """Models let speak for a target, oldest first; `figures` and `woodlands` as JSON text."""
        return self._rows("promotions", target=target)

    def reports(self) -> tuple[Record, ...]:
        """Reports written."""
        return self._rows("reports")

    def estimate_keys(self, season: str | None = None) -> frozenset[EstimateKey]:
        """Keys of all estimates recorded: what need not be computed again."""
        return frozenset(build(EstimateKey, row) for row in self._rows("estimate_keys", season=season))

    def dictionary(self) -> tuple[Record, ...]:
        """Every column of every table and view, with its type and comment, and the comment of the whole."""
        return self._rows("dictionary")

    def _rows(self, name: str, as_of: datetime | None = None, **parameters: str | None) -> tuple[Record, ...]:
        """Return the rows of a query, or of its `_as_of` variant at a moment."""
        if as_of is None:
            return rows(self._connection, name, **parameters)
        return rows(self._connection, f"{name}_as_of", moment=moment(as_of), **parameters)


def refuse_mix(rows: Sequence[Record]) -> None:
    """Raise WarehouseError when rows of one series come from more than one model.

    The views already show one model per target; this stands guard should a view ever cease to.
    """
    models = sorted({(str(r["encoder"]), str(r["head"]), str(r["config_hash"])) for r in rows})
    if len(models) > 1:
        raise WarehouseError(f"series: models {' and '.join('/'.join(model) for model in models)} never mix")


def _event(row: Record) -> AlertEvent:
    kind, level, found = EventKind(row["kind"]), Level(row["level"]), row["result"]
    result = FieldResult(found) if found else None
    return AlertEvent(**{**row, "kind": kind, "level": level, "result": result})


def _series(woodland_id: str, rows: Sequence[Record]) -> RichnessSeries:
    inside = [row for row in rows if row["is_applicable"]]
    return RichnessSeries(
        woodland_id=woodland_id,
        years=_years(inside),
        mean=np.array([row["mean"] for row in inside], np.float64),
        sd=np.array([row["sd"] for row in inside], np.float64),
        outside=_years([row for row in rows if not row["is_applicable"]]),
        sd_year=np.array([row["sd_year"] for row in inside], np.float64),
    )


def _seen(woodland_id: str, rows: Sequence[Record]) -> SeenYears:
    names = ("n_s2", "n_s1_ascending", "n_s1_descending", "leaf_on_share", "applicable_share")
    columns = {name: np.array([row[name] for row in rows], np.float64) for name in names}
    return SeenYears(woodland_id, _years(rows), **columns)


def _years(rows: Sequence[Record]) -> NDArray[np.int64]:
    return np.array([Season.parse(row["season"]).year for row in rows], np.int64)


def woodland_of(row: Record) -> Woodland:
    """Return the woodland that a row of its columns, with the polygon as WKB, tells of."""
    return Woodland(
        id=row["id"],
        name=row["name"],
        park=row["park"],
        status=Status(row["status"]),
        geometry=shapely.from_wkb(row["geometry"]),
        area_ha=row["area_ha"],
        repaired=row["repaired"],
    )
