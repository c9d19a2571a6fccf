from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest
import shapely
from warehouse_world import MODELS, NOW, RUN, WOODLANDS, history, scene, trend_row

from monitoring.alerts.events import EventKind
from monitoring.alerts.life import Status, states_of
from monitoring.errors import MigrationError, WarehouseError
from warehouse.columns import settled, table
from warehouse.database import connect
from warehouse.migrate import Migration, known_migrations, migrate
from warehouse.reader import read
from warehouse.records import BlockSeasonRow
from warehouse.staging import write_estimates
from warehouse.writer import Writer, open_writer

FIRST, SECOND = known_migrations()[:2]
TABLE = Migration(3, "0003_soil.sql", "create table soil (id integer);")


def tables(path: Path) -> set[str]:
    with connect(path, read_only=True) as connection:
        return {name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()}


def test_a_new_file_gets_every_migration_once(tmp_path: Path) -> None:
    with connect(tmp_path / "w.duckdb", read_only=False) as connection:
        assert migrate(connection, now=NOW) == len(known_migrations())
        assert migrate(connection, now=NOW) == 0
        recorded = connection.execute(
            "select number, name, sha256 from schema_migration order by 1"
        ).fetchall()
    assert recorded == [(m.number, m.name, m.sha256) for m in known_migrations()]


def test_migrations_are_numbered_from_one_without_a_gap() -> None:
    assert [m.number for m in known_migrations()] == list(range(1, len(known_migrations()) + 1))


def test_an_older_file_is_brought_up_keeping_what_it_holds(tmp_path: Path) -> None:
    with connect(tmp_path / "w.duckdb", read_only=False) as connection:
        assert migrate(connection, now=NOW, known=[FIRST]) == 1
        connection.execute("insert into park values ('Vale', now()::timestamp)")
        assert migrate(connection, now=NOW, known=[FIRST, SECOND, TABLE]) == 2
        assert connection.execute("select name from park").fetchall() == [("Vale",)]
    assert "soil" in tables(tmp_path / "w.duckdb")


def test_a_failing_migration_leaves_neither_tables_nor_record(tmp_path: Path) -> None:
    broken = replace(TABLE, sql="create table soil (id integer); create table soil (id integer);")
    with connect(tmp_path / "w.duckdb", read_only=False) as connection:
        with pytest.raises(WarehouseError, match=r"migration 0003_soil\.sql"):
            migrate(connection, now=NOW, known=[FIRST, SECOND, broken])
        assert connection.execute("select max(number) from schema_migration").fetchone() == (2,)
    assert "soil" not in tables(tmp_path / "w.duckdb")


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    with connect(tmp_path / "w.duckdb", read_only=False) as connection:
        migrate(connection, now=NOW, known=[FIRST, SECOND, TABLE])
        with pytest.raises(MigrationError, match="schema 3 is newer than 2"):
            migrate(connection, now=NOW, known=[FIRST, SECOND])


def test_a_migration_edited_after_it_was_applied_is_refused(tmp_path: Path) -> None:
    edited = replace(SECOND, sql=SECOND.sql + "-- a small improvement\n")
    with connect(tmp_path / "w.duckdb", read_only=False) as connection:
        migrate(connection, now=NOW, known=[FIRST, SECOND])
        with pytest.raises(MigrationError, match=f"{SECOND.name}: applied as sha256 {SECOND.sha256[:12]}"):
            migrate(connection, now=NOW, known=[FIRST, edited])


def insert_places_and_models(connection: duckdb.DuckDBPyConnection) -> None:
    """Record the run, the woodlands and the cards as versions before 8 did: a woodland had one polygon."""
    connection.execute("insert into park select 'Vale', $now", {"now": NOW.replace(tzinfo=None)})
    for woodland in WOODLANDS:
        connection.execute(
            "insert into woodland select $id, $name, 'Vale', $status, $is_ancient, $area_ha, "
            "st_geomfromwkb($wkb), -1.8, 51.6, '', $now",
            {
                "id": woodland.id,
                "name": woodland.name,
                "status": woodland.status.value,
                "is_ancient": woodland.is_ancient,
                "area_ha": woodland.area_ha,
                "wkb": shapely.to_wkb(woodland.geometry),
                "now": NOW.replace(tzinfo=None),
            },
        )


def insert_without_parts(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Record nine years as versions before 6 did: nobody knew error parts or the area of applicability."""
    staged = write_estimates(folder / "staged.parquet", history())
    connection.execute(
        "insert into estimate by name select * exclude (sd_place, sd_year, applicable_share, boundary), "
        "cast($now as timestamp) as recorded_at from read_parquet($staged)",
        {"now": NOW.replace(tzinfo=None), "staged": str(staged)},
    )


def insert_trends_of_version_six(connection: duckdb.DuckDBPyConnection) -> None:
    """Record two trends as versions before 7 did: with the exact test alone."""
    connection.register("made", table(settled([trend_row("a"), trend_row("b")])))
    connection.execute(
        "insert into trend by name select * exclude (p_mann_kendall, tested_slope, tested_se, "
        "degrees_of_freedom, memory, posterior_slope, posterior_sd, decline_probability, look, q_allowed), "
        "cast($now as timestamp) as recorded_at from made",
        {"now": NOW.replace(tzinfo=None)},
    )


def version_four(path: Path) -> Path:
    """A warehouse as version 4 of the schema left it: nine years, two trends, one scene used."""
    path.write_bytes(_content(_fill_version_four))
    return path


@cache
def _content(fill: Callable[[Path], None]) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "w.duckdb"
        fill(path)
        return path.read_bytes()


def _fill_version_four(path: Path) -> None:
    with connect(path, read_only=False) as connection:
        migrate(connection, now=NOW, known=known_migrations()[:4])
        writer = Writer(connection)
        insert_places_and_models(connection)
        writer.record_run(RUN)
        writer.load_models(MODELS, now=NOW)
        insert_without_parts(connection, path.parent)
        connection.execute(
            "insert into current_model select "
            "'richness', 1, 'encoder-1', 'head-1', 'config-1', 'run-1', $now",
            {"now": NOW.replace(tzinfo=None)},
        )
        insert_trends_of_version_six(connection)
        connection.execute(
            "insert into scene select 'simulated', 's2-0001', 'sentinel-2-l2a', 's2', 'sentinel-2a', $now, "
            "'acquisition-1', '05.10', 1000, 'rule', 32630, -1.8, 51.6, -1.79, 51.61, '{}', null, $now",
            {"now": NOW.replace(tzinfo=None)},
        )
        connection.execute(
            "insert into season_scene select '2025-Q4', 'block-1', 'simulated', 's2-0001', $now",
            {"now": NOW.replace(tzinfo=None)},
        )


def test_a_warehouse_of_version_four_keeps_its_histories_and_takes_what_later_versions_find(
    tmp_path: Path,
) -> None:
    path = version_four(tmp_path / "w.duckdb")
    with connect(path, read_only=True) as connection:
        before = connection.execute(
            "select woodland_id, season, is_final, mean from site_history order by all"
        ).fetchall()
        parks = connection.execute("select season, mean, is_final from park_summary order by all").fetchall()
    with open_writer(path, now=NOW) as writer:
        assert writer.load_scenes("block-1", "2025-Q4", [scene(1)], now=NOW) == 0
        assert writer.load_scenes("block-1", "2025-Q4", [scene(2)], now=NOW) == 1
    with read(path) as reader:
        rows = [(r["woodland_id"], r["season"], r["is_final"], r["mean"]) for r in reader.history()]
        assert rows == before
        summed = [(r["season"], r["mean"], r["is_final"]) for r in reader.park_summary()]
        assert sorted(summed) == parks
        assert [r["relative_orbit"] for r in reader.scenes()] == [None, None]
        assert {r["id"]: r["tile"] for r in reader.scenes()} == {"s2-0001": None, "s2-0002": ""}
        assert {r["why_not_final"] for r in reader.history()} == {""}
        assert {r["is_applicable"] for r in reader.history()} == {True}
        assert all(math.isnan(r["applicable_share"]) and math.isnan(r["sd_year"]) for r in reader.history())
        assert len(reader.trends()) == 2
        assert [len(series.years) for series in reader.series("richness")] == [9, 9]
    holed = BlockSeasonRow("2020-Q4", "block-1", 10.0, 1, 0.9, 0.2, False, True, 1, 0, "9 missing", "run-1")
    with open_writer(path, now=NOW) as writer:
        assert writer.load_block_seasons([holed], now=NOW) == 1
    with read(path) as reader:
        assert [len(series.years) for series in reader.series("richness")] == [8, 8]


#: Rows of version 6 by table, past those of `version_four`: two alerts, one of them raised twice and ended.
VERSION_SIX_ROWS = """
insert into park select 'Dale', $now;
insert into card_wording select 'head-1', 2, '{}', $now;
insert into trend by name select * replace ('2024-Q4' as season, 'series-0' as series_hash) from trend;
insert into contrast select
    'Vale', '2025-Q4', 'richness', 'encoder-1', 'head-1', 'config-1', 'series-1', 9, 2, 2, -1, -2, 0, 0.1,
    'm', '', 'run-1', $now;
insert into alert by name
select
    'alert-' || woodland_id as id, woodland_id, season, target, encoder, head, config_hash, series_hash,
    'decline' as kind, if(season = '2025-Q4', 'CONFIRMED', 'WATCH') as level, 'lost some' as reason, slope, q,
    decline_fraction, run_id, recorded_at
from trend
where (woodland_id, season) in (('a', '2024-Q4'), ('a', '2025-Q4'), ('b', '2024-Q4'));
insert into quality_check select 'scenes', '2025-Q4', 'all', 'e', '', true, 0, '4', 'run-1', $now;
insert into quarantine select 'scenes', '2025-Q4', 'k', 'r', '{}', 'run-1', $now;
insert into report select '2025-Q4', '', 'report.pdf', '00', 'run-1', $now;
insert into season_completeness select
    '2025-Q4', 'block-1', 1, 's2', '', 0, '31UCS', 10, 9, '[]', 'e', 'run-1', $now;
insert into block_season select
    '2025-Q4', 'block-1', 1, 10, 9, 0.1, 0.5, true, true, 9, 0, 'inputs-1', '', 'run-1', $now;
insert into season_observation select
    'a', '2025-Q4', 'inputs-1', 1, 30, 0, 12, 0, 12, 9, true, 'run-1', $now;
insert into index_observation select
    'a', 'simulated', 's2-0001', 'nbr', 1, $now, 0.5, 1, false, 'run-1', $now;
insert into asset_failure select
    '2025-Q4', 'block-1', 's2-0001', 'red', 1, 1, 'cut short', $now, $now, 'waiting', 'run-1', $now;
"""


def version_six(path: Path) -> Path:
    """A warehouse as version 6 of the schema left it, with rows in every table."""
    path.write_bytes(_content(_fill_version_six))
    return path


def _fill_version_six(path: Path) -> None:
    version_four(path)
    with connect(path, read_only=False) as connection:
        migrate(connection, now=NOW, known=known_migrations()[:6])
        for statement in VERSION_SIX_ROWS.strip().split(";\n"):
            needs = {"now": NOW.replace(tzinfo=None)} if "$now" in statement else {}
            connection.execute(statement, needs)


Content = dict[str, tuple[list[str], list[tuple[object, ...]]]]


def contents(path: Path, like: Content | None = None) -> Content:
    """The columns and rows of every table; or of those in `like`, with the columns they have there."""
    found: Content = {}
    with connect(path, read_only=True) as connection:
        for name in sorted(like or tables(path) - {"schema_migration"}):
            columns = ", ".join(like[name][0]) if like else "*"
            rows = connection.execute(f"select {columns} from {name} order by all")
            found[name] = ([column[0] for column in rows.description], rows.fetchall())
    return found


def test_a_warehouse_of_version_six_keeps_every_row_of_every_table(tmp_path: Path) -> None:
    path = version_six(tmp_path / "w.duckdb")
    before = contents(path)
    assert {name for name, (_, rows) in before.items() if not rows} == set()
    with open_writer(path, now=NOW):
        pass
    assert contents(path, before) == before
    with connect(path, read_only=False) as connection, pytest.raises(duckdb.ConstraintException):
        connection.execute("update alert set level = 'LOUD'")


def test_alerts_of_version_six_get_the_life_they_had(tmp_path: Path) -> None:
    path = version_six(tmp_path / "w.duckdb")
    with open_writer(path, now=NOW):
        pass
    with read(path) as reader:
        events = reader.alert_events("richness")
        standing = reader.alerts()
    assert [(event.alert_id, event.kind, event.season) for event in events] == [
        ("alert-a", EventKind.RAISED, "2024-Q4"),
        ("alert-a", EventKind.LEVEL_CHANGED, "2025-Q4"),
        ("alert-b", EventKind.RAISED, "2024-Q4"),
        ("alert-b", EventKind.EXPIRED, "2024-Q4"),
    ]
    lives = states_of(events)
    assert [life.status for life in lives.values()] == [Status.OPEN, Status.EXPIRED]
    assert [(row["id"], row["level"], row["raised_season"]) for row in standing] == [
        ("alert-a", "CONFIRMED", "2024-Q4")
    ]


def test_a_migration_to_version_seven_that_breaks_off_leaves_version_six(tmp_path: Path) -> None:
    path = version_six(tmp_path / "w.duckdb")
    before = contents(path)
    last = known_migrations()[6]
    broken = replace(last, sql=last.sql + "create table look (again integer);")
    with connect(path, read_only=False) as connection, pytest.raises(WarehouseError, match="0007_trust"):
        migrate(connection, now=NOW, known=[*known_migrations()[:6], broken])
    assert contents(path) == before
