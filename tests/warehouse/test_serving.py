"""The serving tables are what the log comes to, after whatever was loaded."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from shapely import box
from warehouse_world import NOW, empty, estimate, filled, history, load, prepare

from monitoring.errors import WarehouseError
from monitoring.woodlands import boundary_digest
from warehouse.database import connect
from warehouse.operations.vacuum import rebuild_serving
from warehouse.reader import Reader, read
from warehouse.records import BlockSeasonRow, LineageRow, ReleaseRow, WoodlandVersionRow
from warehouse.writer import Writer, open_writer

LATER = NOW + timedelta(days=90)
DEFINITIONS = {
    "current_estimate": "site_history_as_of(timestamp 'infinity')",
    "current_woodland": "woodland_as_of(timestamp 'infinity')",
    "current_summary": "season_summary",
}
HOLED = BlockSeasonRow("2020-Q4", "block-1", 10.0, 1, 0.9, 0.2, False, True, 1, 0, "9 missing", "run-1")


def differences(path: Path) -> dict[str, int]:
    """Rows of each serving table that its definition does not give, and the other way round."""
    with connect(path, read_only=True) as connection:
        found = {
            name: connection.execute(
                f"select count(*) from ((from {name} except all from {definition}) "
                f"union all (from {definition} except all from {name}))"
            ).fetchone()
            for name, definition in DEFINITIONS.items()
        }
    return {name: count[0] for name, count in found.items() if count is not None and count[0]}


def test_serving_tables_follow_estimates_standings_and_late_scenes(tmp_path: Path) -> None:
    path = filled(tmp_path / "w.duckdb")
    with open_writer(path, now=LATER) as writer:
        load(writer, tmp_path, [estimate("a", "2024-Q4", 50.0, inputs_hash="inputs-2")], LATER)
        writer.load_block_seasons([HOLED], now=LATER)
    assert differences(path) == {}
    with read(path) as reader:
        means = {row["season"]: row["mean"] for row in reader.history("a")}
        assert (means["2024-Q4"], means["2025-Q4"]) == (50.0, 84.0)
        assert [row["is_final"] for row in reader.history("b", season="2020-Q4")] == [False]


def test_what_was_known_before_a_late_scene_is_still_told(tmp_path: Path) -> None:
    path = filled(tmp_path / "w.duckdb")
    with open_writer(path, now=LATER) as writer:
        load(writer, tmp_path, [estimate("a", "2024-Q4", 50.0, inputs_hash="inputs-2")], LATER)
    with read(path) as reader:
        (then,) = reader.history("a", season="2024-Q4", as_of=NOW + timedelta(days=1))
        (now,) = reader.history("a", season="2024-Q4", as_of=LATER)
    assert (then["mean"], now["mean"]) == (86.0, 50.0)


def load_with_a_stranger(writer: Writer, folder: Path) -> None:
    with writer.as_one("season 2021-Q4"):
        load(writer, folder, [estimate("a", "2021-Q4", 92.0)])
        load(writer, folder, [estimate("nowhere", "2021-Q4", 92.0)])


def test_what_fails_inside_one_transaction_leaves_nothing_of_it(tmp_path: Path) -> None:
    path = filled(tmp_path / "w.duckdb", history(2017, 2020))
    with (
        open_writer(path, now=NOW) as writer,
        pytest.raises(WarehouseError, match="woodland nowhere is not recorded"),
    ):
        load_with_a_stranger(writer, tmp_path)
    assert differences(path) == {}
    with read(path) as reader:
        assert {row["season"] for row in reader.history()} == {f"{year}-Q4" for year in range(2017, 2021)}


def test_bringing_histories_into_order_changes_no_row_and_no_comment(tmp_path: Path) -> None:
    path = empty(tmp_path / "w.duckdb")
    with open_writer(path, now=NOW) as writer:
        prepare(writer)
        for year in range(2017, 2021):
            load(writer, tmp_path, history(year, year))
        before, said = writer.reader.history(), writer.reader.dictionary()
        assert writer.cluster() == 3
        assert writer.cluster() == 0
        assert writer.reader.history() == before
        assert writer.reader.dictionary() == said
        load(writer, tmp_path, history(2021, 2021))
    assert differences(path) == {}


def test_histories_made_anew_are_in_order_and_hold_nothing_that_the_log_does_not(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with open_writer(path, now=NOW) as writer:
        prepare(writer)
        for year in (2018, 2017):
            load(writer, tmp_path, history(year, year))
    with connect(path, read_only=False) as connection:
        connection.execute("update current_estimate set season = '2099-Q4' where season = '2018-Q4'")
    rebuild_serving(path)
    assert differences(path) == {}
    with open_writer(path, now=NOW) as writer:
        assert [row["season"] for row in writer.reader.history("a")] == ["2017-Q4", "2018-Q4"]
        assert writer.cluster() == 0


def moved(reader: Reader) -> WoodlandVersionRow:
    """Woodland a of a second release: a little wider than before."""
    (now,) = (row for row in reader.woodland_values() if row.id == "a")
    wider = replace(now, geometry=box(-1.8, 51.6, -1.7984, 51.601), area_ha=1.1)
    return WoodlandVersionRow(
        "a", 2, "2027", "a", wider.name, wider.park, wider.status, True, wider.area_ha,
        wider.geometry.wkb, -1.799, 51.6005, "", boundary_digest(wider.geometry), LATER.date(),
    )  # fmt: skip


def test_a_new_boundary_speaks_once_it_has_as_many_final_seasons(tmp_path: Path) -> None:
    path = filled(tmp_path / "w.duckdb", history(2017, 2018))
    with read(path) as reader:
        version = moved(reader)
        old = reader.history("a")[0]["boundary"]
    release = ReleaseRow("2027", "inventory.gpkg", "00", LATER.date(), 2, 0)
    kept = [LineageRow("2027", "a", "a", "moved", 1.0, 1.0, 0.9)]
    with open_writer(path, now=LATER) as writer:
        assert writer.load_release(release, [version], kept, now=LATER) == 3
        assert writer.load_release(release, [version], kept, now=LATER) == 0
        assert [row["boundary"] for row in writer.reader.history("a")] == [old, old]
        for year, mean in ((2017, 70.0), (2018, 71.0)):
            fresh = replace(
                estimate("a", f"{year}-Q4", mean, inputs_hash="inputs-3"), boundary=version.boundary
            )
            load(writer, tmp_path, [fresh], LATER)
        assert [row["mean"] for row in writer.reader.history("a")] == [70.0, 71.0]
        assert [row["mean"] for row in writer.reader.history("b")] == [60.0, 60.0]
    assert differences(path) == {}


def test_a_woodland_that_is_gone_keeps_its_history_and_is_in_no_trend(tmp_path: Path) -> None:
    path = filled(tmp_path / "w.duckdb")
    release = ReleaseRow("2027", "inventory.gpkg", "00", LATER.date(), 1, 0)
    with open_writer(path, now=LATER) as writer:
        writer.load_release(
            release, [], [LineageRow("2027", "b", "", "gone", 0.0, 0.0, float("nan"))], now=LATER
        )
        assert len(writer.reader.history("b")) == 9
        assert [one.woodland_id for one in writer.reader.series("richness")] == ["a"]
        assert {row["is_ancient"] for row in writer.reader.park_summary()} == {True}
        assert [one.id for one in writer.reader.woodland_values()] == ["a"]
    assert differences(path) == {}
