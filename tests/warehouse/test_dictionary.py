from __future__ import annotations

from pathlib import Path

import pytest
from warehouse_world import empty

from warehouse.dictionary import data_dictionary, write_page
from warehouse.reader import read

PAGE = Path(__file__).parents[2] / "docs" / "data-dictionary.md"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return empty(tmp_path / "warehouse.duckdb")


def test_the_page_in_docs_is_what_the_warehouse_says(path: Path) -> None:
    assert PAGE.read_text("utf-8") == data_dictionary(path), (
        "docs/data-dictionary.md is stale: run `make docs`"
    )


def test_make_docs_writes_that_page(tmp_path: Path) -> None:
    assert write_page(tmp_path / "page.md").read_text("utf-8") == PAGE.read_text("utf-8")


def test_every_table_view_and_column_has_a_comment(path: Path) -> None:
    with read(path) as reader:
        rows = reader.dictionary()
    assert {"site_history", "latest_trend", "open_alert", "park_summary"} <= {row["relation"] for row in rows}
    assert [(row["relation"], row["column_name"]) for row in rows if not row["comment"]] == []
    assert {row["relation"] for row in rows if not row["relation_comment"]} == set()


def test_a_real_number_without_a_unit_in_its_comment_is_named(path: Path) -> None:
    units = (
        "per year",
        "taxa",
        "0-1",
        "hectares",
        "degrees",
        "observations",
        "same unit",
        "share",
        "mean",
        "dates",
        "without unit",
    )
    with read(path) as reader:
        real = [row for row in reader.dictionary() if row["data_type"] == "DOUBLE"]
    unitless = [
        (row["relation"], row["column_name"])
        for row in real
        if not any(unit in row["comment"].lower() for unit in units)
    ]
    assert unitless == []
