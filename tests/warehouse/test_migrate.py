from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from warehouse_world import NOW

from monitoring.errors import MigrationError, WarehouseError
from warehouse.database import connect
from warehouse.migrate import Migration, known_migrations, migrate

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
