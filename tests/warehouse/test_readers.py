"""Readers while a writer loads, supersedes and publishes: whole seasons only, never back, never a wait."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import whole_seasons
from reader_drill import load_and_publish, watched
from warehouse_world import empty

from warehouse.reader import read

#: Far above any question asked on a busy machine, and far below a wait for the writer to end, seconds.
BLOCKED_S = 20.0


def check_seen(saw: list[dict[str, Any]], *hows: str) -> None:
    for each, how in zip(saw, hows, strict=True):
        assert each["questions"] > 1
        assert each["slowest_s"] < BLOCKED_S
        assert (each["loads"] == [1]) == (how == "kept")


def test_who_opens_a_snapshot_sees_the_last_whole_season_and_keeps_it(tmp_path: Path) -> None:
    published = tmp_path / "published.duckdb"
    empty(tmp_path / "warehouse.duckdb")
    load_and_publish(tmp_path, published, 1, 1)
    with read(published) as kept:
        load_and_publish(tmp_path, published, 2, 2)
        with read(published) as anew:
            assert whole_seasons.check_shown(kept.connection) == 1
            assert whole_seasons.check_shown(anew.connection) == 2


@pytest.mark.slow
def test_eight_readers_see_only_whole_seasons_through_thirty_loads(tmp_path: Path) -> None:
    hows = ("anew",) * 7 + ("kept",)
    saw = watched(tmp_path, 30, *hows)
    check_seen(saw, *hows)
