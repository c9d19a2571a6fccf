"""The public views as Parquet: every reader finds the same rows; the same snapshot gives the same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

import duckdb
import geopandas as gpd
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from warehouse_world import NOW, WOODLANDS, alert_row, empty, estimate, load, prepare, trend_row

import warehouse
from monitoring.errors import WarehouseError
from warehouse.answering import parquet_tree
from warehouse.answering.parquet_tree import VIEWS, WrittenView, chosen_views, folder_name, write_view
from warehouse.writer import Writer, open_writer

#: Names a boundary file might hold.
NASTY = "../..//Höhe & 'Tal'; a=b%"
THIRD = replace(WOODLANDS[0], id="c", name="Cherry Wood", park=NASTY)
FOURTH = replace(WOODLANDS[0], id="d", name="Dell", park="")


def fill(writer: Writer, folder: Path) -> None:
    """Four woodlands in two parks and none, five years each, with a trend and an alert."""
    prepare(writer)
    writer.load_woodlands([THIRD, FOURTH], now=NOW)
    rows = [estimate(each, f"{year}-Q4", float(year)) for each in "abcd" for year in range(2021, 2026)]
    load(writer, folder, rows)
    writer.load_trends([trend_row("a"), trend_row("c")], now=NOW)
    writer.load_alerts([alert_row("a")], now=NOW)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("snapshot")
    with open_writer(empty(folder / "warehouse.duckdb"), now=NOW) as writer:
        fill(writer, folder)
        return writer.publish(folder / "published.duckdb")


@dataclass(frozen=True)
class Tree:
    """Views written to a folder."""

    root: Path
    written: dict[str, WrittenView]


def written_tree(snapshot: Path, root: Path, names: Sequence[str] = ()) -> Tree:
    @contextmanager
    def opened(name: str) -> Iterator[BinaryIO]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        with (root / name).open("wb") as file:
            yield file

    with warehouse.read(snapshot) as reader:
        views = [write_view(reader, view, opened, lambda done, total: None) for view in chosen_views(names)]
    return Tree(root, {each.view.name: each for each in views})


@pytest.fixture(scope="module")
def tree(snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return written_tree(snapshot, tmp_path_factory.mktemp("tree"))


@pytest.mark.parametrize("view", [view.name for view in VIEWS])
def test_every_file_has_the_rows_and_the_digest_that_are_said(tree: Tree, view: str) -> None:
    for file in tree.written[view].files:
        content = (tree.root / file.path).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (file.sha256, file.n_bytes)
        assert pq.read_metadata(tree.root / file.path).num_rows == file.n_rows


@pytest.mark.parametrize("view", [view.name for view in VIEWS])
def test_every_column_says_its_unit(tree: Tree, view: str) -> None:
    columns = tree.written[view].columns
    assert [name for name, _, meaning in columns if not meaning] == []
    for file in tree.written[view].files:
        schema = pq.read_schema(tree.root / file.path)
        assert [field.name for field in schema] == [c[0] for c in columns if c[0] not in file.partition]
        assert all(field.metadata[b"meaning"] for field in schema)


def test_pandas_geopandas_and_duckdb_read_the_history_of_the_snapshot(snapshot: Path, tree: Tree) -> None:
    with warehouse.read(snapshot) as reader:
        rows = {(row["woodland_id"], row["season"], row["park"], row["mean"]) for row in reader.history()}
    folder = tree.root / "site_history"
    by_pandas, by_geopandas = pd.read_parquet(folder), gpd.read_parquet(folder)
    query = "select woodland_id, season, park, mean from read_parquet($path, hive_partitioning = true)"
    by_duckdb = duckdb.sql(query, params={"path": f"{folder}/**/*.parquet"}).fetchall()
    columns = ["woodland_id", "season", "park", "mean"]
    for frame in (by_pandas, by_geopandas):
        assert set(frame[columns].astype({"park": str}).itertuples(index=False, name=None)) == rows
    assert set(by_duckdb) == rows
    assert len(rows) == len(by_duckdb) == 20


def test_a_park_is_a_folder_and_leads_nowhere_else(tree: Tree) -> None:
    files = tree.written["site_history"].files
    assert [file.partition["park"] for file in files] == ["", NASTY, "Vale"]
    for file in files:
        assert (tree.root / file.path).resolve().is_relative_to(tree.root / "site_history")
        assert file.path.count("/") == 3
    only = pd.read_parquet(tree.root / "site_history", filters=[("park", "==", NASTY)])
    assert set(only["woodland_id"]) == {"c"}


@given(st.text(max_size=16))
def test_a_folder_name_keeps_the_whole_name_and_nothing_that_parts_folders(name: str) -> None:
    folder = folder_name(name)
    assert unquote(folder) == name
    assert folder.isascii()
    assert not set(folder) & set("/\\\0\n :*?\"'")


def test_a_very_long_name_still_fits_a_folder() -> None:
    names = {folder_name("ä" * length) for length in (200, 201)} | {folder_name("a" * 300)}
    assert len(names) == 3
    assert all(len(name) < 230 and "\ufffd" not in unquote(name) for name in names)


def test_woodlands_are_geoparquet_with_their_box(tree: Tree) -> None:
    path = tree.root / "woodlands.parquet"
    frame = gpd.read_parquet(path)
    assert frame.crs == "EPSG:4326"
    assert frame["woodland_id"].tolist() == ["a", "b", "c", "d"]
    assert frame.geometry[1].equals(WOODLANDS[1].geometry)
    geo = json.loads(pq.read_schema(path).metadata[b"geo"])
    assert (geo["version"], geo["primary_column"]) == ("1.1.0", "geometry")
    column = geo["columns"]["geometry"]
    assert (column["encoding"], column["crs"]["id"]) == ("WKB", {"authority": "EPSG", "code": 4326})
    assert column["bbox"] == [-1.8, 51.6, -1.7945, 51.601]
    assert gpd.read_parquet(path, bbox=(-1.7975, 51, -1.7, 52))["woodland_id"].tolist() == ["b"]


@pytest.mark.parametrize("name", ["trends", "alerts"])
def test_trends_and_alerts_lie_inside_their_woodland(tree: Tree, name: str) -> None:
    found = gpd.read_parquet(tree.root / f"{name}.parquet")
    woods = gpd.read_parquet(tree.root / "woodlands.parquet").set_index("woodland_id").geometry
    assert len(found)
    assert all(woods[row.woodland_id].contains(row.geometry) for row in found.itertuples())


def test_nobody_who_looks_is_named(tree: Tree) -> None:
    columns = pq.read_schema(tree.root / "alerts.parquet").names
    assert not {"assignee", "last_note", "actor"} & set(columns)
    assert "level" in columns


def test_times_are_utc_for_every_reader(tree: Tree) -> None:
    frame = pd.read_parquet(tree.root / "site_history")
    assert set(frame["recorded_at"]) == {pd.Timestamp(NOW)}


def test_the_same_snapshot_gives_the_same_bytes(snapshot: Path, tree: Tree, tmp_path: Path) -> None:
    again = written_tree(snapshot, tmp_path)
    assert again.written == tree.written


def test_histories_in_many_slices_are_the_same_rows(
    snapshot: Path, tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_tree, "SLICE_WOODLANDS", 1)
    sliced = written_tree(snapshot, tmp_path, ["site_history"])
    parts = sliced.written["site_history"].files
    assert pq.ParquetFile(tmp_path / parts[-1].path).num_row_groups == 2
    whole = pd.read_parquet(tree.root / "site_history")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "site_history"), whole)


def test_a_view_that_is_not_handed_out_is_named() -> None:
    with pytest.raises(WarehouseError, match="view alert_event: not handed out; there are site_history"):
        chosen_views(["trends", "alert_event"])
    assert [view.name for view in chosen_views(["trends", "woodlands"])] == ["woodlands", "trends"]


def test_an_empty_warehouse_gives_files_without_rows(tmp_path: Path) -> None:
    tree = written_tree(empty(tmp_path / "empty.duckdb"), tmp_path / "tree")
    assert tree.written["site_history"].files == ()
    assert len(gpd.read_parquet(tmp_path / "tree" / "woodlands.parquet")) == 0
    assert len(pd.read_parquet(tmp_path / "tree" / "trends.parquet")) == 0
