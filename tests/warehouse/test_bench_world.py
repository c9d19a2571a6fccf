"""The world that `make bench-warehouse` measures: what is generated is what the warehouse comes to hold."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest
from warehouse_world import empty

from monitoring.grid import make_blocks
from warehouse.columns import schema_of
from warehouse.reader import read
from warehouse.records import EstimateRow, ObservationRow
from warehouse.writer import open_writer

BENCH = Path(__file__).resolve().parents[2] / "bench"
N_WOODLANDS, N_SEASONS = 60, 5


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(BENCH))
    yield importlib.import_module("histories_world")
    for name in {path.stem for path in BENCH.glob("*.py")} & set(sys.modules):
        del sys.modules[name]


def test_the_same_seed_gives_the_same_rows_and_another_seed_others(made: ModuleType) -> None:
    one, same, other = (made.World(N_WOODLANDS, N_SEASONS, seed) for seed in (1, 1, 2))
    assert one.estimates(3, "richness").equals(same.estimates(3, "richness"))
    assert one.woodlands() == same.woodlands()
    assert not one.estimates(3, "richness").equals(other.estimates(3, "richness"))


def test_rows_have_the_columns_that_are_staged(made: ModuleType) -> None:
    world = made.World(N_WOODLANDS, N_SEASONS)
    assert world.estimates(0, "gpp").schema.equals(schema_of(EstimateRow))
    assert world.observations(0, again=True).schema.equals(schema_of(ObservationRow))


def test_a_season_estimated_again_names_other_inputs_for_a_few_whole_blocks(made: ModuleType) -> None:
    world = made.World(N_WOODLANDS, N_SEASONS)
    first, again = (frame(world.estimates(2, "richness", again=is_again)) for is_again in (False, True))
    assert len(first) == N_WOODLANDS
    assert len(again) == made.WOODS_IN_A_BLOCK
    known = {row["woodland_id"]: row for row in first}
    assert all(known[row["woodland_id"]]["inputs_hash"] != row["inputs_hash"] for row in again)
    assert all(known[row["woodland_id"]]["boundary"] == row["boundary"] for row in again)


def test_woodlands_of_a_block_are_neighbours_and_lie_apart(made: ModuleType) -> None:
    world = made.World(N_WOODLANDS, N_SEASONS)
    polygons = [woodland.geometry for woodland in world.woodlands()[: made.WOODS_IN_A_BLOCK]]
    assert not any(one.intersects(other) for one in polygons for other in polygons if one is not other)
    assert len(make_blocks(world.woodlands()[: made.WOODS_IN_A_BLOCK], 20_000)) <= 2


def test_the_warehouse_holds_every_season_once_the_last_estimated_counting(
    made: ModuleType, tmp_path: Path
) -> None:
    world = made.World(N_WOODLANDS, N_SEASONS)
    fill(made, world, tmp_path)
    with read(tmp_path / "w.duckdb") as reader:
        rows = reader.history(target="richness")
    assert len(rows) == N_WOODLANDS * N_SEASONS
    held = {(row["woodland_id"], row["season"]): (row["mean"], row["inputs_hash"]) for row in rows}
    for number in range(N_SEASONS):
        told = {row["woodland_id"]: row for row in frame(world.estimates(number, "richness"))}
        told |= {row["woodland_id"]: row for row in frame(world.estimates(number, "richness", again=True))}
        season = world.season(number).id
        assert all(held[key, season] == (row["mean"], row["inputs_hash"]) for key, row in told.items())


def fill(made: ModuleType, world: Any, folder: Path) -> None:
    """Load all seasons as the benchmark does."""
    from warehouse_filled import Season

    with open_writer(empty(folder / "w.duckdb"), now=world.loaded_at(0)) as writer:
        writer.load_woodlands(world.woodlands(), now=world.loaded_at(0))
        writer.load_models(list(made.models()), now=world.loaded_at(0))
        for number, again in itertools.product(range(N_SEASONS), (False, True)):
            Season.of(world, number, folder, ["richness"], again).load(writer)


def frame(table: pa.Table) -> list[dict[str, Any]]:
    return table.to_pylist()
