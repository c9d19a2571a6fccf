"""The answers of the three are the same: histories row by row, summaries to nine digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import parquet_files
import postgres
from parquet_files import STRATUM, WEIGHTED
from speed_figures import Row
from warehouse_filled import TARGET, Bench, history

from warehouse.reader import read


def compare(bench: Bench, server: postgres.Server | None) -> None:
    """Raise AssertionError unless all three give the same histories and summaries."""
    for woodland_id in bench.questions()[:20]:
        ours = history(bench, woodland_id)
        assert len(ours) == bench.world.n_seasons
        others = [from_files(bench, woodland_id), from_seasons(bench, woodland_id)]
        if server:
            others.append(postgres.latencies(server, postgres.HISTORY, [(woodland_id, TARGET)])[1])
        for theirs in others:
            for name in ("season", "mean", "sd", "n_snow", "is_final", "inputs_hash", "park"):
                assert [row[name] for row in ours] == [row[name] for row in theirs], name
    park, season = bench.some_parks()[0], bench.some_seasons()[-1]
    compare_summaries(bench, {"park": park}, bench.files.of_park(park), server, postgres.KEPT_PARK)
    of_season = bench.files.of_season(season)
    compare_summaries(bench, {"season": season}, of_season, server, postgres.KEPT_SEASON)


def compare_summaries(
    bench: Bench, asked: dict[str, str], path: Path, server: postgres.Server | None, statement: str
) -> None:
    with read(bench.snapshot) as reader:
        ours = ordered(list(reader.park_summary(**asked)))
    others = [ordered(parquet_files.summary(path).to_dict("records"))]
    if server:
        others.append(ordered(postgres.latencies(server, statement, [tuple(asked.values())])[1]))
    for theirs in others:
        for name in ("n_woodlands", "area_ha", "n_not_applicable", *WEIGHTED):
            np.testing.assert_allclose(
                [row[name] for row in ours], [row[name] for row in theirs], rtol=1e-9, err_msg=name
            )


def ordered(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: [row[name] for name in STRATUM])


def from_files(bench: Bench, woodland_id: str) -> list[Row]:
    return parquet_files.history(bench.files.of_woodland(woodland_id), woodland_id, TARGET)


def from_seasons(bench: Bench, woodland_id: str) -> list[Row]:
    return parquet_files.history(bench.files.by_season, woodland_id, TARGET)
