from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from warehouse_world import NAN, estimate, history

from monitoring.errors import WarehouseError
from monitoring.estimates import WoodlandEstimate
from warehouse.records import EstimateRow
from warehouse.staging import read_estimates, staging_path, write_estimates


def test_what_is_staged_is_read_back_by_key(tmp_path: Path) -> None:
    rows = history()
    path = write_estimates(tmp_path / "deep" / "er" / "x.parquet", rows)
    assert read_estimates(path) == tuple(sorted(rows, key=lambda row: (row.woodland_id, row.season)))
    assert read_estimates(write_estimates(tmp_path / "none.parquet", [])) == ()


def test_the_same_rows_in_any_order_give_the_same_bytes(tmp_path: Path) -> None:
    one = write_estimates(tmp_path / "one.parquet", history())
    other = write_estimates(tmp_path / "other.parquet", list(reversed(history())))
    assert one.read_bytes() == other.read_bytes()


def test_no_estimate_is_staged_as_null_and_read_as_nan(tmp_path: Path) -> None:
    path = write_estimates(tmp_path / "x.parquet", [estimate(mean=NAN)])
    assert pq.read_table(path)["mean"].null_count == 1
    assert math.isnan(read_estimates(path)[0].mean)


def test_an_aggregated_estimate_becomes_a_row() -> None:
    aggregated = WoodlandEstimate(
        "a", 100.0, 5.0, 0.9, 100, 30.0, 12.0, 0.0, sd_place=4.0, sd_year=3.0, applicable_share=1.0
    )
    row = EstimateRow.of(
        aggregated,
        season="2025-Q4",
        target="richness",
        encoder="encoder-1",
        head="head-1",
        config_hash="config-1",
        inputs_hash="inputs-1",
        run_id="run-1",
        block_id="block-1",
    )
    assert row == estimate()


def test_a_file_of_other_columns_is_refused_by_name(tmp_path: Path) -> None:
    pq.write_table(pa.table({"woodland": ["a"]}), tmp_path / "x.parquet")
    with pytest.raises(WarehouseError, match="columns woodland string; expected woodland_id string"):
        read_estimates(tmp_path / "x.parquet")


@pytest.mark.parametrize("keep", [0, 3, 200])
def test_a_truncated_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = write_estimates(tmp_path / "x.parquet", history())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(
        WarehouseError, match=r"x\.parquet: .*; delete it and run the season again"
    ) as refusal:
        read_estimates(path)
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there_is_not_asked_to_be_deleted(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match=r"gone\.parquet: no such file; run the season again"):
        read_estimates(tmp_path / "gone.parquet")


def test_a_folder_that_cannot_be_made_is_one_clear_line_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WarehouseError, match="staged estimates"):
        write_estimates(tmp_path / "file" / "x.parquet", history())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_every_part_of_the_key_is_in_the_name(tmp_path: Path) -> None:
    path = staging_path(tmp_path, "2025-Q4", "block-1", "richness", "encoder-1")
    assert path.parent == tmp_path / "2025-Q4"
    assert path.name.startswith("block-1-")
    assert path == staging_path(tmp_path, "2025-Q4", "block-1", "richness", "encoder-1")
    assert path != staging_path(tmp_path, "2025-Q4", "block-1", "richness", "encoder-2")
    assert path != staging_path(tmp_path, "2025-Q4", "block-1", "richnessencoder-1", "")


FIGURES = st.floats(allow_nan=False)


@given(figures=st.lists(st.tuples(FIGURES, FIGURES, st.text(max_size=5)), max_size=5))
@settings(max_examples=30, deadline=None)
def test_every_figure_and_name_survives_staging(tmp_path_factory: pytest.TempPathFactory, figures) -> None:
    rows = [
        replace(estimate(f"wood-{number}"), mean=mean, sd=sd, head=head)
        for number, (mean, sd, head) in enumerate(figures)
    ]
    assert read_estimates(write_estimates(tmp_path_factory.mktemp("staged") / "x.parquet", rows)) == tuple(
        rows
    )
