"""PostgreSQL of a benchmark: filled with what the warehouse holds, then loaded season by season."""

from __future__ import annotations

import time
from pathlib import Path

import duckdb
import postgres
from warehouse_filled import TIMED, Bench

from warehouse.database import connect


def fill_postgres(bench: Bench, server: postgres.Server) -> tuple[list[float], float]:
    """Copy all but the last seasons, make the keys, load the last; return the seconds of each, and of all."""
    began, names = time.perf_counter(), [bench.world.season(n).id for n in range(bench.world.n_seasons)]
    csv = bench.folder / "rows.csv"
    order = "order by woodland_id, target, season"
    with connect(bench.snapshot, read_only=True) as connection:
        for table, kept, where in (
            ("woodland", "current_woodland", ""),
            ("estimate", "current_estimate", f"where season < '{names[-TIMED]}' {order}"),
        ):
            schema = connection.sql(f"select * from {kept} limit 0").to_arrow_table().schema
            copy_csv(connection, f"select * from {kept} {where}", csv)
            postgres.fill(server, table, schema, csv)
        postgres.settle(server)
        taken = []
        for name in names[-TIMED:]:
            copy_csv(connection, f"select * from current_estimate where season = '{name}' {order}", csv)
            taken.append(postgres.load(server, csv))
    csv.unlink()
    postgres.execute(server, "refresh materialized view park_summary", "vacuum analyze", "checkpoint")
    return taken, time.perf_counter() - began


def copy_csv(connection: duckdb.DuckDBPyConnection, rows: str, path: Path) -> None:
    path.unlink(missing_ok=True)
    connection.execute(f"copy ({rows}) to '{path}' (format csv, header false)")
    path.chmod(0o644)


def coming_csv(bench: Bench, number: int, target: str = "") -> Path:
    """Return the rows of a season to come: those of the last under another name."""
    season = bench.world.season(bench.world.n_seasons + number).id
    path = bench.folder / f"{season}-{target}.csv"
    if not path.exists():
        where = f"season = '{bench.last_season}' and ('{target}' = '' or target = '{target}')"
        rows = f"select * replace ('{season}' as season) from current_estimate where {where}"
        with connect(bench.snapshot, read_only=True) as connection:
            copy_csv(connection, f"{rows} order by woodland_id, target, season", path)
    return path
