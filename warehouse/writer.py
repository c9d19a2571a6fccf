"""The one writer: every change to the warehouse, each in one transaction, each repeatable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from pathlib import Path

import duckdb
import pyarrow as pa

from monitoring.alerts.events import AlertEvent
from monitoring.scenes import Scene
from monitoring.woodlands import Woodland
from warehouse import records
from warehouse.columns import columns_of, settled
from warehouse.database import begin, connect, transaction
from warehouse.lease import Lease
from warehouse.migrate import migrate
from warehouse.publish import copy_snapshot, write_lease
from warehouse.reader import Reader
from warehouse.recording.alert_log import events_to_add
from warehouse.recording.batch import Batch, changed
from warehouse.recording.cards import refuse_other_models
from warehouse.recording.serving import CLUSTER_AFTER, Serving
from warehouse.staging import read_columns


@contextmanager
def open_writer(path: Path, *, now: datetime, wait_s: float = 0.0) -> Iterator[Writer]:
    """Open the warehouse for writing, made or migrated as needed, while holding its lease.

    LeaseHeldError names the holder when the lease is not free within `wait_s` seconds; MigrationError when
    the file's schema is not one this version knows. `now` dates the migrations.
    """
    with write_lease(path, wait_s=wait_s) as held:
        begin(path)
        with connect(path, read_only=False, held=held) as connection:
            migrate(connection, now=now, held=held)
            yield Writer(connection, held)


class Writer:
    """An open warehouse. Each method is one transaction and returns the number of rows it added.

    What is already recorded under a key is left as it is, so repeating a call adds nothing. Anything the
    schema refuses raises WarehouseError and leaves the warehouse as it was. Inside `as_one` the calls are one
    transaction together.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, held: Lease | None = None) -> None:
        self._connection = connection
        self._held = held
        self._serving = Serving(connection)
        self._is_inside = False

    @contextmanager
    def as_one(self, subject: str) -> Iterator[None]:
        """Commit all that is recorded inside as one; on any error nothing of it is there.

        The serving tables catch up once, at the end.
        """
        if self._is_inside:
            yield
            return
        self._is_inside = True
        try:
            with transaction(self._connection, subject, self._held), self._serving.kept_up():
                yield
        finally:
            self._is_inside = False

    def load_woodlands(self, woodlands: Sequence[Woodland], *, now: datetime) -> int:
        """Record woodlands and their parks; one whose recorded polygon or attributes differ is refused.

        A history belongs to a polygon, so a changed polygon needs an id of its own.
        """
        batch = self._batch([records.WoodlandRow.of(woodland) for woodland in woodlands])
        with self.as_one("woodlands"):
            batch.refuse("changed_woodlands")
            batch.add("park", now=now)
            added = batch.add("woodland", now=now)
            if added:
                batch.add("first_release", now=now)
                batch.add("first_version")
                self._serving.renew_woodlands()
            return added

    def load_release(
        self,
        release: records.ReleaseRow,
        versions: Sequence[records.WoodlandVersionRow],
        lineage: Sequence[records.LineageRow],
        *,
        now: datetime,
    ) -> int:
        """Record a release of the inventory: the versions it brings and what became of the woodlands before.

        A release of that id with another file, day or number of woodlands is refused; the same again adds
        nothing.
        """
        named, brought = self._batch([release]), self._batch(versions)
        with self.as_one(f"release {release.id}"):
            named.refuse("other_release")
            if not named.add("release", now=now):
                return 0
            brought.add("park", now=now)
            brought.add("released_woodland", now=now)
            added = brought.add("woodland_version", now=now) + self._load(lineage, now)
            self._serving.renew_woodlands()
            return 1 + added

    def load_scenes(self, block_id: str, season: str, scenes: Sequence[Scene], *, now: datetime) -> int:
        """Record which scenes a season of a block was estimated from; a block never mixes sources."""
        return self.load_season_scenes(season, {block_id: scenes}, now=now)

    def load_season_scenes(
        self, season: str, by_block: Mapping[str, Sequence[Scene]], *, now: datetime
    ) -> int:
        """Record which scenes a season of each block was estimated from; a block never mixes sources."""
        used = self._batch(records.SeasonSceneRow.of_blocks(season, by_block))
        with self.as_one(f"scenes of {season}"):
            used.refuse("second_sources")
            self._load(records.SceneRow.of_scenes(chain(*by_block.values())), now)
            return used.add("season_scene", now=now)

    def load_models(self, models: Sequence[records.ModelRow], *, now: datetime) -> int:
        """Record model cards, and new wordings of cards recorded before.

        A card that is another model than the recorded one of its id is refused; see
        `warehouse.recording.cards`.
        """
        rows = settled(models)
        batch = Batch(self._connection, rows)
        with self.as_one("model cards"):
            refuse_other_models(rows, batch.found("recorded_cards"))
            return batch.add("model_card", now=now) + batch.add("card_wording", now=now)

    def record_run(self, run: records.RunRow) -> int:
        """Record an execution as it starts; every later row names it."""
        with self.as_one(records.RunRow.TABLE):
            return self._batch([run]).add(records.RunRow.TABLE)

    def finish_run(self, run_id: str, status: str, *, now: datetime) -> int:
        """Close a run as `finished` or `failed`; a run already closed stays as it was."""
        with self.as_one(f"run {run_id}"):
            return changed(self._connection, "finish_run", run_id=run_id, status=status, now=now)

    def load_estimates(self, path: Path, *, now: datetime) -> int:
        """Record the estimates of a staging file, and name their model as the one that speaks now.

        One that names no boundary is of the polygon that its woodland's history is of.
        """
        subject = f"staged estimates {path}"
        batch = Batch(self._connection, read_columns(path, records.EstimateRow), subject)
        with self.as_one(subject):
            batch.refuse("mixed_models", "contradicted_estimates", "unknown_estimates")
            added = batch.add("estimate", now=now)
            for model in batch.found("models_of_batch"):
                self.choose_model(**model, now=now)
            self._serving.touch(batch.values("season") if added else ())
            return added

    def choose_model(
        self, target: str, encoder: str, head: str, config_hash: str, *, run_id: str, now: datetime
    ) -> int:
        """Name the model whose estimates the views show for a target; adds nothing when it speaks already."""
        model = {"target": target, "encoder": encoder, "head": head, "config_hash": config_hash}
        with self.as_one(f"model of {target}"):
            added = changed(self._connection, "choose_model", **model, run_id=run_id, now=now)
            if added:
                self._serving.touch_target(target)
            return added

    def load_trends(self, trends: Sequence[records.TrendRow], *, now: datetime) -> int:
        """Record trends; all of one assessment belong in one call."""
        return self._load(trends, now)

    def load_contrasts(self, contrasts: Sequence[records.ContrastRow], *, now: datetime) -> int:
        """Record contrasts."""
        return self._load(contrasts, now)

    def load_alerts(self, alerts: Sequence[records.AlertRow], *, now: datetime) -> int:
        """Record alerts; the trend that each rests on, unless it is PROVISIONAL, must be recorded before."""
        batch = self._batch(alerts)
        with self.as_one("alert"):
            batch.refuse("alerts_without_trend")
            return batch.add("alert", now=now)

    def load_alert_events(self, events: Sequence[AlertEvent], *, now: datetime) -> int:
        """Add events to the lives of recorded alerts, those already recorded left out.

        Nothing recorded changes: another event in the place of a recorded one, a gap, or what cannot happen
        to an alert where its life has led is refused, and the whole batch with it.
        """
        with self.as_one("alert_event"):
            fresh = events_to_add(self.reader.alert_events(), events) if events else ()
            batch = self._batch([records.AlertEventRow(event) for event in fresh])
            batch.refuse("unknown_alerts")
            return batch.add("alert_event", now=now)

    def record_look(
        self, alerts: Sequence[records.AlertRow], events: Sequence[AlertEvent], *, now: datetime
    ) -> int:
        """Record the alerts of one look and what it adds to the lives of alerts: all of it, or nothing."""
        with self.as_one("alerts of a look"):
            return self.load_alerts(alerts, now=now) + self.load_alert_events(events, now=now)

    def count_look(self, assessment: records.Assessment, *, now: datetime) -> int:
        """Count an assessment among the yearly looks at its target; a season counts once."""
        look = {name: getattr(assessment, name) for name in ("target", "season", "encoder", "head", "run_id")}
        with self.as_one(f"look at {assessment.season}"):
            return changed(self._connection, "count_look", **look, now=now)

    def load_park_trends(self, trends: Sequence[records.ParkTrendRow], *, now: datetime) -> int:
        """Record trends of parks; all of one assessment belong in one call."""
        return self._load(trends, now)

    def load_balances(self, balances: Sequence[records.BalanceRow], *, now: datetime) -> int:
        """Record how alike ancient and matched other woodland are."""
        return self._load(balances, now)

    def load_gate_findings(self, findings: Sequence[records.GateFindingRow], *, now: datetime) -> int:
        """Record what the gates found; all of one assessment belong in one call."""
        return self._load(findings, now)

    def load_corroborations(self, evidence: Sequence[records.CorroborationRow], *, now: datetime) -> int:
        """Record evidence other than richness; all of one assessment belongs in one call."""
        return self._load(evidence, now)

    def load_weather_years(self, years: Sequence[records.WeatherYearRow], *, now: datetime) -> int:
        """Record days of heat and drought; all of one assessment belong in one call."""
        return self._load(years, now)

    def load_calibration(self, calibration: records.CalibrationRow, *, now: datetime) -> int:
        """Record simulated error rates of the alert rule."""
        return self._load([calibration], now)

    def load_quality(self, checks: Sequence[records.QualityRow], *, now: datetime) -> int:
        """Record results of quality gates."""
        return self._load(checks, now)

    def quarantine(self, refused: Sequence[records.QuarantineRow], *, now: datetime) -> int:
        """Record what a quality gate refused."""
        return self._load(refused, now)

    def load_reports(self, reports: Sequence[records.ReportRow], *, now: datetime) -> int:
        """Record reports that were written."""
        return self._load(reports, now)

    def load_report_alerts(self, alerts: Sequence[records.ReportAlertRow], *, now: datetime) -> int:
        """Record which alerts reports told of."""
        return self._load(alerts, now)

    def load_promotion(self, promotion: records.PromotionRow, *, now: datetime) -> int:
        """Record that a model was let speak for a target, and the difference that was seen beforehand."""
        return self._load([promotion], now)

    def load_completeness(self, streams: Sequence[records.CompletenessRow], *, now: datetime) -> int:
        """Record the streams of block-seasons whose finding changed; all streams of one in one call."""
        return self._load(streams, now)

    def load_block_seasons(self, standings: Sequence[records.BlockSeasonRow], *, now: datetime) -> int:
        """Record how block-seasons stand, where that changed; one that is not complete is not final."""
        with self.as_one(records.BlockSeasonRow.TABLE):
            added = self._load(standings, now)
            self._serving.touch({row.season for row in standings} if added else ())
            return added

    def load_observations(self, counts: Sequence[records.ObservationRow] | pa.Table, *, now: datetime) -> int:
        """Record what was seen of woodlands in a season, where it was counted otherwise before.

        Rows, or a table of exactly their columns.
        """
        rows = counts if isinstance(counts, pa.Table) else columns_of(counts, records.ObservationRow)
        batch = Batch(self._connection, rows, "counts")
        with self.as_one(records.ObservationRow.TABLE):
            batch.refuse("contradicted_observations", "unknown_observations")
            added = batch.add("season_observation", now=now)
            self._serving.touch(batch.values("season") if added else ())
            return added

    def load_indices(self, path: Path, *, run_id: str, now: datetime) -> int:
        """Record the vegetation indices of a staging file, where new or changed, as found by a run."""
        subject = f"staged {records.IndexRow.TABLE}s {path}"
        batch = Batch(self._connection, read_columns(path, records.IndexRow), subject)
        with self.as_one(subject):
            batch.refuse("contradicted_indices")
            return batch.add("index_observation", run_id=run_id, now=now)

    def load_asset_failures(self, failures: Sequence[records.AssetFailureRow], *, now: datetime) -> int:
        """Record assets that could not be read, or that came through after all, where that changed."""
        return self._load(failures, now)

    def cluster(self, after: int = CLUSTER_AFTER) -> int:
        """Bring the histories into the order of woodlands where `after` seasons or more are out of it.

        A history is then read in one piece. Returns how many seasons were out of order; changes no row.
        """
        with self.as_one("order of the histories"):
            return self._serving.cluster() if self._serving.seasons_out_of_order >= after else 0

    def publish(self, published: Path) -> Path:
        """Replace the published snapshot with the present content; see `warehouse.publish.publish`."""
        return copy_snapshot(self._connection, published, held=self._held)

    @property
    def reader(self) -> Reader:
        """What the warehouse holds now, which may be more than the published snapshot shows."""
        return Reader(self._connection)

    def _load(self, rows: Sequence[records.Row], now: datetime) -> int:
        """Add rows of one type that nothing but the schema refuses."""
        if not rows:
            return 0
        name = rows[0].TABLE
        with self.as_one(name):
            return self._batch(rows).add(name, now=now)

    def _batch(self, rows: Sequence[records.Row]) -> Batch:
        return Batch(self._connection, settled(rows))
