"""What must hold in the warehouse, looked at: one finding per check, with one example and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import duckdb

from monitoring.errors import MigrationError, WarehouseError
from warehouse.columns import utc
from warehouse.database import connect, query, refusals
from warehouse.migrate import known_migrations, refuse_other_schema
from warehouse.operations.rooms import table_sums


class Outcome(StrEnum):
    """How a check ended."""

    FINE = "fine"
    LOOK = "look"
    """Nothing is broken; somebody should know."""
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """One check, how it ended, and what to do about it."""

    check: str
    outcome: Outcome
    found: str
    """What was found: how many, with one example."""
    remedy: str = ""
    """What to do; empty where it is fine."""


@dataclass(frozen=True)
class Check:
    """One question to the warehouse; its query answers with (what, n, example), or with no row."""

    name: str
    query: str
    fine: str
    remedy: str
    worst: Outcome = Outcome.FAILED


_RESTORE = "restore a backup (underwood warehouse restore), or run the seasons named again into a new one"
#: Seasons of which the serving table is held against its definition at once: more take more memory, and fewer
#: more time, as each span looks at the whole log.
_SPAN = 12
_REBUILD = "underwood warehouse rebuild-serving"

CHECKS = (
    Check("keys", "check/keys", "every key is recorded once", _RESTORE),
    Check("numbers", "check/numbers", "no numbered finding is lacking", _RESTORE),
    Check("references", "check/orphans", "everything named is recorded", _RESTORE),
    Check("bounds", "check/bounds", "every value is within its bounds", _RESTORE),
    Check("polygons", "check/polygons", "every polygon is the one its boundary names", _RESTORE),
    Check("serving woodlands", "check/serving_woodlands", "current_woodland is up to the log", _REBUILD),
    Check("serving estimates", "check/serving_estimates", "current_estimate is up to the log", _REBUILD),
    Check("serving summary", "check/serving_summary", "current_summary is up to its definition", _REBUILD),
    Check("one model", "check/mixed", "no series mixes models, polygons or sources", _RESTORE),
    Check(
        "gaps",
        "check/gaps",
        "no woodland and no year is lacking",
        "see why in quarantine and staging, then underwood run --season for what is lacking",
        Outcome.LOOK,
    ),
    Check(
        "back-fill",
        "check/backfill",
        "every history is of the present polygon",
        "underwood backfill brings the new polygon's seasons; until then the earlier one speaks",
        Outcome.LOOK,
    ),
    Check(
        "runs",
        "check/runs",
        "no run was left open",
        "it was killed: run its season again",
        Outcome.LOOK,
    ),
    Check(
        "alerts",
        "check/alerts",
        "every alert that stands is on a woodland there is",
        "tell whoever is assigned, then underwood alerts dismiss",
        Outcome.LOOK,
    ),
    Check("clock", "check/clock", "nothing is recorded in the future", "set the clock before the next run"),
)  # fmt: skip

#: Called with (checks done, checks in all).
Progress = Callable[[int, int], None]


def check_content(
    connection: duckdb.DuckDBPyConnection, *, now: datetime, progress: Progress = lambda _done, _all: None
) -> list[Finding]:
    """Return a finding for each check of the open warehouse; nothing is changed.

    A file with damaged blocks, or of another schema, is asked no further. `now`: aware.
    """
    first = [check(connection) for check in _BEFORE_ALL]
    progress(len(first), len(first) + len(CHECKS))
    if any(each.outcome is Outcome.FAILED for each in first):
        return first
    return [*first, *_ask_all(connection, now, progress)]


def check_file(
    path: Path, *, now: datetime, progress: Progress = lambda _done, _all: None
) -> tuple[list[Finding], frozenset[str]]:
    """Return the findings of a database file nobody writes to, and the seasons it holds estimates of."""
    try:
        with connect(path, read_only=True) as connection:
            findings = check_content(connection, now=now, progress=progress)
            is_sound = len(findings) > len(_BEFORE_ALL)
            return findings, _seasons(connection) if is_sound else frozenset()
    except WarehouseError as error:
        return [Finding("file", Outcome.FAILED, str(error), _RESTORE)], frozenset()


def _seasons(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    return frozenset(
        season for (season,) in connection.execute(query("estimated_seasons"), {"target": None}).fetchall()
    )


def _ask_all(connection: duckdb.DuckDBPyConnection, now: datetime, progress: Progress) -> Iterator[Finding]:
    for number, check in enumerate(CHECKS, len(_BEFORE_ALL) + 1):
        yield _ask(connection, check, utc(now))
        progress(number, len(_BEFORE_ALL) + len(CHECKS))


def check_schema(connection: duckdb.DuckDBPyConnection) -> Finding:
    """Return whether the schema is the one known here, each migration with its SHA-256."""
    try:
        refuse_other_schema(connection)
    except (MigrationError, WarehouseError) as error:
        remedy = "use the version that wrote it, or run a season with this one, which migrates it"
        return Finding("migrations", Outcome.FAILED, str(error), remedy)
    found = f"{len(known_migrations())} migrations, each as shipped"
    return Finding("migrations", Outcome.FINE, found)


def check_blocks(connection: duckdb.DuckDBPyConnection) -> Finding:
    """Return whether every table can be read through, which holds each block against its checksum."""
    try:
        sums = table_sums(connection)
    except WarehouseError as error:
        return Finding("file", Outcome.FAILED, f"damaged: {error}", _RESTORE)
    rows = sum(n for n, _ in sums.values())
    return Finding("file", Outcome.FINE, f"{len(sums)} tables of {rows:,} rows were read through")


#: What has to be fine before anything else can be asked.
_BEFORE_ALL = (check_schema, check_blocks)


def _ask(connection: duckdb.DuckDBPyConnection, check: Check, now: datetime) -> Finding:
    with refusals(f"check of {check.name}"):
        rows = _answers(connection, query(check.query), now)
    if not rows:
        return Finding(check.name, Outcome.FINE, check.fine)
    return Finding(check.name, check.worst, "; ".join(_told(row) for row in rows), check.remedy)


def _answers(connection: duckdb.DuckDBPyConnection, text: str, now: datetime) -> list[tuple[Any, ...]]:
    """Return the answers to a query that names the present moment, the seasons to look at, or neither."""
    asked: dict[str, object] = {"now": now} if "$now" in text else {}
    if "$seasons" in text:
        asked["seasons"] = _unlike_seasons(connection)
        if not asked["seasons"]:
            return []
    return connection.execute(text, asked).fetchall()


def _unlike_seasons(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the seasons in which the serving table of estimates is not what its definition gives."""
    seasons = [season for (season,) in connection.execute(query("check/served_seasons")).fetchall()]
    spans = [seasons[first : first + _SPAN] for first in range(0, len(seasons), _SPAN)]
    text = query("check/unlike_seasons")
    found = (connection.execute(text, {"first": span[0], "last": span[-1]}).fetchall() for span in spans)
    return [season for rows in found for (season,) in rows]


def _told(row: Sequence[object]) -> str:
    what, n, example = row
    return f"{what}: {n} (such as {example})" if n != 1 else f"{what}: {example}"
