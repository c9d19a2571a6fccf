from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from warehouse_world import NOW, estimate, filled, load

from monitoring.errors import WarehouseError
from warehouse.content import content_digest
from warehouse.publish import publish
from warehouse.reader import read
from warehouse.writer import open_writer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return filled(tmp_path / "warehouse.duckdb")


def test_a_snapshot_holds_what_the_warehouse_holds_comments_included(path: Path, tmp_path: Path) -> None:
    published = publish(path, tmp_path / "deep" / "published.duckdb")
    assert content_digest(published) == content_digest(path)
    with read(path) as own, read(published) as copy:
        assert own.dictionary() == copy.dictionary()
        assert own.history() == copy.history()


def test_any_client_reads_the_views_of_a_snapshot(path: Path, tmp_path: Path) -> None:
    published = publish(path, tmp_path / "published.duckdb")
    script = (
        "import duckdb as d, sys; print(d.connect(sys.argv[1], read_only=True).sql(sys.argv[2]).fetchall())"
    )
    question = "select season, mean from site_history where woodland_id = 'a' order by season limit 1"
    command = [sys.executable, "-c", script, str(published), question]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[('2017-Q4', 100.0)]"


def test_a_snapshot_is_stored_for_duckdb_one_point_five(path: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(publish(path, tmp_path / "published.duckdb")), read_only=True) as client:
        (tags,) = client.execute("select tags from duckdb_databases() where not internal").fetchone() or ({},)
    assert tags["storage_version"] == "v1.5.0+"


def test_a_reader_keeps_its_snapshot_and_the_next_sees_the_new_one(path: Path, tmp_path: Path) -> None:
    published = publish(path, tmp_path / "published.duckdb")
    with read(published) as before:
        with open_writer(path, now=NOW) as writer:
            load(writer, tmp_path, [estimate("a", "2016-Q4")])
            writer.publish(published)
        with read(published) as after:
            assert len(after.history("a")) == 10
        assert len(before.history("a")) == 9


def test_publishing_nothing_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="does not exist"):
        publish(tmp_path / "gone.duckdb", tmp_path / "published.duckdb")
    assert not (tmp_path / "published.duckdb").exists()
    assert not (tmp_path / "gone.duckdb").exists()


def test_publishing_into_a_file_as_folder_is_one_clear_line(path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WarehouseError, match="snapshot"):
        publish(path, tmp_path / "file" / "published.duckdb")
