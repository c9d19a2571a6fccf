"""Child process: adds parks, one of them only once it has read a line, and says what it committed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import duckdb

from monitoring.errors import LeaseLostError
from warehouse.database import connect, transaction
from warehouse.lease import Lease
from warehouse.publish import write_lease


def say(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def add_park(connection: duckdb.DuckDBPyConnection, held: Lease, name: str, *, waits: bool = False) -> None:
    """Add a park in a transaction of its own; `waits` for a line in the middle of it."""
    with transaction(connection, f"park {name}", held):
        connection.execute("insert into park (name, recorded_at) values ($name, now())", {"name": name})
        if waits:
            say("in the middle")
            sys.stdin.readline()


def add_parks(path: Path, ttl_s: float, *, endlessly: bool) -> None:
    """Add a park and half of another, or parks without end."""
    with write_lease(path, ttl_s=ttl_s) as held, connect(path, read_only=False, held=held) as connection:
        add_park(connection, held, "before")
        number = 0
        while endlessly:
            number += 1
            add_park(connection, held, f"park-{number}")
            say(f"park-{number}")
            time.sleep(0.005)
        add_park(connection, held, "of a zombie", waits=True)


if __name__ == "__main__":
    try:
        add_parks(Path(sys.argv[1]), float(sys.argv[2]), endlessly="endlessly" in sys.argv)
    except LeaseLostError as refusal:
        say(refusal)
