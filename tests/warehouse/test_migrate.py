from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from warehouse_world import NOW, history, prepare, scene, trend_row

from monitoring.errors import MigrationError, WarehouseError
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


def insert_without_parts(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Record nine years as versions before 6 did: nobody knew error parts or the area of applicability."""
    staged = write_estimates(folder / "staged.parquet", history())
    connection.execute(
        "insert into estimate by name select * exclude (sd_place, sd_year, applicable_share), "
        "cast($now as timestamp) as recorded_at from read_parquet($staged)",
        {"now": NOW.replace(tzinfo=None), "staged": str(staged)},
    )


def version_four(path: Path) -> Path:
    """A warehouse as version 4 of the schema left it: nine years, two trends, one scene used."""
    with connect(path, read_only=False) as connection:
        migrate(connection, now=NOW, known=known_migrations()[:4])
        writer = Writer(connection)
        prepare(writer)
        insert_without_parts(connection, path.parent)
        writer.choose_model("richness", "encoder-1", "head-1", "config-1", run_id="run-1", now=NOW)
        writer.load_trends([trend_row("a"), trend_row("b")], now=NOW)
        connection.execute(
            "insert into scene select 'simulated', 's2-0001', 'sentinel-2-l2a', 's2', 'sentinel-2a', $now, "
            "'acquisition-1', '05.10', 1000, 'rule', 32630, -1.8, 51.6, -1.79, 51.61, '{}', null, $now",
            {"now": NOW.replace(tzinfo=None)},
        )
        connection.execute(
            "insert into season_scene select '2025-Q4', 'block-1', 'simulated', 's2-0001', $now",
            {"now": NOW.replace(tzinfo=None)},
        )
    return path


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
