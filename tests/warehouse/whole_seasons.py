"""Seasons that are whole or not there: in one load every woodland has the same mean, the number of the load.

So whoever sees two means in one season, or fewer woodlands than there are, sees half a load. Loads go round
the seasons: from number 17 on, each supersedes an earlier one of its season.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
from shapely import box

from monitoring.woodlands import Status, Woodland
from warehouse.database import query
from warehouse.operations.checks import Outcome, check_content
from warehouse.records import EstimateRow, ModelRow, RunRow
from warehouse.staging import write_estimates
from warehouse.writer import Writer

BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
TARGETS = ("biomass", "evenness", "richness")
SEASONS = tuple(f"{year}-Q{quarter}" for year in range(2017, 2021) for quarter in range(1, 5))
#: With three targets more rows than DuckDB takes at a time (2,048), so that a load is not one piece by luck.
N_WOODLANDS = 720
N_ROWS = N_WOODLANDS * len(TARGETS)

_LOADS = """
select
    cast(min(mean) as integer), season, count(*), count(distinct mean), count(distinct (woodland_id, target)),
    min(inputs_hash), count(distinct inputs_hash), min(run_id) = max(run_id)
from estimate
group by season, inputs_hash
order by 1
"""
_SHOWN = """
select
    season, cast(min(mean) as integer), count(*), count(distinct mean), count(distinct (woodland_id, target))
from site_history
group by season
"""

_EVERY_SEASON = "select season from estimate union select season from current_estimate"


def season_of(number: int) -> str:
    """The season that a load is of."""
    return SEASONS[(number - 1) % len(SEASONS)]


def moment_of(number: int) -> datetime:
    """When a load is recorded."""
    return BEGIN + timedelta(minutes=number)


def prepare(writer: Writer) -> None:
    """Record the woodlands and the models, where they are not there."""
    if writer.reader.models():
        return
    cards = [ModelRow("encoder", "encoder-1", "{}", "00")]
    cards += [ModelRow("head", f"head-{target}", "{}", "00") for target in TARGETS]
    with writer.as_one("woodlands and models"):
        writer.load_woodlands([_woodland(number) for number in range(N_WOODLANDS)], now=BEGIN)
        writer.load_models(cards, now=BEGIN)


def stage(folder: Path, number: int) -> Path:
    """Write the staging file of a load."""
    path = folder / "staging" / f"{number}.parquet"
    first = _estimate(number)
    rows = [
        replace(first, woodland_id=_name(place), target=target, head=f"head-{target}")
        for place in range(N_WOODLANDS)
        for target in TARGETS
    ]
    return write_estimates(path, rows)


def load(writer: Writer, staged: Path, number: int) -> None:
    """Record a load in one transaction: the run, the estimates, the end of the run."""
    now = moment_of(number)
    with writer.as_one(f"season {season_of(number)}"):
        writer.record_run(RunRow(f"run-{number}", season_of(number), "config-1", "{}", "0.1.0", now))
        writer.load_estimates(staged, now=now)
        writer.finish_run(f"run-{number}", "finished", now=now)


def last_load(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the number of the last load there is; 0 for none."""
    (number,) = connection.execute("select coalesce(max(mean), 0) from estimate").fetchone() or (0,)
    return int(number)


def check_whole(connection: duckdb.DuckDBPyConnection) -> int:
    """Return how many loads there are, having seen that each is whole and the last of each season shown."""
    loads = connection.execute(_LOADS).fetchall()
    assert loads == [
        (number, season_of(number), N_ROWS, 1, N_ROWS, f"inputs-{number}", 1, True)
        for number in range(1, len(loads) + 1)
    ]
    runs = connection.execute("select run_id, status from run order by started_at").fetchall()
    assert runs == [(f"run-{number}", "finished") for number in range(1, len(loads) + 1)]
    check_shown(connection)
    return len(loads)


def check_shown(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the number of the last load shown, having seen that each season is the last of it, whole."""
    shown = {season: rest for season, *rest in connection.execute(_SHOWN).fetchall()}
    last = max((number for number, *_ in shown.values()), default=0)
    due = {season_of(number): [number, N_ROWS, 1, N_ROWS] for number in range(1, last + 1)}
    assert shown == due
    return last


def check_serving(connection: duckdb.DuckDBPyConnection) -> None:
    """See that each serving table is what the log comes to."""
    seasons = [season for (season,) in connection.execute(_EVERY_SEASON).fetchall()]
    for what in ("woodlands", "estimates", "summary"):
        text = query(f"check/serving_{what}")
        asked = {"seasons": seasons} if "$seasons" in text else {}
        assert connection.execute(text, asked).fetchall() == []


def check_all(connection: duckdb.DuckDBPyConnection) -> None:
    """See that no check of the warehouse fails."""
    failed = [
        each for each in check_content(connection, now=datetime.now(UTC)) if each.outcome is Outcome.FAILED
    ]
    assert failed == []


def _name(place: int) -> str:
    # In no order of place, as the ids of an inventory are.
    return f"w-{place * 7919 % N_WOODLANDS:04d}"


def _woodland(place: int) -> Woodland:
    west, south = -1.8 + 0.001 * (place % 30), 51.6 + 0.001 * (place // 30)
    status = Status.ASNW if place % 2 else Status.OTHER
    return Woodland(_name(place), f"Wood {place}", f"Park {place % 3}", status,
                    box(west, south, west + 0.0005, south + 0.0005), 0.5)  # fmt: skip


def _estimate(number: int) -> EstimateRow:
    return EstimateRow(
        woodland_id="",
        season=season_of(number),
        target="",
        encoder="encoder-1",
        head="",
        config_hash="config-1",
        inputs_hash=f"inputs-{number}",
        mean=float(number),
        sd=1.0,
        sd_place=0.5,
        sd_year=0.5,
        coverage=1.0,
        applicable_share=1.0,
        n_pixels=100,
        n_s2=30.0,
        n_s1_ascending=12.0,
        n_s1_descending=0.0,
        run_id=f"run-{number}",
        block_id="block-1",
    )
