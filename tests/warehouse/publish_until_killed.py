"""Child process: loads, clusters and publishes season after season, and says what it is about to do.

    python publish_until_killed.py FOLDER [LAST]

A line is `<what> <number of the load>`; `committed` and `published` are said once the call has returned. With
LAST it ends after that load.
"""

from __future__ import annotations

import sys
from pathlib import Path

import whole_seasons

from warehouse.publish import publish
from warehouse.writer import Writer, open_writer

#: Loads under one lease, and loads after which the histories are brought into order.
_AT_A_TIME, _CLUSTER_EVERY = 2, 3


def say(what: str, number: int) -> None:
    sys.stdout.write(f"{what} {number}\n")
    sys.stdout.flush()


def load_and_publish(writer: Writer, folder: Path, number: int) -> None:
    """One season, from staging to the snapshot."""
    say("stage", number)
    staged = whole_seasons.stage(folder, number)
    say("load", number)
    whole_seasons.load(writer, staged, number)
    say("committed", number)
    staged.unlink()
    if number % _CLUSTER_EVERY == 0:
        say("cluster", number)
        writer.cluster(after=1)
        say("clustered", number)
    say("publish", number)
    writer.publish(folder / "published" / "underwood.duckdb")
    say("published", number)


def go_on(folder: Path, last: int | None = None) -> None:
    """Open the warehouse again and again, and go on where it ends."""
    path, number = folder / "warehouse.duckdb", 0
    while last is None or number < last:
        say("open", number)
        with open_writer(path, now=whole_seasons.BEGIN) as writer:
            say("opened", number)
            whole_seasons.prepare(writer)
            first = 1 + whole_seasons.last_load(writer.reader.connection)
            for number in range(first, first + _AT_A_TIME):
                load_and_publish(writer, folder, number)
            say("close", number)
        say("publish", number)
        publish(path, folder / "published" / "underwood.duckdb")
        say("published", number)


if __name__ == "__main__":
    say("ready", 0)
    go_on(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
