"""What the warehouse answers in at full size, beside PostgreSQL and beside Parquet read by pandas.

    make bench-warehouse                                           50,000 woodlands x 36 seasons x 3 targets
    python bench/warehouse_speed.py --woodlands 2000 --seasons 12  the same, small

Everything goes through the real writer, season by season, a few per cent of it estimated again, as in years
of service; the last three seasons are timed. Answers are compared before any time is printed. All caches are
warm, the questions and their number the same for all three; each is also asked while another process loads
season after season. A load of the service brings histories into order at its end, which is timed apart; what
that is worth show the histories of a warehouse in which seven loads did not.

To the others' advantage: PostgreSQL and Parquet are given rows worked out before; they keep no log, no
provenance and no versions, and check nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import parquet_files
import postgres
import pyarrow as pa
from histories_world import TARGETS, World
from postgres_filled import coming_csv, fill_postgres
from same_answers import compare, from_files, from_seasons
from season_loaders import LOADERS, be_loader, loading
from speed_figures import (
    HEADS,
    Row,
    bytes_of,
    judged,
    latencies,
    median,
    megabytes,
    percentiles,
    progress,
    seconds,
    shown,
)
from warehouse_filled import (
    OUT_OF_ORDER,
    TARGET,
    TIMED,
    Bench,
    Taken,
    coming,
    fill,
    history,
    in_order,
    load,
    median_load,
    publish,
    question_of,
)

from flows.provenance.nodes import estimate_name
from warehouse.answering.provenance import read_chain
from warehouse.database import connect
from warehouse.operations.checks import Outcome, check_content
from warehouse.reader import read

#: Bounds, seconds: what a person waits for without noticing, and what a nightly load may take.
HISTORY_P50, HISTORY_P95, LOAD, SUMMARY, PUBLISH = 0.005, 0.015, 3.0, 0.050, 5.0
#: As a load of the service leaves histories.
IN_ORDER = "in order"
HISTORY = "select * from site_history where woodland_id = ? and target = ? order by season"
WORKED_OUT = "select * from season_summary where {} = ? order by park, is_ancient desc, target, season"


def ask(connection: duckdb.DuckDBPyConnection, statement: str, *values: str) -> list[Any]:
    return connection.execute(statement, list(values)).fetchall()


def our_histories(bench: Bench, state: str) -> None:
    """Measure histories, idle and while seasons are loaded; `state` says in which order the rows lie."""
    with read(bench.snapshot) as reader, connect(bench.snapshot, read_only=True) as connection:
        ways: dict[str, Callable[[str], Any]] = {
            "reader.history": lambda key: reader.history(key, TARGET),
            "SQL": lambda key: ask(connection, HISTORY, key, TARGET),
        }
        for way, answer in ways.items():
            latencies(answer, bench.questions()[:50])
            idle = percentiles(latencies(answer, bench.questions()))
            with loading(bench, "warehouse") as loader:
                taken = latencies(answer, itertools.cycle(bench.questions()), loader.go_on)
            name = f"history by id, {way}, {state}"
            bench.add({"what": name, "warehouse": idle})
            row = {"what": f"{name}, while loading", "warehouse": percentiles(taken), "note": loader.said}
            is_served = state == IN_ORDER
            bench.add(judged(row, p50=HISTORY_P50, p95=HISTORY_P95) if is_served else row)


def their_histories(bench: Bench, server: postgres.Server | None) -> None:
    """Measure histories of the two others, idle and while seasons are loaded."""
    best = lambda key: from_files(bench, key)  # noqa: E731
    latencies(best, bench.questions()[:50])
    idle: Row = {"what": "history by id", "parquet": percentiles(latencies(best, bench.questions()))}
    with loading(bench, "parquet") as loader:
        busy: Row = {"what": "history by id, while loading"}
        busy["parquet"] = percentiles(latencies(best, itertools.cycle(bench.questions()), loader.go_on))
    notes = [f"pandas: {loader.said}"]
    if server:
        questions = [(key, TARGET) for key in bench.questions()]
        postgres.latencies(server, postgres.HISTORY, questions[:50])
        idle["postgres"] = percentiles(postgres.latencies(server, postgres.HISTORY, questions)[0])
        with loading(bench, "postgres", server) as loader:
            asked = itertools.cycle(questions)
            busy["postgres"] = percentiles(
                postgres.latencies(server, postgres.HISTORY, asked, loader.go_on)[0]
            )
        notes.append(f"PostgreSQL: {loader.said}")
    bench.add(
        idle | {"note": "pandas: a file for each two last digits of the id, in order, small row groups"}
    )
    bench.add(busy | {"note": "; ".join(notes)})
    few = bench.questions()[: bench.few]
    seasons = latencies(lambda key: from_seasons(bench, key), few)
    bench.add({"what": "history by id, a file per season", "parquet": percentiles(seasons)})


def summaries(bench: Bench, server: postgres.Server | None) -> None:
    """Measure the summary of one park over all seasons, and of all parks in one season."""
    asked = {
        "park": ("one park, all seasons", bench.some_parks(), bench.files.of_park),
        "season": ("all parks, one season", bench.some_seasons(), bench.files.of_season),
    }
    for name, (what, keys, path) in asked.items():
        with read(bench.snapshot) as reader:
            kept = lambda key, name=name: reader.park_summary(**{name: key})  # noqa: E731
            latencies(kept, keys[:5])
            row: Row = {"what": f"park summary, {what}", "warehouse": percentiles(latencies(kept, keys))}
        row |= by_postgres(server, {"park": postgres.KEPT_PARK, "season": postgres.KEPT_SEASON}[name], keys)
        by_pandas = latencies(lambda key, path=path: parquet_files.summary(path(key)), keys)
        row |= {"parquet": percentiles(by_pandas), "note": f"kept; pandas works it out, a file per {name}"}
        bench.add(judged(row, p95=SUMMARY))
        with connect(bench.snapshot, read_only=True) as connection:
            made = lambda key, name=name: ask(connection, WORKED_OUT.format(name), key)  # noqa: E731
            row = {
                "what": f"  worked out: {what}",
                "warehouse": percentiles(latencies(made, keys[: bench.few // 2])),
            }
        where = {"park": postgres.PARK, "season": postgres.SEASON}[name]
        bench.add(row | by_postgres(server, postgres.SUMMARY.format(where=where), keys[: bench.few // 2]))


def by_postgres(server: postgres.Server | None, statement: str, keys: Sequence[str]) -> Row:
    if server is None:
        return {}
    questions = [(key,) for key in keys]
    postgres.latencies(server, statement, questions[:3])
    return {"postgres": percentiles(postgres.latencies(server, statement, questions)[0])}


def openings(bench: Bench, server: postgres.Server | None) -> None:
    """Measure a history asked for by somebody who is not connected yet, and what a day long past saw."""
    keys = bench.questions()[: bench.few]
    opened = percentiles(latencies(lambda key: history(bench, key), keys))
    row: Row = {"what": "open, then one history", "warehouse": opened}
    asked = percentiles(latencies(lambda key: question_of(bench, key), keys))
    if server:
        row["postgres"] = percentiles([postgres.opening(server, (key, TARGET)) for key in keys])
    bench.add(row)
    bench.add({"what": "the same as `underwood query` asks, confined", "warehouse": asked})
    moment = bench.world.loaded_at(bench.world.n_seasons // 2)
    with read(bench.snapshot) as reader:
        back = latencies(lambda key: reader.history(key, TARGET, as_of=moment), keys[:10])
    bench.add({"what": "history as of half the record ago", "warehouse": percentiles(back)})


def loads(bench: Bench, ours: list[Taken], again: list[Taken], theirs: Row) -> None:
    """Report the loads of a season for all targets, and measure those for one."""
    found = median_load(ours)
    row = {"what": f"load of one season: {bench.size}", "warehouse": found, **theirs}
    row["note"] = f"warehouse: committed; file closed after {found['closed']} s. {row.get('note', '')}"
    bench.add(judged(row, most=LOAD))
    bench.add({"what": "  what late scenes changed of it (3 % of blocks)", "warehouse": median_load(again)})


def loads_of_one_target(bench: Bench, server: postgres.Server | None) -> None:
    copy = bench.folder / "scratch" / "one.duckdb"
    shutil.copy(bench.warehouse, copy)
    taken = [load(copy, season) for season in coming(bench, [TARGET])[:TIMED]]
    row: Row = {"what": f"load of one season: {bench.world.n_woodlands:,} woodlands, 1 target"}
    row["warehouse"] = median_load(taken)
    if server:
        postgres.execute(
            server, f"delete from estimate where season > '{bench.some_seasons()[-1]}'", "vacuum"
        )
        paths = [coming_csv(bench, number, TARGET) for number in range(TIMED)]
        row["postgres"] = median([postgres.load(server, path) for path in paths])
    bench.add(judged(row, most=LOAD))


def loads_of_files(bench: Bench) -> Row:
    """Return the seconds of a load into files: a season's own, and those of all woodlands beside it."""
    frame = pd.read_parquet(bench.files.of_season(bench.last_season))
    own = [seconds(lambda: parquet_files.write(frame, bench.folder / "own", parquet_files.SEASON_GROUP))
           for _ in range(TIMED)]  # fmt: skip
    copy = bench.folder / "rewritten"
    shutil.copytree(bench.files.by_woodland, copy)
    rewritten = seconds(lambda: parquet_files.add_to_woodlands(copy, frame))
    shutil.rmtree(copy)
    return {
        "parquet": median(own),
        "note": f"pandas: a season's file; the files by woodland {rewritten:.1f} s",
    }


def sizes(bench: Bench, server: postgres.Server | None) -> None:
    """Report what each takes on disk."""
    layouts = bench.files.sizes()
    row: Row = {"what": "on disk", "warehouse": bytes_of(bench.snapshot)}
    row["parquet"] = {"bytes": sum(layouts.values()), "of": layouts}
    note = f"writer's own file {megabytes(bytes_of(bench.warehouse)['bytes'])}; pandas: three copies"
    if server:
        found = postgres.size(server)
        row["postgres"] = {"bytes": found["whole"], "of": found}
        note += f"; PostgreSQL: {megabytes(found['indexes'])} of it indexes"
    bench.add(row | {"note": note})


def measure(bench: Bench, server: postgres.Server | None) -> None:
    """Fill all three and measure them."""
    ours, again = fill(bench)
    published = publish(bench)
    with connect(bench.snapshot, read_only=True) as connection:
        bench.files.lay_out(connection)
    theirs: Row = {}
    if server:
        taken, filled = fill_postgres(bench, server)
        theirs["postgres"] = median(taken)
        progress(f"PostgreSQL filled in {filled:.0f} s")
    compare(bench, server)
    print(shown(HEADS), flush=True)
    loads(bench, ours, again, theirs | loads_of_files(bench))
    bench.add(judged({"what": "publish", "warehouse": median(published)}, most=PUBLISH))
    our_histories(bench, f"{OUT_OF_ORDER} loads unsorted")
    summaries(bench, server)
    openings(bench, server)
    moment = bench.world.loaded_at(bench.world.n_seasons)
    bench.add(
        {"what": "bring histories into order", "warehouse": median([in_order(bench.warehouse, moment)])}
    )
    publish(bench)
    our_histories(bench, IN_ORDER)
    their_histories(bench, server)
    whole_log(bench)
    sizes(bench, server)
    loads_of_one_target(bench, server)


def whole_log(bench: Bench) -> None:
    """Measure what looks through everything recorded: the operator's check, an id without its woodland."""
    moment = bench.world.loaded_at(bench.world.n_seasons)
    with connect(bench.warehouse, read_only=True) as connection:
        row: Row = {
            "what": "warehouse check",
            "warehouse": median([seconds(lambda: sound(connection, moment))]),
        }
    bench.add(row)
    with read_chain(bench.snapshot) as chain:
        seasons = sorted(set(bench.some_seasons()))[::5]
        ids = [estimate_name(chain.estimates_of_season(season)[0]) for season in seasons]
        found = percentiles(latencies(chain.estimate_of_id, ids))
    bench.add(
        {"what": "an estimate by its id alone", "warehouse": found, "note": "one of every fifth season"}
    )


def sound(connection: duckdb.DuckDBPyConnection, moment: datetime) -> None:
    """Check the warehouse as `underwood warehouse check` does; end here when something is broken."""
    broken = [each for each in check_content(connection, now=moment) if each.outcome is Outcome.FAILED]
    if broken:
        sys.exit(f"{broken[0].check}: {broken[0].found}")


def machine() -> Row:
    """Return what the figures were measured on."""
    names = Path("/proc/cpuinfo")
    lines = names.read_text().splitlines() if names.exists() else []
    processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": processor,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "duckdb": duckdb.__version__,
        "pandas": pd.__version__,
        "pyarrow": pa.__version__,
        "load": os.getloadavg(),
    }


def parse() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--woodlands", type=int, default=50_000)
    parser.add_argument("--seasons", type=int, default=36, help="from 2017-Q1; at least 8")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=1000, help="histories asked for")
    parser.add_argument("--least-s", type=float, default=12.0, help="seconds of reading while loading")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    parser.add_argument("--loader", choices=LOADERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.seasons <= OUT_OF_ORDER:
        parser.error(f"--seasons {asked.seasons}: at least {OUT_OF_ORDER + 1}")
    return asked


@contextmanager
def server_if_any(why_not: str) -> Iterator[postgres.Server | None]:
    if why_not:
        print(f"PostgreSQL is left out: {why_not}")
        yield None
        return
    with postgres.serving() as server:
        yield server


def main() -> None:
    asked = parse()
    world = World(asked.woodlands, asked.seasons, asked.seed)
    if asked.loader:
        be_loader(Bench(world, asked.folder, asked.repeats, asked.least_s), asked.loader, asked.port)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server ends and no file is left
    before, why_not = machine(), postgres.why_absent()
    with tempfile.TemporaryDirectory(prefix="bench-warehouse-") as folder, server_if_any(why_not) as server:
        bench = Bench(world, Path(folder), asked.repeats, asked.least_s)
        began = time.perf_counter()
        measure(bench, server)
    figures = {
        "machine": before | {"postgres": why_not or postgres.version(), "load_after": os.getloadavg()},
        "settings": postgres.SETTINGS,
        "world": asdict(world) | {"targets": list(TARGETS)},
        "minutes": round((time.perf_counter() - began) / 60, 1),
        "rows": bench.rows,
    }
    print(json.dumps(figures["machine"]))
    if asked.out:
        asked.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
