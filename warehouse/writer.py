"""The one writer: every change to the warehouse, each in one transaction, each repeatable."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import shapely

from monitoring.alerts.life import AlertEvent
from monitoring.errors import WarehouseError
from monitoring.scenes import Scene
from monitoring.woodlands import Woodland
from warehouse.alert_log import events_to_add
from warehouse.cards import other_identity
from warehouse.columns import settled, table, utc
from warehouse.database import connect, query, transaction
from warehouse.lease import lease
from warehouse.migrate import migrate
from warehouse.publish import copy_snapshot, lease_path
from warehouse.reader import Reader
from warehouse.records import (
    AlertEventRow,
    AlertRow,
    Assessment,
    AssetFailureRow,
    BalanceRow,
    BlockSeasonRow,
    CalibrationRow,
    CompletenessRow,
    ContrastRow,
    CorroborationRow,
    GateFindingRow,
    IndexRow,
    ModelRow,
    ObservationRow,
    ParkTrendRow,
    QualityRow,
    QuarantineRow,
    ReportRow,
    Row,
    RunRow,
    SceneRow,
    SeasonSceneRow,
    TrendRow,
    WeatherYearRow,
    WoodlandRow,
)
from warehouse.staging import read_columns, read_estimates


@contextmanager
def open_writer(path: Path, *, now: datetime, wait_s: float = 0.0) -> Iterator[Writer]:
    """Open the warehouse for writing, made or migrated as needed, while holding its lease.

    LeaseHeldError names the holder when the lease is not free within `wait_s` seconds; MigrationError when
    the file's schema is not one this version knows. `now` dates the migrations.
    """
    with lease(lease_path(path), wait_s=wait_s), connect(path, read_only=False) as connection:
        migrate(connection, now=now)
        yield Writer(connection)


class Writer:
    """An open warehouse. Each method is one transaction and returns the number of rows it added.

    What is already recorded under a key is left as it is, so repeating a call adds nothing. Anything the
    schema refuses raises WarehouseError and leaves the warehouse as it was.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def load_woodlands(self, woodlands: Sequence[Woodland], *, now: datetime) -> int:
        """Record woodlands and their parks; one whose recorded polygon or attributes differ is refused.

        A history belongs to a polygon, so a changed polygon needs an id of its own.
        """
        rows = settled([_woodland_row(woodland) for woodland in woodlands])
        parks = [{"name": park} for park in sorted({w.park for w in woodlands} - {""})]
        with transaction(self._connection, "woodlands"):
            self._refuse_changed("changed_woodlands", "woodland", rows)
            self._insert("park", parks, now)
            return self._insert("woodland", rows, now)

    def load_scenes(self, block_id: str, season: str, scenes: Sequence[Scene], *, now: datetime) -> int:
        """Record which scenes a season of a block was estimated from; a block never mixes sources."""
        used = [SeasonSceneRow(season, block_id, scene.source, scene.id) for scene in scenes]
        with transaction(self._connection, f"scenes of {block_id} {season}"):
            self._refuse_second_source(block_id, scenes)
            self._insert("scene", settled([_scene_row(scene) for scene in scenes]), now)
            return self._insert("season_scene", settled(used), now)

    def load_models(self, models: Sequence[ModelRow], *, now: datetime) -> int:
        """Record model cards, and new wordings of cards recorded before.

        A card that is another model than the recorded one of its id is refused; see `warehouse.cards`.
        """
        rows = settled(models)
        with transaction(self._connection, "model cards"):
            self._refuse_other_models(rows)
            return self._insert("model_card", rows, now) + self._insert("card_wording", rows, now)

    def record_run(self, run: RunRow) -> int:
        """Record an execution as it starts; every later row names it."""
        return self._load([run], run.started_at)

    def finish_run(self, run_id: str, status: str, *, now: datetime) -> int:
        """Close a run as `finished` or `failed`; a run already closed stays as it was."""
        with transaction(self._connection, f"run {run_id}"):
            return self._count("finish_run", {"run_id": run_id, "status": status, "now": utc(now)})

    def load_estimates(self, path: Path, *, now: datetime) -> int:
        """Record the estimates of a staging file, and name their model as the one that speaks now."""
        rows = read_estimates(path)
        models = {(row.target, row.encoder, row.head, row.config_hash): row.run_id for row in rows}
        if len(models) > len({target for target, *_ in models}):
            raise WarehouseError(f"staged estimates {path}: two models for one target never mix")
        with transaction(self._connection, f"staged estimates {path}"):
            added = self._insert("estimate", settled(rows), now)
            for (target, encoder, head, config_hash), run_id in models.items():
                self._choose_model(target, encoder, head, config_hash, run_id, now)
            return added

    def choose_model(
        self, target: str, encoder: str, head: str, config_hash: str, *, run_id: str, now: datetime
    ) -> int:
        """Name the model whose estimates the views show for a target; adds nothing when it speaks already."""
        with transaction(self._connection, f"model of {target}"):
            return self._choose_model(target, encoder, head, config_hash, run_id, now)

    def load_trends(self, trends: Sequence[TrendRow], *, now: datetime) -> int:
        """Record trends; all of one assessment belong in one call."""
        return self._load(trends, now)

    def load_contrasts(self, contrasts: Sequence[ContrastRow], *, now: datetime) -> int:
        """Record contrasts."""
        return self._load(contrasts, now)

    def load_alerts(self, alerts: Sequence[AlertRow], *, now: datetime) -> int:
        """Record alerts; the trend that each rests on, unless it is PROVISIONAL, must be recorded before."""
        with transaction(self._connection, "alert"):
            return self._insert_alerts(alerts, now)

    def load_alert_events(self, events: Sequence[AlertEvent], *, now: datetime) -> int:
        """Add events to the lives of recorded alerts, those already recorded left out.

        Nothing recorded changes: another event in the place of a recorded one, a gap, or what cannot happen
        to an alert where its life has led is refused, and the whole batch with it.
        """
        with transaction(self._connection, "alert_event"):
            return self._insert_events(events, now)

    def record_look(self, alerts: Sequence[AlertRow], events: Sequence[AlertEvent], *, now: datetime) -> int:
        """Record the alerts of one look and what it adds to the lives of alerts: all of it, or nothing."""
        with transaction(self._connection, "alerts of a look"):
            return self._insert_alerts(alerts, now) + self._insert_events(events, now)

    def count_look(self, assessment: Assessment, *, now: datetime) -> int:
        """Count an assessment among the yearly looks at its target; a season counts once."""
        names = ("target", "season", "encoder", "head", "run_id")
        look = {name: getattr(assessment, name) for name in names}
        with transaction(self._connection, f"look at {assessment.season}"):
            return self._count("count_look", {**look, "now": utc(now)})

    def load_park_trends(self, trends: Sequence[ParkTrendRow], *, now: datetime) -> int:
        """Record trends of parks; all of one assessment belong in one call."""
        return self._load(trends, now)

    def load_balances(self, balances: Sequence[BalanceRow], *, now: datetime) -> int:
        """Record how alike ancient and matched other woodland are."""
        return self._load(balances, now)

    def load_gate_findings(self, findings: Sequence[GateFindingRow], *, now: datetime) -> int:
        """Record what the gates found; all of one assessment belong in one call."""
        return self._load(findings, now)

    def load_corroborations(self, evidence: Sequence[CorroborationRow], *, now: datetime) -> int:
        """Record evidence other than richness; all of one assessment belongs in one call."""
        return self._load(evidence, now)

    def load_weather_years(self, years: Sequence[WeatherYearRow], *, now: datetime) -> int:
        """Record days of heat and drought; all of one assessment belong in one call."""
        return self._load(years, now)

    def load_calibration(self, calibration: CalibrationRow, *, now: datetime) -> int:
        """Record simulated error rates of the alert rule."""
        return self._load([calibration], now)

    def load_quality(self, checks: Sequence[QualityRow], *, now: datetime) -> int:
        """Record results of quality gates."""
        return self._load(checks, now)

    def quarantine(self, refused: Sequence[QuarantineRow], *, now: datetime) -> int:
        """Record what a quality gate refused."""
        return self._load(refused, now)

    def load_reports(self, reports: Sequence[ReportRow], *, now: datetime) -> int:
        """Record reports that were written."""
        return self._load(reports, now)

    def load_completeness(self, streams: Sequence[CompletenessRow], *, now: datetime) -> int:
        """Record the streams of block-seasons whose finding changed; all streams of one in one call."""
        return self._load(streams, now)

    def load_block_seasons(self, standings: Sequence[BlockSeasonRow], *, now: datetime) -> int:
        """Record how block-seasons stand, where that changed; one that is not complete is not final."""
        return self._load(standings, now)

    def load_observations(self, counts: Sequence[ObservationRow], *, now: datetime) -> int:
        """Record what was seen of woodlands in a season, where it was counted otherwise before."""
        return self._load(counts, now)

    def load_indices(self, path: Path, *, run_id: str, now: datetime) -> int:
        """Record the vegetation indices of a staging file, where new or changed, as found by a run."""
        subject = f"staged {IndexRow.TABLE}s {path}"
        batch = read_columns(path, IndexRow)
        with transaction(self._connection, subject):
            self._connection.register("batch", batch)
            self._refuse_contradictions(subject)
            return self._count("insert_index_observation", {"run_id": run_id, "now": utc(now)})

    def load_asset_failures(self, failures: Sequence[AssetFailureRow], *, now: datetime) -> int:
        """Record assets that could not be read, or that came through after all, where that changed."""
        return self._load(failures, now)

    def publish(self, published: Path) -> Path:
        """Replace the published snapshot with the present content; see `warehouse.publish.publish`."""
        return copy_snapshot(self._connection, published)

    @property
    def reader(self) -> Reader:
        """What the warehouse holds now, which may be more than the published snapshot shows."""
        return Reader(self._connection)

    def _insert_alerts(self, alerts: Sequence[AlertRow], now: datetime) -> int:
        rows = settled(alerts)
        if rows:
            self._connection.register("batch", table(rows))
            self._refuse_found(
                "alerts_without_trend", "alert of woodland {} at {}: its trend is not recorded"
            )
        return self._insert("alert", rows, now)

    def _insert_events(self, events: Sequence[AlertEvent], now: datetime) -> int:
        fresh = events_to_add(self.reader.alert_events(), events) if events else ()
        rows = settled([AlertEventRow(event) for event in fresh])
        if rows:
            self._connection.register("batch", table(rows))
            self._refuse_found("unknown_alerts", "alert {}: an event of an alert that is not recorded")
        return self._insert("alert_event", rows, now)

    def _refuse_found(self, name: str, refusal: str) -> None:
        found = self._connection.execute(query(name)).fetchone()
        if found:
            raise WarehouseError(refusal.format(*found))

    def _load(self, rows: Sequence[Row], now: datetime) -> int:
        if not rows:
            return 0
        name = rows[0].TABLE
        with transaction(self._connection, name):
            return self._insert(name, settled(rows), now)

    def _insert(self, name: str, rows: Sequence[Mapping[str, Any]], now: datetime) -> int:
        if not rows:
            return 0
        self._connection.register("batch", table(rows))
        return self._count(f"insert_{name}", {} if name == "run" else {"now": utc(now)})

    def _count(self, name: str, parameters: Mapping[str, Any]) -> int:
        (count,) = self._connection.execute(query(name), dict(parameters)).fetchone() or (0,)
        return int(count)

    def _choose_model(
        self, target: str, encoder: str, head: str, config_hash: str, run_id: str, now: datetime
    ) -> int:
        model = {"target": target, "encoder": encoder, "head": head, "config_hash": config_hash}
        return self._count("choose_model", {**model, "run_id": run_id, "now": utc(now)})

    def _refuse_changed(self, name: str, what: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if not rows:
            return
        self._connection.register("batch", table(rows))
        changed = [row_id for (row_id,) in self._connection.execute(query(name)).fetchall()]
        if changed:
            raise WarehouseError(
                f"{what} {changed[0]}: differs from the recorded one of that id ({len(changed)} such)"
            )

    def _refuse_contradictions(self, subject: str) -> None:
        twice = self._connection.execute(query("contradicted_indices")).fetchone()
        if twice:
            raise WarehouseError(f"{subject}: {'/'.join(twice)}: twice in one batch, not alike")

    def _refuse_other_models(self, rows: Sequence[Mapping[str, Any]]) -> None:
        stated = {row["id"]: row for row in rows}
        for recorded in self._recorded_cards(rows):
            difference = other_identity(recorded, stated[recorded["id"]])
            if difference:
                raise WarehouseError(
                    f"model card {recorded['id']}: differs from the recorded one of that id in {difference}"
                )

    def _recorded_cards(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
        if not rows:
            return []
        self._connection.register("batch", table(rows))
        found = self._connection.execute(query("recorded_cards"))
        columns = [column[0] for column in found.description]
        return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]

    def _refuse_second_source(self, block_id: str, scenes: Sequence[Scene]) -> None:
        sources = {scene.source for scene in scenes}
        for source in sorted(sources):
            found = self._connection.execute(query("other_sources"), {"block_id": block_id, "source": source})
            sources |= {other for (other,) in found.fetchall()}
        if len(sources) > 1:
            raise WarehouseError(f"block {block_id}: sources {' and '.join(sorted(sources))} never mix")


def _woodland_row(woodland: Woodland) -> WoodlandRow:
    inside = woodland.geometry.representative_point()
    return WoodlandRow(
        id=woodland.id,
        name=woodland.name,
        park=woodland.park,
        status=woodland.status,
        is_ancient=woodland.is_ancient,
        area_ha=woodland.area_ha,
        geometry=shapely.to_wkb(woodland.geometry),
        longitude=inside.x,
        latitude=inside.y,
        repaired=woodland.repaired,
    )


def _scene_row(scene: Scene) -> SceneRow:
    west, south, east, north = scene.bbox
    return SceneRow(
        source=scene.source,
        id=scene.id,
        collection=scene.collection,
        sensor=scene.sensor,
        platform=scene.platform,
        acquired_at=scene.acquired_at,
        acquisition=scene.acquisition,
        baseline=scene.baseline,
        offset_dn=scene.offset_dn,
        offset_rule=scene.offset_rule,
        epsg=scene.epsg,
        west=west,
        south=south,
        east=east,
        north=north,
        hrefs=json.dumps(dict(scene.hrefs), sort_keys=True),
        cloud_fraction=scene.cloud_fraction,
        relative_orbit=scene.relative_orbit or None,
        tile=scene.tile,
    )
