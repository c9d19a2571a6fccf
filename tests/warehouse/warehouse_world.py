"""A world small enough to check by eye: two woodlands, their scenes and nine years of estimates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from shapely import MultiPolygon, box

from monitoring.alerts.alert import Alert, Level
from monitoring.scenes import Scene, Sensor
from monitoring.trends.trend import Trend
from monitoring.woodlands import Status, Woodland
from warehouse.records import AlertRow, Assessment, EstimateRow, ModelRow, RunRow, TrendRow
from warehouse.staging import write_estimates
from warehouse.writer import Writer, open_writer

NOW = datetime(2026, 1, 15, 3, tzinfo=UTC)
NAN = float("nan")
#: As much of a run's choices as the views read.
SCIENCE = '{"estimation": {"min_applicable_share": 0.8}}'
WOODLANDS = (
    Woodland("a", "Ash Copse", "Vale", Status.ASNW, box(-1.8, 51.6, -1.7985, 51.601), 1.0),
    Woodland(
        "b",
        "Birch Holt",
        "Vale",
        Status.OTHER,
        MultiPolygon([box(-1.797, 51.6, -1.796, 51.601), box(-1.795, 51.6, -1.7945, 51.6005)]),
        3.0,
    ),
)
MODELS = (
    ModelRow("encoder", "encoder-1", "{}", "00"),
    ModelRow("head", "head-1", "{}", "00"),
    ModelRow("head", "head-2", "{}", "00"),
)
RUN = RunRow("run-1", "2025-Q4", "config-1", SCIENCE, "0.1.0", NOW)


def scene(number: int, sensor: Sensor = Sensor.S2, source: str = "simulated") -> Scene:
    """Scene `number` of a sensor, five days after the one before."""
    return Scene(
        id=f"{sensor.value}-{number:04d}",
        collection="sentinel-2-l2a" if sensor is Sensor.S2 else "sentinel-1-rtc",
        source=source,
        sensor=sensor,
        platform="sentinel-2a",
        acquired_at=datetime(2024, 1, 1, 11, tzinfo=UTC) + timedelta(days=5 * number),
        acquisition=f"acquisition-{number}",
        baseline="05.10" if sensor is Sensor.S2 else "",
        offset_dn=1000 if sensor is Sensor.S2 else 0,
        offset_rule="baseline 04.00 or later",
        epsg=32630,
        bbox=(-1.8, 51.6, -1.79, 51.61),
        hrefs=tuple((band, f"/scenes/{number}/{band}.tif") for band in sensor.bands),
    )


def estimate(
    woodland_id: str = "a",
    season: str = "2025-Q4",
    mean: float = 100.0,
    *,
    head: str = "head-1",
    coverage: float = 0.9,
    inputs_hash: str = "inputs-1",
    applicable_share: float = 1.0,
) -> EstimateRow:
    """One estimate of richness."""
    return EstimateRow(
        woodland_id=woodland_id,
        season=season,
        target="richness",
        encoder="encoder-1",
        head=head,
        config_hash="config-1",
        inputs_hash=inputs_hash,
        mean=mean,
        sd=5.0,
        sd_place=4.0,
        sd_year=3.0,
        coverage=coverage,
        applicable_share=applicable_share,
        n_pixels=100,
        n_s2=30.0,
        n_s1_ascending=12.0,
        n_s1_descending=0.0,
        run_id="run-1",
        block_id="block-1",
    )


def history(first: int = 2017, last: int = 2025) -> list[EstimateRow]:
    """Woodland a falls by two taxa a year from 100, woodland b stays at 60."""
    years = range(first, last + 1)
    return [estimate("a", f"{year}-Q4", 100.0 - 2 * (year - 2017)) for year in years] + [
        estimate("b", f"{year}-Q4", 60.0) for year in years
    ]


def assessment(season: str = "2025-Q4", series_hash: str = "series-1") -> Assessment:
    """An assessment by the first model."""
    return Assessment(season, "richness", "encoder-1", "head-1", "config-1", series_hash, "run-1")


def trend_row(woodland_id: str = "a", judged: Assessment | None = None, q: float = 0.01) -> TrendRow:
    """A fall of two taxa a year over nine years."""
    trend = Trend(
        woodland_id, 9, 2017, 2025, -36, -2.0, -2.1, -1.9, -2.0, 0.001, q, 0.16, 0.5, "exact-mk, no control"
    )
    return TrendRow(judged or assessment(), trend)


def alert_row(woodland_id: str = "a", judged: Assessment | None = None) -> AlertRow:
    """A confirmed decline."""
    judged = judged or assessment()
    alert = Alert(
        id=f"alert-{woodland_id}",
        woodland_id=woodland_id,
        season=judged.season,
        target="richness",
        kind="decline",
        level=Level.CONFIRMED,
        reason="2 taxa a year lost over 9 years",
        slope=-2.0,
        q=0.01,
        decline_fraction=0.16,
    )
    return AlertRow(judged, alert)


def prepare(writer: Writer) -> None:
    """Record what estimates refer to: woodlands, cards and a run."""
    writer.load_woodlands(WOODLANDS, now=NOW)
    writer.load_models(MODELS, now=NOW)
    writer.record_run(RUN)


def load(writer: Writer, folder: Path, rows: Sequence[EstimateRow], now: datetime = NOW) -> int:
    """Stage rows and load them."""
    return writer.load_estimates(write_estimates(folder / "staged.parquet", rows), now=now)


def empty(path: Path) -> Path:
    """A warehouse of the newest schema with nothing in it."""
    path.write_bytes(_nothing())
    return path


@cache
def _nothing() -> bytes:
    """Making the schema takes half a second, and nearly every test starts from it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "warehouse.duckdb"
        with open_writer(path, now=NOW):
            pass
        return path.read_bytes()


def filled(path: Path, rows: Sequence[EstimateRow] = ()) -> Path:
    """A warehouse with one trend and one alert, and the rows or else nine years of both woodlands."""
    path.write_bytes(_content(tuple(rows) or tuple(history())))
    return path


@cache
def _content(rows: tuple[EstimateRow, ...]) -> bytes:
    with TemporaryDirectory() as folder:
        path = empty(Path(folder) / "warehouse.duckdb")
        with open_writer(path, now=NOW) as writer:
            prepare(writer)
            load(writer, path.parent, rows)
            writer.load_trends([trend_row("a"), trend_row("b", q=NAN)], now=NOW)
            writer.load_alerts([alert_row("a")], now=NOW)
        return path.read_bytes()
