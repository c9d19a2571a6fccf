"""The way in from a notebook: frames and maps that say what the rows say, and what was known on a day."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
from warehouse_world import NOW, estimate, filled, load

import warehouse
from monitoring.errors import WarehouseError
from warehouse.reader import Reader
from warehouse.writer import open_writer

LATER = NOW + timedelta(days=90)
QUESTIONS = sorted(name for name in dir(warehouse.Tables) if not name.startswith("_"))
#: Columns that the questions themselves make.
OWN = {"is_current", "superseded_by", "season", "block_id"}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two woodlands over nine years, in a file that nobody changes."""
    return filled(tmp_path_factory.mktemp("answers") / "warehouse.duckdb")


@pytest.fixture(scope="module")
def reader(path: Path) -> Iterator[Reader]:
    with warehouse.read(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def corrected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with the last season of woodland a estimated again from other scenes ninety days later."""
    path = filled(tmp_path_factory.mktemp("corrected") / "warehouse.duckdb")
    with open_writer(path, now=LATER) as writer:
        load(writer, path.parent, [estimate("a", "2025-Q4", 83.0, inputs_hash="inputs-2")], LATER)
    return path


def test_importing_the_warehouse_loads_no_heavy_library() -> None:
    lines = "import sys, warehouse; print([n for n in ('duckdb', 'pandas', 'geopandas') if n in sys.modules])"
    found = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_path_may_be_text(path: Path) -> None:
    with warehouse.read(str(path)) as reader:
        assert len(reader.tables.history("a").rows) == 9


def test_a_name_the_package_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="plough"):
        warehouse.plough  # noqa: B018


def test_a_history_is_a_frame_with_a_row_per_season(reader: Reader) -> None:
    frame = reader.tables.history("a", "richness").pandas()
    assert frame["season"].tolist() == [f"{year}-Q4" for year in range(2017, 2026)]
    assert frame["mean"].tolist() == [100.0 - 2 * step for step in range(9)]
    assert frame["season_end"].iloc[-1] == pd.Timestamp("2026-01-01")


def test_times_are_utc_and_unknown_numbers_nan(reader: Reader) -> None:
    frame = reader.tables.history("a").pandas()
    assert frame["recorded_at"].iloc[0] == pd.Timestamp(NOW)
    assert str(frame["recorded_at"].dt.tz) == "UTC"
    assert frame["n_leaf_on"].isna().all()
    assert frame["n_leaf_on"].dtype == "float64"
    assert frame["is_phenology_covered"].dtype == "boolean"
    assert frame["is_final"].dtype == "bool"


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_tells_the_same_in_rows_arrow_and_pandas(reader: Reader, question: str) -> None:
    answer = getattr(reader.tables, question)()
    rows, table, frame = answer.rows, answer.arrow(), answer.pandas()
    assert len(rows) == table.num_rows == len(frame)
    assert tuple(table.column_names) == tuple(frame.columns) == answer.columns
    for row, columns in zip(rows, table.to_pylist(), strict=True):
        same = {
            k: v for k, v in row.items() if k != "geometry" and not (isinstance(v, float) and math.isnan(v))
        }
        assert same == {name: columns[name] for name in same}


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_column_has_a_meaning(reader: Reader, question: str) -> None:
    meanings = getattr(reader.tables, question)().meanings
    assert {name for name, meaning in meanings.items() if not meaning} <= OWN


def test_rows_of_the_reader_are_those_of_its_tables(reader: Reader) -> None:
    assert list(map(str, reader.history())) == list(map(str, reader.tables.history().rows))
    assert reader.releases() == reader.tables.releases().rows


def test_woodlands_are_a_map_in_longitude_and_latitude(reader: Reader) -> None:
    frame = reader.tables.woodlands().geopandas()
    assert isinstance(frame, gpd.GeoDataFrame)
    assert frame.crs == "EPSG:4326"
    assert frame["woodland_id"].tolist() == ["a", "b"]
    assert frame.geometry[0].bounds == (-1.8, 51.6, -1.7985, 51.601)
    assert reader.woodlands().geometry.tolist() == frame.geometry.tolist()


def test_trends_can_be_laid_on_a_map_as_they_are(reader: Reader) -> None:
    frame = reader.tables.trends().geopandas()
    assert frame.crs == "EPSG:4326"
    assert frame["slope"].tolist() == [-2.0, -2.0]
    assert frame.geometry[0].bounds == (-1.8, 51.6, -1.7985, 51.601)


def test_rows_of_no_woodland_are_no_map(reader: Reader) -> None:
    with pytest.raises(WarehouseError, match="park_summary: rows of no woodland have no place"):
        reader.tables.park_summary().geopandas()


def test_chosen_columns_come_in_the_order_asked(reader: Reader) -> None:
    assert reader.tables.history("a").select("mean", "season").arrow().column_names == ["mean", "season"]


@pytest.mark.parametrize("column", ["plough", 'mean"; drop table estimate; --', "count(*)", "*", ""])
def test_a_column_that_is_none_is_refused(reader: Reader, column: str) -> None:
    with pytest.raises(WarehouseError, match="site_history: no column"):
        reader.tables.history().select(column)
    assert len(reader.tables.history().rows) == 18


def test_many_rows_come_in_parts(reader: Reader) -> None:
    parts = list(reader.tables.history().batches(5))
    assert sum(map(len, parts)) == 18
    assert str(parts[0].schema.field("recorded_at").type) == "timestamp[us, tz=UTC]"


def test_an_answer_taken_after_its_reader_closed_is_one_clear_line(path: Path) -> None:
    with warehouse.read(path) as reader:
        answer, taken = reader.tables.history("a"), reader.tables.history("a").pandas()
    assert len(taken) == 9
    with pytest.raises(WarehouseError, match=r"site_history \(taken while its reader is open\?\)"):
        answer.pandas()


def test_a_day_in_the_past_knows_what_was_recorded_by_then(corrected: Path) -> None:
    with warehouse.read(corrected) as reader:
        then = reader.tables.history("a", season="2025-Q4", as_of=NOW).pandas()
        now = reader.tables.history("a", season="2025-Q4").pandas()
        before = reader.history("a", as_of=NOW - timedelta(days=1))
        parks = reader.park_summary(season="2025-Q4", as_of=NOW)
        woods = reader.woodlands(as_of=NOW), reader.woodlands(as_of=NOW - timedelta(days=1))
    assert (then["mean"].tolist(), now["mean"].tolist()) == ([84.0], [83.0])
    assert before == ()
    assert [(row["is_ancient"], row["mean"]) for row in parks] == [(True, 84.0), (False, 60.0)]
    assert [len(each) for each in woods] == [2, 0]


def test_what_was_known_at_the_end_of_time_is_what_is_shown_now(corrected: Path) -> None:
    end = datetime(2199, 1, 1, tzinfo=UTC)
    with warehouse.read(corrected) as reader:
        for question in ("history", "park_summary", "woodlands"):
            ask = getattr(reader.tables, question)
            assert ask(as_of=end).arrow().equals(ask().arrow()), question


@pytest.mark.parametrize("as_of", [datetime(2026, 1, 1), "2026-01-01", 2026])  # noqa: DTZ001 - the point of it
def test_a_moment_without_a_time_zone_is_refused(reader: Reader, as_of: object) -> None:
    for ask in (reader.history, reader.park_summary, reader.woodlands, reader.tables.woodlands):
        with pytest.raises(WarehouseError, match=r"time zone$") as refused:
            ask(as_of=as_of)  # type: ignore[operator]
        assert "2026" in str(refused.value)


def test_an_estimate_tells_what_it_was_superseded_by(corrected: Path) -> None:
    with warehouse.read(corrected) as reader:
        old, new = reader.estimate("a", "2025-Q4")
        only = reader.estimate("a", "2024-Q4")
    assert (old["mean"], old["is_current"]) == (84.0, False)
    assert old["superseded_by"] == "estimated again from other scenes"
    assert (new["mean"], new["is_current"], new["superseded_by"]) == (83.0, True, "")
    assert [row["is_current"] for row in only] == [True]


@pytest.mark.parametrize("text", ["' or 1=1 --", "a'; drop table estimate; --", "$1", "\x00", "*", "%"])
@pytest.mark.parametrize("question", [name for name in QUESTIONS if name not in ("releases", "reports")])
def test_what_is_asked_for_is_never_run(reader: Reader, question: str, text: str) -> None:
    assert getattr(reader.tables, question)(text).rows == ()
    assert len(reader.tables.history().rows) == 18
