"""What the vacuum takes, and what it leaves alone."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from warehouse_world import NOW, estimate, filled, load

from monitoring.errors import LeaseHeldError
from warehouse.content import content_digest
from warehouse.lease import lease
from warehouse.operations.rooms import blocks_of, counts_of, row_counts, schema_text, size_of, table_sums
from warehouse.operations.vacuum import free_bytes, leftover_drafts, loaded_staging, remove, rewrite
from warehouse.publish import lease_path
from warehouse.reader import read
from warehouse.writer import open_writer

#: No process has this number: the kernel's largest is 4194304.
GONE = 4_999_999
OLD = NOW - timedelta(days=60)


def made(path: Path, size: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (OLD.timestamp(), OLD.timestamp()))
    return path


def test_only_old_drafts_of_processes_that_are_gone_go(tmp_path: Path) -> None:
    left = made(tmp_path / f".warehouse.duckdb.{GONE}.draft", 7)
    log = made(tmp_path / f".warehouse.duckdb.{GONE}.draft.wal", 3)
    made(tmp_path / f".warehouse.duckdb.{os.getpid()}.draft")
    made(tmp_path / f"warehouse.duckdb.{GONE}.draft")
    made(tmp_path / ".hidden")
    (tmp_path / f".link.{GONE}.draft").symlink_to(left)
    (tmp_path / f".folder.{GONE}.draft").mkdir()
    fresh = made(tmp_path / f".fresh.{GONE}.part")
    os.utime(fresh, (NOW.timestamp(), NOW.timestamp()))
    assert {found.path: remove(found) for found in leftover_drafts(tmp_path, NOW)} == {left: 7, log: 3}
    assert not left.exists()
    assert len(list(tmp_path.iterdir())) == 6


def test_of_staging_only_old_estimates_of_loaded_seasons_go(tmp_path: Path) -> None:
    season = tmp_path / "2024-Q4"
    gone = {
        made(season / "32630-e48-n603-787da168e3dd971a.parquet"),
        made(season / "32630-e48-n603-787da168e3dd971a.observations.parquet"),
        made(season / "load.c850a18a-1d3c-59cb-9e04-a29a8e609bc2.parquet"),
    }
    made(season / "reference-32630-e48-n603-787da168e3dd971a.parquet")
    made(season / "32630-e48-n603.scenes.json")
    made(season / "mine.parquet")
    made(tmp_path / "2023-Q4" / "32630-e48-n603-787da168e3dd971a.parquet")
    made(tmp_path / "ledger" / "32630-e48-n603.json")
    (season / "32630-e48-n604-787da168e3dd971a.parquet").symlink_to(season / "mine.parquet")
    loaded = frozenset({"2024-Q4", "../outside"})
    assert {each.path for each in loaded_staging(tmp_path, loaded, timedelta(days=30), NOW)} == gone
    assert not list(loaded_staging(tmp_path, loaded, timedelta(days=90), NOW))


@pytest.fixture
def bloated(tmp_path: Path) -> Path:
    """A warehouse that once held a large table."""
    path = filled(tmp_path / "warehouse.duckdb")
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table ballast as select random() as x, uuid() as y from range(200000)")
        connection.execute("checkpoint")
        connection.execute("drop table ballast")
    return path


def test_a_file_of_free_blocks_is_written_anew_with_the_same_content(bloated: Path, tmp_path: Path) -> None:
    before, size = content_digest(bloated), bloated.stat().st_size
    assert free_bytes(bloated) > size / 2
    freed = rewrite(bloated)
    assert size - bloated.stat().st_size == freed > size / 2
    assert content_digest(bloated) == before
    assert free_bytes(bloated) == 0
    with open_writer(bloated, now=NOW) as writer:
        assert load(writer, tmp_path, [estimate("a", "2016-Q4")]) == 1
    with read(bloated) as reader:
        assert len(reader.history("a")) == 10
    assert not list(tmp_path.glob(".*draft"))


def test_a_compact_file_is_left_alone(tmp_path: Path) -> None:
    assert free_bytes(filled(tmp_path / "w.duckdb")) == 0


def test_nothing_is_written_anew_while_somebody_writes(bloated: Path) -> None:
    before = bloated.read_bytes()
    with lease(lease_path(bloated)), pytest.raises(LeaseHeldError):
        rewrite(bloated)
    assert bloated.read_bytes() == before


def test_sizes_and_counts_say_what_is_there(tmp_path: Path) -> None:
    path = filled(tmp_path / "w.duckdb")
    blocks, rows = counts_of(path)
    assert (rows["estimate"], rows["woodland"], rows["alert"]) == (18, 2, 1)
    assert 0 < blocks.block_bytes * blocks.total <= path.stat().st_size
    folder = tmp_path / "folder"
    made(folder / "one", 5)
    made(folder / "below" / "two", 7)
    (folder / "link").symlink_to(path)
    assert size_of(folder) == (12, 2)
    assert size_of(folder / "link") == size_of(tmp_path / "nothing") == (0, 0)


def test_a_sum_sees_one_digit_and_not_the_order(tmp_path: Path) -> None:
    path = filled(tmp_path / "w.duckdb")
    with duckdb.connect() as connection:
        connection.execute(f"attach '{path}' as warehouse")
        connection.execute("use warehouse")
        before, schema = table_sums(connection), schema_text(connection)
        connection.execute("create table other as select * from estimate order by season desc")
        connection.execute("delete from estimate")
        connection.execute("insert into estimate select * from other")
        connection.execute("drop table other")
        assert table_sums(connection) == before
        connection.execute("update estimate set mean = mean + 1e-12 where season = '2020-Q4'")
        changed = table_sums(connection)
        assert {name for name in before if before[name] != changed[name]} == {"estimate"}
        connection.execute("comment on table estimate is 'other'")
        assert schema_text(connection) != schema
        assert row_counts(connection)["estimate"] == 18
        assert blocks_of(connection).total > 0
