"""The cookbook and the Python page: every query runs, and finds something in a small world that has it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from warehouse_world import NOW, estimate, filled, load, scene

import warehouse
from warehouse.writer import open_writer

DOCS = Path(__file__).resolve().parents[2] / "docs"
#: Queries on what the small world has nothing of: passes, indices, gates, releases, promotions, retractions.
FIND_NOTHING_HERE = {
    "What a new release of the inventory changed",
    "Models that came to speak, and what that changed",
    "Years that are not final, and why",
    "The share of expected passes that is missing",
    "What an expectation rests on",
    "Days on which a pass is missing",
    "Assets that could not be read",
    "Scenes held back that no run has used since",
    "Copies, and what decided between them",
    "One woodland's index, acquisition by acquisition",
    "Woodlands partly outside the area of applicability",
    "Seasons seen without, or only without, leaves",
    "What whole parks do",
    "The yearly looks so far",
    "Everything that happened to the alerts of a woodland",
    "Alerts that reprocessing took back",
    "Gates that hold alerts back",
}


def recipes() -> list[tuple[str, str]]:
    text = (DOCS / "sql-cookbook.md").read_text("utf-8")
    return re.findall(r"^## (.+?)$.*?^```sql\n(.+?)^```", text, re.M | re.S)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine years of two woodlands with a trend and an alert, scenes, and one season estimated again later."""
    path = filled(tmp_path_factory.mktemp("cookbook") / "warehouse.duckdb")
    later = NOW + timedelta(days=90)
    with open_writer(path, now=later) as writer:
        writer.load_scenes("block-1", "2025-Q4", [scene(1), scene(2)], now=later)
        load(writer, path.parent, [estimate("a", "2025-Q4", 83.0, inputs_hash="inputs-2")], later)
    return path


@pytest.fixture(scope="module")
def snapshot(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(path), read_only=True) as connection:
        yield connection


@pytest.mark.parametrize(("heading", "query"), recipes(), ids=[heading for heading, _ in recipes()])
def test_every_query_finds_what_the_world_has(
    snapshot: duckdb.DuckDBPyConnection, heading: str, query: str
) -> None:
    assert bool(snapshot.execute(query).fetchall()) is (heading not in FIND_NOTHING_HERE)


def test_the_list_of_queries_that_find_nothing_names_queries() -> None:
    assert {heading for heading, _ in recipes()} >= FIND_NOTHING_HERE


def test_what_was_known_on_a_day_is_not_what_is_known_now(snapshot: duckdb.DuckDBPyConnection) -> None:
    known = snapshot.execute(dict(recipes())["What was known on a day"]).fetchall()
    assert known[-1][:2] == ("2025-Q4", 84.0)
    ((woodland_id, season, was, is_now, difference, *_),) = snapshot.execute(
        dict(recipes())["What has changed since a day"]
    ).fetchall()
    assert (woodland_id, season, was, is_now, difference) == ("a", "2025-Q4", 84.0, 83.0, -1.0)


def test_a_superseded_estimate_says_why(snapshot: duckdb.DuckDBPyConnection) -> None:
    ((*_, why),) = snapshot.execute(dict(recipes())["Estimates that were superseded, and why"]).fetchall()
    assert why == "other scenes"


def test_a_wood_at_the_place_is_nearest(snapshot: duckdb.DuckDBPyConnection) -> None:
    rows = snapshot.execute(dict(recipes())["Woods near a place"]).fetchall()
    assert [row[0] for row in rows] == ["a", "b"]
    assert 0 < rows[0][-1] < 0.1


def test_the_notebook_of_the_python_page_runs(path: Path) -> None:
    text = (DOCS / "python.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.+?)^```", text, re.M | re.S)
    notebook = [block for block in blocks if "latest.json" not in block]
    assert len(notebook) == 3
    names: dict[str, object] = {"warehouse": warehouse}
    for block in notebook:
        exec(block.replace(".underwood/published/underwood.duckdb", str(path)), names)  # our own page
    assert len(names["frame"]) == 18  # type: ignore[arg-type]
    assert len(names["lost"]) == 2  # type: ignore[arg-type]
    assert len(names["then"]) == 9  # type: ignore[arg-type]
    assert len(names["beside"]) == 9  # type: ignore[arg-type]
