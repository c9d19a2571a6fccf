from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from warehouse_world import NOW, estimate, filled, history, load

from warehouse.content import content_digest
from warehouse.records import RunRow
from warehouse.writer import open_writer


def test_the_order_and_the_hour_of_loading_do_not_show(tmp_path: Path) -> None:
    one = filled(tmp_path / "one.duckdb")
    other = filled(tmp_path / "other.duckdb", history(2020, 2025))
    with open_writer(other, now=NOW) as writer:
        later = NOW + timedelta(days=1)
        writer.record_run(RunRow("run-2", "2025-Q4", "config-1", "{}", "0.1.0", later))
        load(writer, tmp_path, history(2017, 2019), later)
    assert content_digest(one) == content_digest(other)


def test_one_figure_changed_shows(tmp_path: Path) -> None:
    one = filled(tmp_path / "one.duckdb", [estimate(mean=100.0)])
    other = filled(tmp_path / "other.duckdb", [estimate(mean=100.00000001)])
    assert content_digest(one) != content_digest(other)


def test_one_row_more_shows(tmp_path: Path) -> None:
    path = filled(tmp_path / "one.duckdb")
    before = content_digest(path)
    with open_writer(path, now=NOW) as writer:
        load(writer, tmp_path, [estimate("a", "2016-Q4")])
    assert content_digest(path) != before
